"""Order: what somebody asks for, before it is a job."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from impasto.errors import RequestError
from impasto.jobs.records.job import JobKind, Lane, check_id
from impasto.jobs.training_order import Training
from impasto.models import models
from impasto.models.model import PAINTERS
from impasto.plugins import find_plugin
from impasto.request import options

__all__ = ["FILES", "LeftOut", "Order", "unknown_model_error"]

FILES = ("mask", "guide", "initial")
"""Pictures that go with the photograph, by name."""

LeftOut = tuple[str, str]
"""A file's name, and why it was left out, as what goes on after it in a sentence."""

_BEST = "best"
"""Of what is there; no model is called so."""
_OPTIONS = {option.name: option for option in options()}


@dataclass(frozen=True, slots=True)
class Order:
    """Photographs by name, styles with weights, and the settings of :class:`impasto.request.Request`.

    A style is the name of a gallery style, or the bytes of a picture or a style card. ``stylize`` paints one photo in
    the styles mixed; ``grid`` one photograph in every style; ``batch`` every photograph in the styles mixed.
    ``train-style`` has a network learn the one style, a painting, on the photographs, as ``training`` says. Where the
    settings name a model of one style, there need be no style. ``priority`` is 0 (first) to 9; ``left_out`` is told to
    who asks for the job, and makes no difference. Raises
    :class:`RequestError` for contradictions; pictures are not looked at.
    """

    kind: JobKind
    contents: tuple[tuple[str, bytes], ...]
    styles: tuple[tuple[float, str | bytes], ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    priority: int = 5
    id: str | None = None
    training: Training | None = None
    left_out: tuple[LeftOut, ...] = ()

    def __post_init__(self) -> None:
        if self.id is not None:
            check_id(self.id)
        if not self.contents:
            raise RequestError("there is no photograph; send one as content")
        if self.kind not in ("batch", "train-style") and len(self.contents) > 1:
            raise RequestError(f"{len(self.contents)} photographs are for the kind batch, but this is {self.kind}")
        if self.kind == "train-style" or self.training is not None:
            self._check_training()
        if "model" in self.settings:
            _check_model("model", self.settings["model"], PAINTERS)
        if not self.styles and (self.kind == "grid" or not _paints_alone(self.settings.get("model"))):
            raise RequestError("there is no style; send the name of one, or a painting, as style")
        if not 0 <= self.priority <= 9:
            raise RequestError(f"priority is {self.priority}; give a number from 0 (first) to 9")
        if any(not 0 < weight < float("inf") for weight, _ in self.styles):
            raise RequestError(f"weights are {[w for w, _ in self.styles]}; give numbers above 0")
        if unknown := sorted(set(self.files) - set(FILES)):
            raise RequestError(f"there is no picture {unknown[0]!r} to send; send one of {', '.join(FILES)}")
        for name, value in self.settings.items():
            if name not in _OPTIONS:
                raise RequestError(f"there is no setting {name!r}; the settings are {', '.join(_OPTIONS)}")
            _OPTIONS[name].check(value)
        if self.settings.get("encoder", _BEST) != _BEST:
            _check_model("encoder", self.settings["encoder"], ("encoder",))

    @property
    def engine(self) -> str:
        """The engine asked for."""
        return str(self.settings.get("engine", _OPTIONS["engine"].default))

    @property
    def lane(self) -> Lane:
        """Where it has its turn, as a job."""
        if self.kind == "train-style":
            return "training"
        return "bulk" if self.kind == "batch" or self.engine == "iterative" else "interactive"

    @property
    def digest(self) -> str:
        """The sha256 of all of it but the id and the priority. What its names stand for is not in it: see
        :class:`impasto.jobs.name_resolution.NameResolver`."""
        found = hashlib.sha256()
        plain: list[object] = [self.kind, dict(sorted(self.settings.items()))]
        if self.training is not None:
            plain.append(self.training.to_json())
        blobs: list[bytes] = []
        for name, data in self.contents:
            plain.append(name)
            blobs.append(data)
        for weight, style in self.styles:
            plain.append([weight, style if isinstance(style, str) else None])
            if isinstance(style, bytes):
                blobs.append(style)
        for name, data in sorted(self.files.items()):
            plain.append(name)
            blobs.append(data)
        found.update(json.dumps(plain, sort_keys=True).encode())
        for data in blobs:
            found.update(hashlib.sha256(data).digest())
        return found.hexdigest()

    def _check_training(self) -> None:
        if self.training is None:
            raise RequestError("a job of the kind train-style needs a name for the new style; send it as name")
        if self.kind != "train-style":
            raise RequestError(f"name and minutes are for the kind train-style, but this is {self.kind}")
        if len(self.styles) != 1:
            raise RequestError(
                f"there are {len(self.styles)} styles, and a network learns one; send one painting as style"
            )
        ((_, style),) = self.styles
        if isinstance(style, str) or style[:1] == b"{":
            what = f"the style {style[:80]!r} is a name" if isinstance(style, str) else "the style is a style card"
            raise RequestError(f"{what}, which has no painting to learn from; send the painting's file as style")
        if unknown := sorted({*self.settings, *self.files}):
            raise RequestError(f"a training takes no {unknown[0]}; leave it out")


def _paints_alone(model: object) -> bool:
    return any(found.kind == "per-style" and model in (found.name, found.identity) for found in models())


def _check_model(role: str, name: object, kinds: Collection[str]) -> None:
    """Only what is in the catalogue: elsewhere a path is a model, too, but not for who asks from outside."""
    if role == "encoder" and find_plugin("impasto.encoders", str(name)) is not None:
        return  # of a package that the operator has installed
    known = [model for model in models() if model.kind in kinds]
    if not any(name in (model.name, model.identity) for model in known):
        raise unknown_model_error(role, name)


def unknown_model_error(role: str, name: object) -> RequestError:
    """For a ``model`` or an ``encoder`` that is not here, or is somebody else's."""
    return RequestError(f"there is no {role} {str(name)[:80]!r} here; GET /v1/models lists what there is")

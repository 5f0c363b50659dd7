"""Checkpoint: the state of an unfinished picture in a file, to go on from after a kill."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields
from pathlib import Path

from torch import Tensor

from impasto.errors import OutputError, RequestError
from impasto.picture.files import write_atomically
from impasto.request import Request
from impasto.styles import Style, StyleCard

__all__ = ["Checkpoint", "digest"]


@dataclass(frozen=True)
class Checkpoint:
    """Where a run was: ``level`` of its pyramid, ``step`` at it, picture, average and the optimiser's tensors.

    ``recent`` are the last losses, ``stalls`` the optimiser's, ``tile`` is the side of the tiles in use.
    ``digest`` tells whose run it is: a request with other pictures or settings must not go on with it.
    """

    digest: str
    level: int
    step: int
    done: int
    seconds: float
    tensors: dict[str, Tensor] = field(repr=False)
    recent: tuple[float, ...] = ()
    stalls: int = 0
    tile: int | None = None

    def write(self, path: Path) -> None:
        """Replace the file, so that whoever pulls the plug finds the one or the other. Raises :class:`OutputError`."""
        from safetensors.torch import save

        facts = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "tensors"}
        metadata = {"impasto_state": json.dumps(facts)}
        tensors = {name: tensor.contiguous() for name, tensor in self.tensors.items()}
        write_atomically(path, save(tensors, metadata), overwrite=True)

    @classmethod
    def read(cls, path: Path, digest: str) -> Checkpoint | None:
        """What is in the file, or ``None`` where there is none.

        Raises :class:`RequestError` for a file of another run, and :class:`OutputError` for one that is not a state.
        """
        from safetensors import SafetensorError, safe_open

        if not path.exists():
            return None
        try:
            with safe_open(path, "pt") as file:
                facts = json.loads(file.metadata()["impasto_state"])
                # Copies: sums over what lies at another place in memory may be rounded in another way.
                tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
            found = cls(**{**facts, "recent": tuple(facts["recent"])}, tensors=tensors)
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise OutputError(f"{path} holds no state of a run ({error}); name another file, or remove it") from error
        if found.digest != digest:
            raise RequestError(
                f"{path} is the state of another run, with other pictures or settings; name another file, or remove it"
            )
        return found

    def optimiser(self) -> dict[str, Tensor]:
        """The optimiser's part."""
        return {k.removeprefix("optimiser."): v for k, v in self.tensors.items() if k.startswith("optimiser.")}


def digest(request: Request, encoder: str) -> str:
    """A digest that identifies a run: pixels, masks, styles, settings and encoder."""
    # Previews change nothing.
    settings = {name: value for name, value in request.settings().items() if name != "preview_every"}
    found = hashlib.sha256(json.dumps([encoder, settings], sort_keys=True, default=str).encode())
    pictures = [request.content, request.mask, request.guide, request.initial]
    for region in request.regions:
        pictures += [region.mask, region.guide]
    styles = [region.style for region in request.regions] + ([] if request.style is None else [request.style])
    for style in styles:
        for part, _ in Style.of(style).parts:
            if isinstance(part, StyleCard):
                found.update(part.to_bytes())
            else:
                pictures.append(part.picture)
    for picture in pictures:
        if picture is None:
            found.update(b"none")
        else:
            found.update(f"{picture.size} {picture.alpha is None}".encode() + picture.pixels.tobytes())
            found.update(b"" if picture.alpha is None else picture.alpha.tobytes())
    return found.hexdigest()

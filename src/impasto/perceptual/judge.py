"""Judge: how a pastiche compares with its photograph and its painting, through the features of an encoder."""

from __future__ import annotations

import hashlib
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from impasto.errors import MissingExtra, ModelError
from impasto.models import find
from impasto.perceptual.encoder import STYLE_LAYERS, Encoder
from impasto.perceptual.losses import (
    Grams,
    Moments,
    cfsd,
    content_distance,
    grams,
    moments,
    self_similarity,
    style_distance,
)
from impasto.picture.picture import Pixels

__all__ = ["Judge", "Score", "open_judge"]

_STRUCTURE, _CONTENT = "relu3_1", "relu4_1"
_KEPT = 16
"""Photographs and paintings whose features are kept: 14 MB each where VGG19 looks at 512x512."""


@dataclass(frozen=True, slots=True)
class Score:
    """Distances of a pastiche, lower is better.

    ``style`` and ``gram`` are what is left of the photograph's own distance to the painting: 1 for the
    untouched photograph, 0 for the painting itself. ``content`` and ``cfsd`` are distances to the
    photograph: 0 for the untouched photograph.
    """

    style: float
    gram: float
    content: float
    cfsd: float


@dataclass(frozen=True, slots=True)
class _Look:
    """What the judge remembers of a picture."""

    moments: Moments
    grams: Grams
    content: Tensor
    structure: Tensor


class Judge:
    """Scores pictures with one encoder, in float32. The features of photographs and paintings are kept for a while.

    ``name`` and ``sha256`` tell which encoder it was, ``note`` what must be known to read its figures.
    """

    def __init__(self, encoder: Encoder, *, name: str, sha256: str = "", note: str = "") -> None:
        """Raises ``ValueError`` for an encoder that does not give every one of :data:`STYLE_LAYERS`."""
        if missing := [layer for layer in STYLE_LAYERS if layer not in encoder.layers]:
            raise ValueError(
                f"{name} does not give {', '.join(missing)}; open it with all of {', '.join(STYLE_LAYERS)}"
            )
        self.name, self.sha256, self.note = name, sha256, note
        self._encoder = encoder.float().eval()
        self._seen: OrderedDict[bytes, _Look] = OrderedDict()

    @torch.inference_mode()
    def score(self, pastiche: Pixels, photograph: Pixels, painting: Pixels) -> Score:
        """Compare three pictures ``(H, W, 3)`` of ``uint8``, pastiche and photograph of one size.

        Raises ``ValueError`` where the sizes differ, and where photograph and painting are alike, for then
        there is no distance to take a share of.
        """
        if pastiche.shape != photograph.shape:
            raise ValueError(f"the pastiche is {pastiche.shape} and its photograph {photograph.shape}; make them alike")
        content, style = self._known(photograph), self._known(painting)
        made = self._known(pastiche, keep=False)
        whole = _style(content, style)
        if not all(value > 0 for value in whole):
            raise ValueError("photograph and painting look alike, so there is no distance between them to go")
        left = _style(made, style)
        return Score(left[0] / whole[0], left[1] / whole[1], *_drawing(made, content))

    @torch.inference_mode()
    def content(self, pastiche: Pixels, photograph: Pixels) -> float:
        """The content distance alone, of pictures as :meth:`score` takes them."""
        return _drawing(self._known(pastiche, keep=False), self._known(photograph))[0]

    def _known(self, pixels: Pixels, *, keep: bool = True) -> _Look:
        key = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).digest()
        look = self._seen.get(key) or self._look(pixels)
        if keep:
            self._seen[key] = look
            self._seen.move_to_end(key)
            if len(self._seen) > _KEPT:
                self._seen.popitem(last=False)
        return look

    def _look(self, pixels: Pixels) -> _Look:
        # Divided as numbers from 0 to 255 are, so that VGG19 gets them back to the last bit.
        picture = torch.tensor(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float() / 255
        features = {layer: value for layer, value in self._encoder(picture).items() if layer in STYLE_LAYERS}
        structure = self_similarity(features[_STRUCTURE])
        return _Look(moments(features), grams(features), features[_CONTENT], structure)


def open_judge(vgg19: Path | None = None) -> Judge:
    """A judge with VGG19's published weights, read from ``vgg19``; else with ``pocket``, which ships.

    Raises :class:`ModelError` where the weights cannot be read, and :class:`MissingExtra` without safetensors,
    which pocket's are stored in.
    """
    if vgg19 is not None:
        from impasto.perceptual.vgg import VGG19

        try:
            with vgg19.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            if not zipfile.is_zipfile(vgg19):
                raise ValueError("it is no .npz")
            return Judge(VGG19(vgg19), name="vgg19", sha256=sha256)
        except Exception as error:  # what a broken .npz raises is of a dozen kinds
            raise ModelError(
                f"{vgg19} holds no weights of VGG19 ({error}); give an .npz of conv1_1.weight, conv1_1.bias ..."
            ) from error
    from impasto.perceptual.pocket import Pocket

    model = find("pocket", kind="encoder")
    try:
        pocket = Pocket.read(model.file("encoder"))
    except ImportError as error:
        raise MissingExtra("the encoder pocket", "evaluate") from error
    return Judge(
        pocket,
        name=model.identity,
        sha256=model.files["encoder"]["sha256"],
        note="These figures are pocket's, a small encoder distilled from VGG19. They are not comparable with VGG19's, "
        "which need its own weights.",
    )


def _style(picture: _Look, painting: _Look) -> tuple[float, float]:
    """Style distance and relative Frobenius distance of Gram matrices, averaged over layers."""
    frobenius = [((picture.grams[k] - goal).norm() / goal.norm()).item() for k, goal in painting.grams.items()]
    return style_distance(picture.moments, painting.moments).item(), sum(frobenius) / len(frobenius)


def _drawing(picture: _Look, photograph: _Look) -> tuple[float, float]:
    """Content distance and CFSD."""
    return (
        content_distance(picture.content, photograph.content).item(),
        cfsd(photograph.structure, picture.structure).item(),
    )

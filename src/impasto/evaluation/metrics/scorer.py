"""Scorer: how a pastiche compares with its photograph and its painting, through the features of an encoder."""

from __future__ import annotations

import hashlib
import zipfile
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from impasto.encoders.encoder import DEEPEST, STYLE_LAYERS, Encoder, Features
from impasto.encoders.weights_file import style_layers
from impasto.errors import ModelError
from impasto.evaluation.metrics.multiscale_statistics import (
    Levels,
    Vector,
    coarse,
    contrast,
    deep,
    levels,
    mean_and_std,
    statistics_vector,
)
from impasto.losses.distances import Grams, Moments, cfsd, content_distance, grams, self_similarity, style_distance
from impasto.models import find
from impasto.picture.raster import Pixels

__all__ = ["Score", "Scorer", "open_scorer"]

_STRUCTURE, _CONTENT = "relu3_1", "relu4_1"
_KEPT = 16
"""Photographs and paintings whose features are kept: 14 MB each where VGG19 looks at 512x512."""
_REMEMBERED = 256
"""Pictures whose means and standard deviations are kept: 35 kB each."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Score:
    """Distances of a pastiche, lower is better.

    ``style``, ``gram``, ``coarse`` and ``deep`` are what is left of the photograph's own distance to the
    painting: 1 for the untouched photograph, 0 for the painting itself. ``style`` and ``gram`` look at
    relu1_1 to relu4_1 of the picture as it is, ``coarse`` at relu1_1 to relu5_1 of the picture shrunk to a half and a
    quarter, and ``deep`` at relu5_1 alone over all three. An encoder that ends at relu4_1 has no ``deep``,
    and a ``coarse`` over four layers. ``content``, ``drawing`` and ``cfsd`` are distances to the photograph, 0 for the
    untouched photograph; ``drawing`` is ``content`` weighed by the photograph's own contrast.
    """

    style: float
    gram: float
    content: float
    cfsd: float
    coarse: float
    deep: float | None
    drawing: float


@dataclass(frozen=True, slots=True)
class _PictureFeatures:
    """What the scorer remembers of a picture."""

    moments: Moments
    grams: Grams
    content: Tensor
    structure: Tensor


class Scorer:
    """Scores pictures with one encoder, in float32. The features of photographs and paintings are kept for a while.

    ``name`` and ``sha256`` tell which encoder it was, ``note`` what must be known to read its figures.
    """

    def __init__(self, encoder: Encoder, *, name: str, sha256: str = "", note: str = "") -> None:
        """Raises ``ValueError`` for an encoder that does not give every one of :data:`STYLE_LAYERS`.

        One that gives relu5_1, too, is asked for it.
        """
        if missing := [layer for layer in STYLE_LAYERS if layer not in encoder.layers]:
            raise ValueError(
                f"{name} does not give {', '.join(missing)}; open it with all of {', '.join(STYLE_LAYERS)}"
            )
        self.name, self.sha256, self.note = name, sha256, note
        self._encoder = encoder.float().eval()
        self._layers = tuple(layer for layer in (*STYLE_LAYERS, DEEPEST) if layer in encoder.layers)
        self._seen: OrderedDict[bytes, _PictureFeatures] = OrderedDict()
        self._measured: OrderedDict[bytes, Levels] = OrderedDict()

    @torch.inference_mode()
    def score(self, pastiche: Pixels, photograph: Pixels, painting: Pixels) -> Score:
        """Compare three pictures ``(H, W, 3)`` of ``uint8``, pastiche and photograph of one size.

        Raises ``ValueError`` where the sizes differ, for a side below 64 pixels, or below 128 where the encoder gives
        relu5_1 (shrunk to a quarter, less would have no standard deviation), and where photograph and painting are
        alike, for then there is no distance to take a share of.
        """
        if pastiche.shape != photograph.shape:
            raise ValueError(f"the pastiche is {pastiche.shape} and its photograph {photograph.shape}; make them alike")
        content, style = self._cached_look(photograph), self._cached_look(painting)
        made = self._cached_look(pastiche, keep=False)
        goal = self._levels(painting, style)
        left = _style(made, style) + _painted(self._levels(pastiche, made), goal)
        whole = _style(content, style) + _painted(self._levels(photograph, content), goal)
        if not all(value > 0 for value in whole):
            raise ValueError("photograph and painting look alike, so there is no distance between them to go")
        shares = [ours / theirs for ours, theirs in zip(left, whole, strict=True)]
        return Score(
            style=shares[0],
            gram=shares[1],
            content=content_distance(made.content, content.content).item(),
            cfsd=cfsd(content.structure, made.structure).item(),
            coarse=shares[2],
            deep=shares[3] if len(shares) > 3 else None,
            drawing=_drawing(made, content, photograph),
        )

    @torch.inference_mode()
    def content(self, pastiche: Pixels, photograph: Pixels) -> float:
        """The content distance alone, of pictures as :meth:`score` takes them."""
        made, content = self._cached_look(pastiche, keep=False), self._cached_look(photograph)
        return content_distance(made.content, content.content).item()

    @torch.inference_mode()
    def statistics(self, pixels: Pixels) -> Vector:
        """All means and standard deviations of a picture at three sizes, in one row: what tells paintings apart.

        For :class:`impasto.evaluation.metrics.multiscale_statistics.PaintingIndex`. What has just been scored is not
        looked at again.
        """
        return statistics_vector(self._levels(pixels))

    def _cached_look(self, pixels: Pixels, *, keep: bool = True) -> _PictureFeatures:
        key = _key(pixels)
        look = self._seen.get(key) or self._look(pixels)
        if keep:
            _cache(self._seen, key, look, _KEPT)
        return look

    def _levels(self, pixels: Pixels, look: _PictureFeatures | None = None) -> Levels:
        key = _key(pixels)
        found = self._measured.get(key)
        if found is None:
            height, width = pixels.shape[:2]
            least = 128 if DEEPEST in self._layers else 64
            if min(height, width) < least:
                raise ValueError(f"the picture has {width} x {height} pixels; give at least {least} x {least}")
            look = look or self._cached_look(pixels, keep=False)
            found = levels(lambda shrunk: mean_and_std(self._features(shrunk)), pixels, look.moments)
        _cache(self._measured, key, found, _REMEMBERED)
        return found

    def _look(self, pixels: Pixels) -> _PictureFeatures:
        features = self._features(pixels)
        structure = self_similarity(features[_STRUCTURE])
        shallow = {layer: features[layer] for layer in STYLE_LAYERS}
        return _PictureFeatures(mean_and_std(features), grams(shallow), features[_CONTENT], structure)

    def _features(self, pixels: Pixels) -> Features:
        # Divided as numbers from 0 to 255 are, so that VGG19 gets them back to the last bit.
        picture = torch.tensor(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float() / 255
        features = self._encoder(picture)
        return {layer: features[layer] for layer in self._layers}


def open_scorer(vgg19: Path | None = None) -> Scorer:
    """A scorer with VGG19's published weights, read from ``vgg19``; else with ``pocket``, which ships.

    Raises :class:`ModelError` where the weights cannot be read.
    """
    if vgg19 is not None:
        from impasto.encoders.vgg import VGG19

        try:
            with vgg19.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            if not zipfile.is_zipfile(vgg19):
                raise ValueError("it is not an .npz")
            layers = style_layers(vgg19)
            return Scorer(VGG19(vgg19, layers), name="vgg19", sha256=sha256, note=_note(layers))
        except Exception as error:  # what a broken .npz raises is of a dozen kinds
            raise ModelError(
                f"{vgg19} holds no weights of VGG19 ({error}); give an .npz of conv1_1.weight, conv1_1.bias ..."
            ) from error
    from impasto.encoders.pocket import Pocket

    model = find("pocket", kind="encoder")
    layers = style_layers(model.file("encoder"))
    pocket = Pocket.read(model.file("encoder"), layers)
    return Scorer(
        pocket,
        name=model.identity,
        sha256=model.files["encoder"]["sha256"],
        note="These figures are pocket's, a small encoder distilled from VGG19. They are not comparable with VGG19's, "
        f"which need its own weights. {_note(layers)}".rstrip(),
    )


def _note(layers: Iterable[str]) -> str:
    if DEEPEST in layers:
        return ""
    return f"The encoder ends before {DEEPEST}: there is no deep, and coarse and recall look at four layers."


def _key(pixels: Pixels) -> bytes:
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).digest()


def _cache(kept: OrderedDict[bytes, _T], key: bytes, value: _T, most: int) -> None:
    """Keep it as the newest, and let the oldest go where there are too many."""
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > most:
        kept.popitem(last=False)


def _style(picture: _PictureFeatures, painting: _PictureFeatures) -> tuple[float, ...]:
    """Style distance and relative Frobenius distance of Gram matrices, averaged over layers."""
    frobenius = [((picture.grams[k] - goal).norm() / goal.norm()).item() for k, goal in painting.grams.items()]
    goals = {layer: painting.moments[layer] for layer in STYLE_LAYERS}
    return style_distance(picture.moments, goals).item(), sum(frobenius) / len(frobenius)


def _painted(picture: Levels, painting: Levels) -> tuple[float, ...]:
    """The coarse distance, and the deep one where there is one."""
    deepest = deep(picture, painting)
    return (coarse(picture, painting), *(() if deepest is None else (deepest,)))


def _drawing(picture: _PictureFeatures, content: _PictureFeatures, photograph: Pixels) -> float:
    height, width = content.content.shape[2:]
    weight = contrast(photograph, (height, width)).to(content.content.device)
    return content_distance(picture.content, content.content, weight / weight.sum()).item()

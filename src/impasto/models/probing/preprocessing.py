"""How a graph takes and gives pictures, recognised by running it on a photograph.

Nothing in such a file says whether it means red or blue by the first channel, 255 or 1 by white. What it does says it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from impasto.errors import ModelError
from impasto.inference.graph import Array
from impasto.inference.ir.network import BGR_MEAN, Order, Preprocessing, Triple
from impasto.models.probing.graph_constants import GraphConstants

__all__ = ["FoundPreprocessing", "Origin", "recognise_preprocessing"]

Origin = Literal["given", "file", "constants", "trial", "habit", "assumed"]
"""Where a fact is from: whoever adds the network, what the file says, numbers in its graph, the trial, what networks
with such results usually take, or nowhere."""

_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_ZERO, _ONE, _HALF = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.5, 0.5, 0.5)
_CAFFE: Triple = BGR_MEAN[::-1]

_TAKEN = {
    "255": Preprocessing("RGB", 255),
    "1": Preprocessing("RGB", 1),
    "-1": Preprocessing("RGB", 1, _HALF, _HALF),
    "imagenet": Preprocessing("RGB", 1, *_IMAGENET),
    "caffe": Preprocessing("RGB", 255, _CAFFE),
}
"""What networks take, the plainest first."""

_GIVEN: dict[str, tuple[Triple, Triple]] = {
    "255": ((1 / 255, 1 / 255, 1 / 255), _ZERO),
    "1": (_ONE, _ZERO),
    "-1": (_HALF, _HALF),
    "imagenet": (_IMAGENET[1], _IMAGENET[0]),
    "caffe": ((1 / 255, 1 / 255, 1 / 255), tuple(number / 255 for number in _CAFFE)),  # type: ignore[dict-item]
}
"""What they give: gain and offset."""

_DEAF = 0.02
"""Of the pastiche's contrast: a network that changes less between 0..1 and 0..255 normalises what it takes."""
_CLEAR = 1.03
"""How much more one channel has to matter than the other."""
_CLOSE = 0.05
"""Of 2: resemblances this near tell nothing."""
_FAINT = 4
"""How much fainter than the strongest a pastiche may be."""
_STRAY = 15
_NOISE = 0.1
_PATCH = 8


@dataclass(frozen=True, slots=True)
class FoundPreprocessing:
    """What was found, and where from."""

    preprocessing: Preprocessing
    order: Origin
    range: Origin
    channel_ratio: float
    """How much more strongly the network reacts to red than to blue, by the order found; 1 where the trial was not
    needed."""


def recognise_preprocessing(
    run: Callable[[Array], Array],
    photo: Array,
    constants: GraphConstants,
    *,
    said: Order | None = None,
    order: Order | None = None,
    peak: int | None = None,
) -> FoundPreprocessing:
    """What the network that ``run`` runs takes and gives; it takes ``(1, 3, H, W)`` as it is.

    ``photo`` is a photograph, RGB in 0..1. ``constants`` is what the graph begins and ends with, ``said`` the order
    that the file names; ``order`` and ``peak``, 1 or 255, are those of whoever knows. Raises :class:`ModelError` where
    the output is not a picture.
    """
    taken, range_from = _recognise_input(run, photo, constants, peak)
    result = run(_preprocess(photo, _TAKEN[taken]))
    given = _recognise_output(result)
    if range_from == "habit":
        taken = given
    heeds = 1.0
    found: Order
    if order is not None:
        found, order_from = order, "given"
    elif constants.order is not None:
        found, order_from = constants.order, "constants"
    elif said is not None:
        found, order_from = said, "file"
    else:
        heeds = _channel_ratio(run, photo, _TAKEN[taken])
        if max(heeds, 1 / heeds) >= _CLEAR:
            found, order_from = ("RGB" if heeds > 1 else "BGR"), "trial"
            heeds = max(heeds, 1 / heeds)
        else:
            found, order_from = ("BGR" if given == "caffe" else "RGB"), "assumed"
    return FoundPreprocessing(_ordered(_TAKEN[taken], _GIVEN[given], found), order_from, range_from, heeds)  # type: ignore[arg-type]


def _recognise_input(
    run: Callable[[Array], Array], photo: Array, constants: GraphConstants, peak: int | None
) -> tuple[str, Origin]:
    """Which of :data:`_TAKEN`."""
    told = peak if peak is not None else constants.range
    origin: Origin = "given" if peak is not None else "constants"
    if told is not None and told == constants.range:
        return str(told), origin
    results = {name: run(_preprocess(photo, form)) for name, form in _TAKEN.items() if told in (None, form.range)}
    if not all(np.isfinite(result).all() for result in results.values()):
        raise ModelError("the network's output contains NaN or infinity")
    first, *others = results.values()
    contrast = max(float(np.std(result)) for result in results.values()) or 1.0
    if all(float(np.mean(np.abs(other - first))) < _DEAF * contrast for other in others):
        return ("255" if told is None else str(told)), "habit" if told is None else origin
    # What hardly has contrast is not an answer, however similar.
    most = max(float(np.std(result)) for result in results.values())
    scores = {
        name: _resemblance(photo, result) * min(1.0, _FAINT * float(np.std(result)) / most)
        for name, result in results.items()
    }
    best = max(scores, key=scores.__getitem__)
    good = [name for name, score in scores.items() if score > scores[best] - _CLOSE]
    # Of those about as good, what its output has, else the plainest.
    usual = _recognise_output(results[best])
    return usual if usual in good else good[0], "trial" if told is None else origin


def _recognise_output(result: Array) -> str:
    """Which of :data:`_GIVEN`, from the values that come out."""
    if result.ndim != 4 or result.shape[1] != 3 or not np.isfinite(result).all():
        raise ModelError(
            f"the network's output is not a picture: it has shape {result.shape}, or contains NaN or infinity"
        )
    low, high = (float(number) for number in np.percentile(result, (0.5, 99.5)))
    size = max(abs(low), abs(high))
    if size > 1500 or high - low < 1e-3 * max(1.0, size):
        raise ModelError(f"the network's output is not a picture: its values go from {low:.4g} to {high:.4g}")
    if size <= 1.4:
        return "1" if low > -0.25 else "-1"
    if size < 4 and low < -0.5:
        return "imagenet"
    # Without its mean a picture is half below nothing; one of 0..255 strays there by little.
    below = float(np.mean(result < -_STRAY))
    return "caffe" if below > 0.05 and high < 190 else "255"


def _channel_ratio(run: Callable[[Array], Array], photo: Array, form: Preprocessing) -> float:
    """How much more the pastiche changes by noise in the first channel than in the third.

    What trains these networks looks through VGG, which reacts to red more than to blue; they learn that.
    """
    noise = np.random.default_rng(0).normal(0, _NOISE, photo.shape[2:]).astype(np.float32)
    total = 0.0
    for picture in (photo, photo[:, ::-1].copy()):
        plain, changes = run(_preprocess(picture, form)), []
        for channel in (0, 2):
            noisy = picture.copy()
            noisy[:, channel] += noise
            changes.append(float(np.mean(np.abs(run(_preprocess(noisy, form)) - plain))))
        if min(changes) <= 0:
            return 1.0
        total += math.log(changes[0] / changes[1])
    return math.exp(total / 2)


def _resemblance(photo: Array, result: Array) -> float:
    """How well contours and tones of ``result`` lie where the photograph's do."""
    if result.shape != photo.shape:
        return 0.0
    content, pastiche = (picture[0].mean(0).astype(np.float64) for picture in (photo, result))
    contours = _alike(*(_shrunk(np.hypot(*np.gradient(plane))) for plane in (content, pastiche)))
    return contours + abs(_alike(_shrunk(content), _shrunk(pastiche)))


def _alike(one: Array, other: Array) -> float:
    if one.std() == 0 or other.std() == 0:
        return 0.0
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def _shrunk(plane: Array) -> Array:
    height, width = (side // _PATCH for side in plane.shape)
    patches: Array = plane[: height * _PATCH, : width * _PATCH].reshape(height, _PATCH, width, _PATCH)
    return np.asarray(patches.mean((1, 3)))


def _preprocess(photo: Array, form: Preprocessing) -> Array:
    mean, deviation = (np.array(triple, np.float32).reshape(1, 3, 1, 1) for triple in (form.mean, form.deviation))
    entered: Array = (photo * np.float32(form.range) - mean) / deviation
    return entered


def _ordered(taken: Preprocessing, given: tuple[Triple, Triple], order: Order) -> Preprocessing:
    gain, offset = given
    facts: dict[str, Any] = {"mean": taken.mean, "deviation": taken.deviation, "gain": gain, "offset": offset}
    if order == "BGR":
        facts = {name: triple[::-1] for name, triple in facts.items()}
    return replace(taken, order=order, **facts)

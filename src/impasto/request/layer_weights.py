"""Weights as a text: ``relu1_1:1,relu2_1:0.5``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from impasto.errors import RequestError

__all__ = ["parse_weights", "weights_text"]

_NAME = re.compile(r"[A-Za-z_][\w.-]*")


def parse_weights(setting: str, text: str) -> dict[str, float]:
    """The weights by name; a name alone weighs 1. Raises :class:`RequestError`, naming the ``setting``."""
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, colon, number = (piece.strip() for piece in part.partition(":"))
        try:
            weight = float(number) if colon else 1.0
        except ValueError:
            weight = math.nan
        if not _NAME.fullmatch(name) or not 0 <= weight < math.inf:
            raise RequestError(
                f"{setting} is {text!r}, where {part.strip()!r} is not a name with a weight; give for example a:1,b:0.5"
            )
        if name in weights:
            raise RequestError(f"{setting} is {text!r}, which names {name} twice; leave one out")
        weights[name] = weight
    if not any(weights.values()):
        raise RequestError(f"{setting} is {text!r}, where nothing has any weight; give at least one above 0")
    return weights


def weights_text(weights: Mapping[str, float]) -> str:
    """What :func:`parse_weights` reads."""
    return ",".join(name if weight == 1 else f"{name}:{weight:g}" for name, weight in weights.items())

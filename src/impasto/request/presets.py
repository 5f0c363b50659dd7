"""Presets: settings of the engine ``iterative`` under one name: how much time to take, or a well-known notebook.

``quick``, ``fine`` and ``museum`` are how long somebody waits; ``fine`` is what the defaults are. ``museum`` puts
strokes, planes and swirls before the drawing, and sees deeper where VGG19 is installed.

The notebooks' weights are their own, in this project's units. There, Gram matrices are sums over places,
here means: a layer's weight is multiplied accordingly, for a picture of the notebook's size. Adam's
step is in units of white here, there in ImageNet's deviations (0.226 of white). The second one's network
sees 0..255, where the published weights that ``impasto models pull`` fetches see 0..1 divided by
that deviation, so features are 57.6 times larger there: 57.6 squared goes to the weight of content, and to
the fourth power to that of style.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from impasto.errors import RequestError
from impasto.request.weights import weights_text

__all__ = ["PRESETS", "preset_settings"]

_DEVIATION = 0.226
_TIMES = 255 * _DEVIATION

_FIRST_SIDE, _SECOND_SIDE = 400, 512
_WIDTHS = (64, 128, 256, 512, 512)


def _first(weights: tuple[float, ...]) -> str:
    """Each layer's mean square of sums, divided by channels and places."""
    places = [(_FIRST_SIDE // 2**level) ** 2 for level in range(5)]
    named = {f"relu{i + 1}_1": w * places[i] / _WIDTHS[i] for i, w in enumerate(weights)}
    return weights_text(named)


def _second() -> str:
    """Each layer's sum of squares, divided by (2 * 3 colours * the picture's pixels) squared, all weighed alike."""
    layers = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
    shares = [(width / 6) ** 2 / 16**level for level, width in enumerate(_WIDTHS)]
    return weights_text(dict(zip(layers, shares, strict=True)))


PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "quick": MappingProxyType({"engine": "iterative", "steps": 6, "coarse_steps": 1.7}),
        "fine": MappingProxyType({"engine": "iterative"}),
        "museum": MappingProxyType(
            {"engine": "iterative", "encoder": "best", "steps": 70, "coarse_steps": 1.3, "content_weight": 0.8}
        ),
        "gatys-adam": MappingProxyType(
            {
                "engine": "iterative",
                "encoder": "vgg19",
                "size": _FIRST_SIDE,
                "style_scale": _FIRST_SIDE / 512,
                "levels": 1,
                "scales": 1,
                "padding": "zeros",
                "start": "content",
                "steps": 2000,
                "optimiser": "adam",
                "learning_rate": 0.003 * _DEVIATION,
                "average": 0.0,
                # The notebook taps conv4_2 and conv1_1 to conv5_1, but the ReLU after each works in place.
                "content_layers": "relu4_2",
                "content_loss": "mse",
                "content_weight": 1.0,
                "style_layers": _first((1.0, 0.75, 0.2, 0.2, 0.2)),
                "style_loss": "gram",
                "style_weight": 1e6,
                "loss_scale": "absolute",
            }
        ),
        "gatys-lbfgs-tv": MappingProxyType(
            {
                "engine": "iterative",
                "encoder": "vgg16",
                "size": _SECOND_SIDE,
                "levels": 1,
                "scales": 1,
                "padding": "zeros",
                "start": "noise",
                "steps": 10,
                "optimiser": "scipy",
                "content_layers": "relu2_2",
                "content_loss": "mse",
                # Summed over features there.
                "content_weight": 0.025 * 128 * (_SECOND_SIDE // 2) ** 2 * _TIMES**2,
                "style_layers": _second(),
                "style_loss": "gram",
                "style_weight": _TIMES**4,
                "tv_weight": 255**2.5 * 3 * (_SECOND_SIDE - 1) ** 2,
                "tv_power": 1.25,
                "loss_scale": "absolute",
            }
        ),
    }
)
"""Settings by name: ``quick``, ``fine`` and ``museum``; ``gatys-adam`` (VGG19, Adam) and ``gatys-lbfgs-tv`` (VGG16,
L-BFGS-B, total variation)."""


def preset_settings(name: str) -> dict[str, Any]:
    """The settings of a preset, and the engine that heeds them. Raises :class:`RequestError` for an unknown one."""
    if name not in PRESETS:
        raise RequestError(f"there is no preset {name!r:.82}; choose one of {', '.join(PRESETS)}")
    return {"engine": "iterative", **PRESETS[name]}

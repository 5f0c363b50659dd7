"""Presets: settings of the engine ``iterative`` under one name: how much time to take, or a well-known notebook.

``quick``, ``fine`` and ``museum`` are how long somebody waits; ``fine`` is what the defaults are. ``museum`` puts
strokes, planes and swirls before the drawing, and sees deeper where VGG19 is installed.

The notebooks' weights are their own numbers: ``loss_scale`` says whose, and the losses are that notebook's at any
size. Adam's step is in units of white here, there in ImageNet's standard deviations (0.226 of white). Both are in
float32: what bf16 rounds would be seen in the losses.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from impasto.errors import RequestError

__all__ = ["PRESETS", "preset_settings"]

_DEVIATION = 0.226

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
                "precision": "f32",
                "size": 400,
                "size_side": "shortest",
                "style_fit": "squeezed",
                "levels": 1,
                "scales": 1,
                "padding": "zeros",
                "start": "content",
                "steps": 2000,
                "optimiser": "torch",
                "learning_rate": 0.003 * _DEVIATION,
                # The notebook taps conv4_2 and conv1_1 to conv5_1, but the ReLU after each works in place.
                "content_layers": "relu4_2",
                "content_loss": "mse",
                "content_weight": 1.0,
                "style_layers": "relu1_1,relu2_1:0.75,relu3_1:0.2,relu4_1:0.2,relu5_1:0.2",
                "style_loss": "gram",
                "style_weight": 1e9,
                "loss_scale": "pytorch",
            }
        ),
        "gatys-lbfgs-tv": MappingProxyType(
            {
                "engine": "iterative",
                "encoder": "vgg16",
                "precision": "f32",
                "size": 512,
                "style_fit": "squeezed",
                "levels": 1,
                "scales": 1,
                "padding": "zeros",
                "start": "noise",
                "steps": 10,
                "optimiser": "scipy",
                "content_layers": "relu2_2",
                "content_loss": "mse",
                "content_weight": 0.025,
                # Five layers share a weight of 5 there.
                "style_layers": "relu1_2,relu2_2,relu3_3,relu4_3,relu5_3",
                "style_loss": "gram",
                "style_weight": 1.0,
                "tv_weight": 1.0,
                "tv_power": 1.25,
                "loss_scale": "keras",
            }
        ),
    }
)
"""Settings by name: ``quick``, ``fine`` and ``museum``; ``gatys-adam`` (VGG19, Adam) and ``gatys-lbfgs-tv`` (VGG16,
L-BFGS-B, total variation)."""


def preset_settings(name: str) -> dict[str, Any]:
    """The settings of a preset, and the engine that uses them. Raises :class:`RequestError` for an unknown one."""
    if name not in PRESETS:
        raise RequestError(f"there is no preset {name!r:.82}; choose one of {', '.join(PRESETS)}")
    return {"engine": "iterative", **PRESETS[name]}

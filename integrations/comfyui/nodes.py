"""Nodes: a style of the gallery, a painting, and a painting optimised."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from impasto import Gallery, Style, Stylizer
from impasto.request import PRESETS, options

from .host import Bar, finished
from .tensors import images, masks, pictures

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]

_OPTIONS = {option.name: option for option in options()}
_COMMON = ("strength", "boldness", "style_scale", "colors", "seed")
_MASK = ("MASK", {"tooltip": "Where to apply the style: white is everywhere, black nowhere."})
_SMOOTH = 0.01


def _widget(name: str) -> tuple[Any, dict[str, Any]]:
    """A setting as ComfyUI asks for one, with the default, bounds and help that Impasto has."""
    option = _OPTIONS[name]
    said: dict[str, Any] = {"default": option.default, "tooltip": option.help}
    if option.choices:
        return list(option.choices), said
    said |= {"min": option.minimum, "max": option.maximum}
    if option.type is float:
        return "FLOAT", said | {"step": _SMOOTH}
    return "INT", said


class _Node:
    """What all have in common: a batch in, a batch out."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "paint"
    CATEGORY = "image/Impasto"

    def _painted(self, image: Tensor, style: object, mask: Tensor | None, settings: dict[str, Any]) -> tuple[Tensor]:
        contents = pictures(image)
        bar, stylizer = Bar(len(contents)), _stylizer()
        painted = []
        # ComfyUI runs nodes where nothing can be optimised.
        with torch.inference_mode(False), torch.enable_grad():
            for number, (content, where) in enumerate(zip(contents, masks(mask, len(contents)), strict=True)):
                request = stylizer.request(content, style, mask=where, bits=16, **settings)
                painted.append(finished(stylizer.run(request), bar, number).pastiche)
        return (images(painted),)


class ImpastoGalleryStyle(_Node):
    """One pass of a network, in a style of the gallery."""

    DESCRIPTION = "Repaints images in a style of the gallery, in one pass."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:  # noqa: N802
        return {
            "required": {
                "image": ("IMAGE",),
                "style": (list(Gallery().names()), {"tooltip": "Styles that you add are here, too."}),
                **{name: _widget(name) for name in _COMMON},
            },
            "optional": {"mask": _MASK},
        }

    def paint(self, image: Tensor, style: str, mask: Tensor | None = None, **settings: Any) -> tuple[Tensor]:
        return self._painted(image, style, mask, settings)


class ImpastoPainting(_Node):
    """One pass of a network, in the style of paintings; of several, in equal parts."""

    DESCRIPTION = "Repaints images in the style of a painting, in one pass. A batch of paintings is mixed."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:  # noqa: N802
        return {
            "required": {
                "image": ("IMAGE",),
                "painting": ("IMAGE",),
                **{name: _widget(name) for name in _COMMON},
            },
            "optional": {"mask": _MASK},
        }

    def paint(self, image: Tensor, painting: Tensor, mask: Tensor | None = None, **settings: Any) -> tuple[Tensor]:
        return self._painted(image, _mixed(painting), mask, settings)


class ImpastoIterative(_Node):
    """The image itself optimised; with the presets of two well-known notebooks, too."""

    DESCRIPTION = "Repaints images in the style of a painting by optimising them: finer, in seconds to minutes."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:  # noqa: N802
        steps = {"default": 0, "min": 0, "max": _OPTIONS["steps"].maximum, "tooltip": "0 takes the preset's."}
        previews = {"default": 5, "min": 0, "max": 1000, "tooltip": _OPTIONS["preview_every"].help}
        return {
            "required": {
                "image": ("IMAGE",),
                "painting": ("IMAGE",),
                "preset": (list(PRESETS), {"default": "fine"}),
                **{name: _widget(name) for name in _COMMON},
                "steps": ("INT", steps),
                "preview_every": ("INT", previews),
            },
            "optional": {"mask": _MASK},
        }

    def paint(
        self, image: Tensor, painting: Tensor, steps: int, mask: Tensor | None = None, **settings: Any
    ) -> tuple[Tensor]:
        if steps:
            settings["steps"] = steps
        return self._painted(image, _mixed(painting), mask, settings)


def _mixed(paintings: Tensor) -> Style:
    """A batch of paintings in equal parts."""
    styles = [Style.from_picture(found, f"painting {i}") for i, found in enumerate(pictures(paintings), 1)]
    return Style.mix(dict.fromkeys(styles, 1.0))


@lru_cache(maxsize=1)
def _stylizer() -> Stylizer:
    return Stylizer()


NODE_CLASS_MAPPINGS = {
    "ImpastoGalleryStyle": ImpastoGalleryStyle,
    "ImpastoPainting": ImpastoPainting,
    "ImpastoIterative": ImpastoIterative,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "ImpastoGalleryStyle": "Impasto: gallery style",
    "ImpastoPainting": "Impasto: painting",
    "ImpastoIterative": "Impasto: painting, optimised",
}

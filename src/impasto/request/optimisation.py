"""Optimisation: the settings that the engine ``iterative`` alone uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from impasto.errors import RequestError
from impasto.plugins import SHIPPED, plugin_names
from impasto.request.layer_weights import parse_weights, weights_text
from impasto.request.options import option

__all__ = ["STYLE_LOSSES", "Optimisation"]

STYLE_LOSSES = SHIPPED["impasto.losses"]

_WEIGHTED = ("content_layers", "style_layers", "style_loss")


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimisation:
    """How the picture itself is optimised. Layers and losses with weights may also be given as mappings."""

    encoder: str = option(
        str,
        "pocket",
        "Whose features make the losses: pocket, vgg19, vgg16, torchvision's resnet50, inception_v3 and others, a "
        "model's folder; or best: vgg19 where it is installed and the style is a picture, else pocket.",
        group="iterative",
        plugins="impasto.encoders",
    )
    steps: int = option(
        int, 20, "Steps at the finest level of the pyramid.", minimum=0, maximum=100_000, group="iterative"
    )
    coarse_steps: float = option(
        float,
        1.5,
        "How many times as many steps each coarser level takes as the next.",
        minimum=0.1,
        maximum=4.0,
        group="iterative",
    )
    seconds: float | None = option(
        float, None, "Stop after so many seconds.", minimum=0.0, maximum=1e6, unit="seconds", group="iterative"
    )
    flat: float | None = option(
        float,
        None,
        "Leave a level once ten steps bring the loss down by less than this share.",
        minimum=0.0,
        maximum=1.0,
        group="iterative",
    )
    optimiser: Literal["adam", "lbfgs", "scipy", "torch"] = option(
        str,
        "lbfgs",
        "Adam, or L-BFGS, kept between black and white; the notebooks' that may leave it: SciPy's L-BFGS, where a "
        "step is about 20 evaluations, or torch's Adam.",
        choices=("adam", "lbfgs", "scipy", "torch"),
        group="iterative",
    )
    learning_rate: float = option(
        float,
        0.02,
        "Adam's step, and L-BFGS's first one, where white is 1.",
        minimum=1e-6,
        maximum=1.0,
        group="iterative",
    )
    history: int | None = option(
        int,
        None,
        "Steps that L-BFGS remembers. By default 10, fewer of pictures beyond 4 megapixels.",
        minimum=1,
        maximum=200,
        group="iterative",
    )
    start: Literal["instant", "recoloured", "content", "style", "noise"] = option(
        str,
        "recoloured",
        "What to start from: the instant engine's pastiche, the photograph in the painting's colours, the photograph, "
        "the painting, or noise.",
        choices=("instant", "recoloured", "content", "style", "noise"),
        group="iterative",
    )
    levels: int | None = option(
        int,
        None,
        "Levels of the pyramid, each half the size of the next. By default the smallest has 64 pixels or more.",
        minimum=1,
        maximum=8,
        group="iterative",
    )
    scales: int | None = option(
        int,
        None,
        "Scales of the picture that each level looks at, each half the size of the one before. By default as many as "
        "make sense.",
        minimum=1,
        maximum=8,
        group="iterative",
    )
    average: float | None = option(
        float,
        None,
        "How much of the average of the pictures so far is kept at a step. By default 0.8 with Adam, else 0: the last.",
        minimum=0.0,
        maximum=0.999,
        group="iterative",
    )
    content_weight: float = option(
        float, 3.0, "Weight of the content loss, at a boldness of 0.5.", minimum=0.0, maximum=1e12, group="iterative"
    )
    style_weight: float = option(
        float, 1.0, "Weight of the style losses.", minimum=0.0, maximum=1e12, group="iterative"
    )
    tv_weight: float = option(float, 0.0, "Weight of total variation.", minimum=0.0, maximum=1e12, group="iterative")
    tv_power: float = option(
        float,
        1.0,
        "Power of total variation: 1 is quadratic, 1.25 the Keras example's.",
        minimum=0.5,
        maximum=2.0,
        group="iterative",
    )
    content_layers: str | None = option(
        str,
        None,
        "Layers of the content loss as NAME:WEIGHT,... By default relu4_1, or VGG's conv4_2.",
        group="iterative",
    )
    style_layers: str | None = option(
        str,
        None,
        "Layers of the style losses as NAME:WEIGHT,... By default relu1_1 to relu4_1, with VGG to relu5_1.",
        group="iterative",
    )
    content_loss: Literal["cosine", "mse"] = option(
        str,
        "cosine",
        "Distance of features: cosine of centred ones, or mean square.",
        choices=("cosine", "mse"),
        group="iterative",
    )
    style_loss: str = option(
        str,
        "moments:5,gram:2",
        f"Losses of style as NAME:WEIGHT,... of {', '.join(STYLE_LOSSES)}.",
        group="iterative",
        plugins="impasto.losses",
    )
    loss_scale: Literal["relative", "absolute", "pytorch", "keras"] = option(
        str,
        "relative",
        "Losses relative to their target's energy, so that weights mean the same for every layer; as in the papers; or "
        "Gram, content and total variation as in the PyTorch or the Keras notebook.",
        choices=("relative", "absolute", "pytorch", "keras"),
        group="iterative",
    )
    style_fit: Literal["whole", "squeezed"] = option(
        str,
        "whole",
        "The painting in its own proportions, at the style scale; or squeezed to the photograph's size, as in the "
        "notebooks.",
        choices=("whole", "squeezed"),
        group="iterative",
    )
    size_side: Literal["longest", "shortest"] = option(
        str,
        "longest",
        "Which side of the photograph the size is: the longest; or the shortest, as in the PyTorch notebook, with no "
        "more than the photograph's longest side.",
        choices=("longest", "shortest"),
        group="iterative",
    )
    pooling: Literal["max", "average"] = option(
        str, "max", "Pooling of the encoder.", choices=("max", "average"), group="iterative"
    )
    padding: Literal["zeros", "replicate"] = option(
        str,
        "replicate",
        "Padding of the encoder's convolutions; zeros paint a frame.",
        choices=("zeros", "replicate"),
        group="iterative",
    )
    tile: int | None = option(
        int,
        None,
        "Side of the tiles that a picture is looked at in. By default what memory asks for.",
        minimum=64,
        maximum=32768,
        unit="pixels",
        group="iterative",
    )
    preview_every: int = option(
        int, 0, "Steps between previews; 0 gives none.", minimum=0, maximum=100_000, group="iterative"
    )

    def _settle(self) -> None:
        """Mappings to texts, and what they hold checked. Raises :class:`RequestError`."""
        for name in _WEIGHTED:
            value = getattr(self, name)
            if isinstance(value, Mapping):
                object.__setattr__(self, name, weights_text(value))
        for name in _WEIGHTED:
            value = getattr(self, name)
            if isinstance(value, str):
                weights = parse_weights(name, value)
                if name == "style_loss":
                    _check_losses(value, set(weights) - set(STYLE_LOSSES))


def _check_losses(value: str, others: set[str]) -> None:
    """Raises :class:`RequestError` where one of ``others`` is not a plugin's either, which are read for them alone."""
    brought = plugin_names("impasto.losses") if others else ()
    if unknown := sorted(others - set(brought)):
        known = ", ".join((*STYLE_LOSSES, *brought))
        raise RequestError(f"style_loss is {value!r}, where {unknown[0]} is not a loss; choose from {known}")

"""Names: what the tutorial's client calls its styles, and what is painted for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from impasto.errors import UnknownStyle
from impasto.models.published import find_published
from impasto.models.registry import own_network
from impasto.styles import Gallery

__all__ = ["MODELS", "TUTORIAL", "ChosenStyle", "all_names", "choose_style", "other_models"]

TUTORIAL: Mapping[str, str] = {
    "candy": "candy",
    "composition 6": "composition_vii",
    "feathers": "feathers",
    "la_muse": "la_muse",
    "mosaic": "mosaic",
    "starry night": "starry_night",
    "the scream": "the_scream",
    "the wave": "the_wave",
    "udnie": "udnie",
}
"""What its client asks for, and the model after which the files that it waits for are called."""

MODELS = tuple(TUTORIAL.values())

_STAND_INS = {
    # Yellow ground, ornaments and spots in red and blue, dark outlines.
    "candy": "lady-with-fan",
    # Leaves, petals and birds, close together.
    "feathers": "strawberry-thief",
    # Planes broken at dark edges, green and yellow with some red.
    "la_muse": "tiger",
    # Pale little squares that fit together, blue and orange.
    "mosaic": "metzinger",
}
"""For paintings that are not ours to ship, what comes close to the pastiches of the tutorial's own networks."""


@dataclass(frozen=True, slots=True)
class ChosenStyle:
    """``style`` is the gallery's name, ``model`` the tutorial's, where it has one; ``stand_in`` says that the style is
    another than was asked for."""

    style: str
    model: str | None = None
    stand_in: bool = False


def choose_style(gallery: Gallery, asked: str) -> ChosenStyle:
    """What is painted for a name of the tutorial, by its client or its files, or of the gallery.

    Raises :class:`UnknownStyle` with all names.
    """
    model = TUTORIAL.get(asked, asked.replace("-", "_"))
    if model in MODELS:
        return _gallery_style(gallery, model)
    if found := gallery.find(asked):
        return ChosenStyle(found)
    raise UnknownStyle(f"no style is named {asked[:64]!r}; give one of {', '.join(all_names(gallery))}")


def other_models(gallery: Gallery, model: str | None) -> list[ChosenStyle]:
    """The tutorial's styles without the one of ``model``, in its order."""
    return [_gallery_style(gallery, other) for other in MODELS if other != model]


def all_names(gallery: Gallery) -> Iterator[str]:
    """The tutorial's models, then the gallery's styles that are none of those."""
    yield from MODELS
    yield from (name for name in gallery.names() if name.replace("-", "_") not in MODELS)


def _gallery_style(gallery: Gallery, model: str) -> ChosenStyle:
    """First what the user added under that very name, then what was pulled for it, then what comes with Impasto."""
    name, names = model.replace("_", "-"), gallery.names()
    asked = (other.replace(" ", "-").replace("_", "-") for other, meant in TUTORIAL.items() if meant == model)
    for own in (name, *asked):
        if own in names and (not gallery.is_shipped(own) or own_network(own) is not None):
            return ChosenStyle(own, model)
    # Johnson's own before others: it is them that the tutorial downloads.
    if pulled := next((other for other in find_published(name) if other in names), None):
        return ChosenStyle(pulled, model)
    return ChosenStyle(name, model) if name in names else ChosenStyle(_STAND_INS[model], model, stand_in=True)

"""Install: what a training of one style made becomes a model in the user's catalogue, and a card in the gallery."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from impasto.errors import StyleError
from impasto.models import Model, Store
from impasto.styles import Gallery, StyleCard
from impasto.styles.card import check_name

__all__ = ["CardMaker", "check_style_name", "install_style", "run_folder", "style_name"]


class CardMaker(Protocol):
    """Who makes cards: a :class:`impasto.Stylizer`."""

    def card(
        self,
        name: str,
        pictures: Sequence[object],
        *,
        network: str = "",
        title: str = "",
        artist: str = "",
        date: str = "",
        source: str = "",
    ) -> StyleCard: ...


def style_name(painting: Path) -> str:
    """A name for the style of a file: ``"La Danse (1910).jpg"`` gives ``la-danse-1910``.

    Raises :class:`StyleError` where the file's name has no letter or digit of the Latin alphabet.
    """
    plain = unicodedata.normalize("NFKD", painting.stem).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:64].rstrip("-")
    if not name:
        raise StyleError(f"{painting.name} gives no name for a style; say one with --name")
    return name


def check_style_name(name: str, *, overwrite: bool = False) -> None:
    """Before minutes are spent: raises :class:`StyleError` where a style of that name could not be installed."""
    Gallery().check_free(check_name(name), overwrite)
    if any(model.name == name and model.kind != "per-style" for model in Store().models()):
        raise StyleError(f"you have a model {name} of another kind; give the style another name")


def run_folder(name: str) -> Path:
    """Where the training of a style goes on unless another folder is named: beside the catalogue."""
    return Store().folder / ".training" / name


def install_style(
    run: Path,
    name: str,
    paintings: Sequence[Path],
    maker: CardMaker,
    *,
    title: str = "",
    artist: str = "",
    date: str = "",
    source: str = "",
    overwrite: bool = False,
) -> tuple[Model, StyleCard]:
    """Make of a run the next version of the model ``name``, and the card ``name`` that paints with it.

    ``overwrite`` replaces a card of the user's; models of older versions stay. Raises :class:`StyleError` where the
    name is not free, :class:`OutputError` where something cannot be written.
    """
    from impasto.training.export import export_style
    from impasto.training.per_style import load_style

    check_style_name(name, overwrite=overwrite)
    store = Store()
    version = store.next_version(name)
    identity = f"{name}@{version}"
    with store.installing(identity) as folder:
        export_style(*load_style(run), folder, name=name, version=version, source=source or title)
    try:
        card = maker.card(name, list(paintings), network=identity, title=title, artist=artist, date=date, source=source)
        Gallery().add(card, overwrite)
    except BaseException:
        store.remove(identity)
        raise
    return Model.read(store.folder / identity), card

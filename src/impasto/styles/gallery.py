"""Gallery: the style cards that come with Impasto, and the user's own."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from dataclasses import replace
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from impasto.errors import OutputError, OutputExists, StyleError, StyleExists, UnknownStyle
from impasto.styles.card import SUFFIX, StyleCard, check_name, fold_name
from impasto.user_folders import ELSEWHERE, make_folder, own_folder

__all__ = ["INDEX", "Gallery", "is_shipped"]

INDEX = "index.json"
"""What the file beside the shipped cards is called that lists their names and aliases, boldest first."""


class Gallery:
    """Style cards by name, or by what else they are called.

    The shipped ones are read-only; the user's own lie in ``folder``, one ``<name>.style`` file each:
    by default ``styles`` in ``$IMPASTO_HOME``, else in the user's data folder. The folder is made
    when the first card is added. A file's name is its card's name. With ``base``, the styles of that
    gallery are here as well, read-only.

    A style is also found by its aliases, and by its name in another case or with other spaces: ``The Wave``, ``a grande
    onda``. Names go first, so that a style of the user's own is never hidden by an alias.

    >>> from impasto import Gallery
    >>> gallery = Gallery()
    >>> gallery.find("noite estrelada"), gallery.get("the-wave").title
    ('starry-night', 'The Great Wave off Kanagawa')
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None, *, base: Gallery | None = None) -> None:
        self.folder = own_folder("styles") if folder is None else Path(folder)
        self._base = base
        self._shipped: dict[str, Traversable] = _shipped() if base is None else base._shipped
        self._read: dict[str, StyleCard] = {} if base is None else base._read

    def names(self) -> tuple[str, ...]:
        """All names: the shipped ones, boldest first, then the user's own by name. No card is read for this."""
        given = tuple(self._shipped) if self._base is None else self._base.names()
        return (*given, *self.own())

    def own(self) -> tuple[str, ...]:
        """The names of the user's own, in order: those that can be removed."""
        return tuple(sorted(self._own()))

    def __iter__(self) -> Iterator[StyleCard]:
        """All cards in the order of :meth:`names`, without broken ones; :meth:`problems` tells of those."""
        for name in self.names():
            try:
                yield self.get(name)
            except StyleError:
                continue

    def __len__(self) -> int:
        return len(self.names())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.find(name) is not None

    def find(self, asked: str) -> str | None:
        """The name of the style that ``asked`` means, by its name or an alias; none where there is no such style."""
        if asked in self.names():
            return asked
        return self._names_by_alias().get(fold_name(asked))

    def is_shipped(self, name: str) -> bool:
        """Whether the style comes with Impasto."""
        return name in self._shipped

    def get(self, name: str) -> StyleCard:
        """The card of that name or alias.

        Raises :class:`UnknownStyle`, with similar names, where there is none, and
        :class:`StyleError` where the file is broken.
        """
        if name in self._shipped:
            if name not in self._read:
                self._read[name] = StyleCard.from_bytes(self._shipped[name].read_bytes())
            return self._read[name]
        if self._base is not None and name in self._base.names():
            return self._base.get(name)
        path = self._own().get(name)
        if path is not None:
            return replace(StyleCard.from_file(path), name=name)
        found = self.find(name)
        if found is None:
            raise UnknownStyle(self.unknown(name))
        return self.get(found)

    def unknown(self, name: str) -> str:
        """A sentence that says that there is no style ``name``, and which names come close."""
        called = self._names_by_alias()
        close = get_close_matches(fold_name(name[:64]), called, 9, 0.5)
        meant = list(dict.fromkeys(called[each] for each in close))[:3]
        asked = f"did you mean {' or '.join(meant)}? Give" if meant else "give"
        return f"no style is named {name[:64]!r}; {asked} one of the {len(self)} names in the gallery"

    def check_free(self, name: str, overwrite: bool = False) -> None:
        """Raise what :meth:`add` would raise for a card of that name, before there is one.

        :class:`StyleError` for what is not a name, and :class:`StyleExists` where the name is a shipped
        style's, or is taken and may not be overwritten.
        """
        path = self._path(name)
        if name in self._shipped:
            raise StyleExists(f"{name} is a style that comes with Impasto; give yours another name")
        if name in self._base_names():
            raise StyleExists(f"{name} is a style that all have here; give yours another name")
        if not overwrite and os.path.lexists(path):
            raise _exists_error(name)

    def add(self, card: StyleCard, overwrite: bool = False) -> None:
        """Save ``card`` under its name.

        Raises as :meth:`check_free`, and :class:`OutputError` where it cannot be written.
        """
        from impasto.picture.files import write_atomically

        self.check_free(card.name, overwrite)
        data = card.to_bytes()
        make_folder(self.folder)
        try:
            write_atomically(self._path(card.name), data, overwrite=overwrite)
        except OutputExists:
            raise _exists_error(card.name) from None  # by another process, just now
        except OutputError as error:
            raise OutputError(f"{error}; {ELSEWHERE}") from error

    def load(
        self, source: str | os.PathLike[str] | bytes, overwrite: bool = False, *, name: str | None = None
    ) -> StyleCard:
        """Take over a card file that somebody shared, by path or as bytes, under its own name or ``name``.

        Raises as :meth:`add`, and :class:`StyleError` for a broken card.
        """
        card = StyleCard.from_bytes(source) if isinstance(source, bytes) else StyleCard.from_file(source)
        card = replace(card, name=card.name if name is None else name)
        self.add(card, overwrite)
        return card

    def export(self, name: str) -> bytes:
        """The card as a file to share. Raises as :meth:`get`."""
        return self.get(name).to_bytes()

    def remove(self, name: str) -> None:
        """Delete one of the user's own cards, broken or not.

        Raises :class:`StyleError` for a shipped one and :class:`UnknownStyle` where there is none.
        """
        if name in self._shipped:
            raise StyleError(f"{name} comes with Impasto and cannot be removed; only your own styles can")
        if name in self._base_names():
            raise StyleError(f"{name} is a style that all have here and cannot be removed; only your own styles can")
        path = self._own().get(name)
        if path is None:
            raise UnknownStyle(self.unknown(name))
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"cannot remove {path}: {error}") from error

    def problems(self) -> tuple[str, ...]:
        """What is wrong with files of the user's folder, one sentence each; empty where all is well."""
        found = []
        for path in self._files():
            try:
                if not _is_name(path.stem):
                    raise StyleError(f"{path.name} is not a style name; rename the file like my-style{SUFFIX}")
                if path.stem in self._shipped:
                    raise StyleError(f"{path.name} has the name of a style that comes with Impasto; rename the file")
                StyleCard.from_file(path)
            except StyleError as error:
                found.append(str(error))
        return tuple(found)

    def _names_by_alias(self) -> dict[str, str]:
        """Names by what they are called, :func:`fold_name`: all names first, then the aliases, in the gallery's
        order."""
        names = self.names()
        found: dict[str, str] = {}
        for name in names:
            found.setdefault(fold_name(name), name)
        for name in names:
            for alias in self._aliases(name):
                found.setdefault(fold_name(alias), name)
        return found

    def _aliases(self, name: str) -> tuple[str, ...]:
        if name in self._shipped and name in _index():
            return _index()[name]
        try:
            return self.get(name).aliases
        except StyleError:  # a broken card hides no other
            return ()

    def _path(self, name: str) -> Path:
        return self.folder / f"{check_name(name)}{SUFFIX}"

    def _files(self) -> list[Path]:
        try:
            return sorted(p for p in self.folder.iterdir() if p.suffix == SUFFIX and p.is_file())
        except OSError:  # not made yet, or not ours to read: there are no cards
            return []

    def _own(self) -> dict[str, Path]:
        given = self._base_names()
        return {path.stem: path for path in self._files() if _is_name(path.stem) and path.stem not in given}

    def _base_names(self) -> Collection[str]:
        """The names of what is read-only."""
        return self._shipped if self._base is None else set(self._base.names())


def is_shipped(name: str) -> bool:
    """Whether a style of that name comes with Impasto; without looking at any folder."""
    return name in _index()


def _exists_error(name: str) -> StyleExists:
    return StyleExists(f"you have a style {name} already; give another name or allow overwriting")


def _is_name(text: str) -> bool:
    try:
        return bool(check_name(text))
    except StyleError:
        return False


def _shipped() -> dict[str, Traversable]:
    """The cards that come with Impasto, boldest first."""
    folder = files("impasto.styles") / "cards"
    if not folder.is_dir():
        return {}
    found = {f.name.removesuffix(SUFFIX): f for f in folder.iterdir() if f.name.endswith(SUFFIX)}
    order = {name: place for place, name in enumerate(_index())}
    return {name: found[name] for name in sorted(found, key=lambda name: (order.get(name, len(order)), name))}


@lru_cache(maxsize=1)
def _index() -> dict[str, tuple[str, ...]]:
    """Names and aliases of the shipped cards in their order: what is asked of them before any of them is read."""
    file = files("impasto.styles") / "cards" / INDEX
    if not file.is_file():
        return {}
    return {name: tuple(aliases) for name, aliases in json.loads(file.read_text("utf-8")).items()}

"""Style inputs: the pictures and styles that the command line names beside the photos."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impasto.cli.options.parsers import style_label

if TYPE_CHECKING:
    from impasto.client import Upload
    from impasto.picture import Picture
    from impasto.request import Region
    from impasto.styles import Gallery

__all__ = ["Sources", "is_file"]


def is_file(text: str) -> bool:
    """Whether a style is to be read from there: a file, or a pipe, as of ``<(command)``."""
    from impasto.picture.pipes import is_pipe

    try:
        return Path(text).is_file() or is_pipe(text)
    except (OSError, ValueError):
        return False


@dataclass(frozen=True, slots=True)
class Sources:
    """Styles with their weights, pairs of a mask and a style, and files; nothing of it is read yet."""

    styles: dict[str, float]
    regions: tuple[tuple[str, str], ...] = ()
    mask: str | None = None
    guide: str | None = None
    initial: str | None = None

    def labels(self, names: Collection[str]) -> list[str]:
        """What the styles are called in a file's name, each once."""
        styles = [*self.styles, *(style for _, style in self.regions)]
        return list(dict.fromkeys(style_label(style, names) for style in styles))

    def open(self, gallery: Gallery, max_pixels: int) -> dict[str, Any]:
        """All of it, as a request takes it. Raises :class:`ImpastoError`."""
        from impasto.picture import Picture
        from impasto.styles import Style

        def picture(file: str | None) -> Picture | None:
            return None if file is None else Picture.open(file, max_pixels=max_pixels)

        return {
            "style": Style.of(self.styles, gallery, max_pixels=max_pixels) if self.styles else None,
            "mask": picture(self.mask),
            "guide": picture(self.guide),
            "initial": picture(self.initial),
            "regions": self._regions(gallery, max_pixels),
        }

    def read(self, max_pixels: int) -> dict[str, Any]:
        """All of it but the regions, as a server takes it: a style that is not a file is a name there.

        Pictures are looked at here, so that what is wrong with one is told with its name and before anything is sent.
        Raises :class:`ImpastoError`.
        """
        from impasto.cli.stylize.upload_files import checked_upload

        def upload(file: str | None) -> Upload | None:
            return None if file is None else checked_upload(file, max_pixels)

        weights = set(self.styles.values())
        styles = {upload(style) if is_file(style) else style: share for style, share in self.styles.items()}
        return {
            "style": styles if len(weights) > 1 else list(styles),
            "mask": upload(self.mask),
            "guide": upload(self.guide),
            "initial": upload(self.initial),
        }

    def describe(self) -> dict[str, Any]:
        """The styles and files as :meth:`impasto.Request.settings` tells them, unread."""
        import numpy as np

        from impasto.picture import Picture
        from impasto.styles import Style
        from impasto.styles.style import PictureStyle

        files = {name: True for name in ("mask", "guide", "initial") if getattr(self, name) is not None}
        if not self.styles:
            return files
        # A stand-in: weights and names are told as they are of a style that is here.
        blank = Picture.from_array(np.zeros((1, 1, 3), np.uint8))
        style = Style(
            tuple((PictureStyle(blank, style_label(style, ())), share) for style, share in self.styles.items())
        )
        return {"style": style.describe(), **files}

    def _regions(self, gallery: Gallery, max_pixels: int) -> tuple[Region, ...]:
        from impasto.picture import Picture
        from impasto.request import Region
        from impasto.styles import Style

        made: dict[str, Region] = {}
        for mask, style in self.regions:
            own, copy = Path(mask).stem, 1
            name = own
            while name in made:  # sky/mask.png and land/mask.png
                copy += 1
                name = f"{own} {copy}"
            shape = Picture.open(mask, max_pixels=max_pixels)
            made[name] = Region(shape, Style.of(style, gallery, max_pixels=max_pixels), name)
        return tuple(made.values())

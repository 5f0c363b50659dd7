"""Showing: pictures as notebooks show them, small enough to be kept in one, and two of them under a slider."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from html import escape

from impasto.picture.raster import Raster
from impasto.picture.scaling import fit, scale
from impasto.picture.writing import encode

__all__ = ["LONGEST", "Comparison", "notebook_png"]

LONGEST = 512
"""Pixels of the longest side of what is shown: a notebook keeps what it shows in its file."""

_COMPARED = 1024
_QUALITY = 85

# Without a script of its own nor a name that could be taken: a page may hold many.
_PAGE = """\
<div style="display:inline-block;max-width:100%;--at:50%">
<div style="position:relative;width:fit-content">
<img alt="{after}" src="data:image/webp;base64,{later}" width="{width}" height="{height}" \
style="display:block;max-width:100%;height:auto;margin:0">
<img alt="{before}" src="data:image/webp;base64,{earlier}" \
style="position:absolute;inset:0;width:100%;height:100%;margin:0;clip-path:inset(0 calc(100% - var(--at)) 0 0)">
</div>
<input type="range" min="0" max="100" value="50" aria-label="{before} | {after}" \
oninput="this.parentNode.style.setProperty('--at', this.value + '%')" \
style="display:block;width:100%;margin:4px 0 0">
<div style="display:flex;justify-content:space-between;font:12px sans-serif">\
<span>{before}</span><span>{after}</span></div>
</div>"""


def notebook_png(picture: Raster) -> bytes:
    """A PNG of the picture, at most :data:`LONGEST` pixels a side, without what its file said besides."""
    small = scale(picture, fit(picture.size, min(LONGEST, max(picture.size))))
    return encode(small, "png", quality=100, bits=8, keep_metadata=False, settings=None)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two pictures of one view under a slider, as a notebook shows them: HTML that needs no network.

    ``labels`` are the words for what is left and right of it.
    """

    before: Raster
    after: Raster
    labels: tuple[str, str] = ("before", "after")

    def to_html(self) -> str:
        """The HTML, with both pictures in it, at most 1024 pixels a side."""
        size = fit(self.after.size, min(_COMPARED, max(self.after.size)))
        earlier, later = (_webp(scale(picture, size)) for picture in (self.before, self.after))
        before, after = (escape(label) for label in self.labels)
        return _PAGE.format(before=before, after=after, earlier=earlier, later=later, width=size[0], height=size[1])

    def _repr_html_(self) -> str:
        return self.to_html()


def _webp(picture: Raster) -> str:
    data = encode(picture, "webp", quality=_QUALITY, bits=8, keep_metadata=False, settings=None)
    return b64encode(data).decode()

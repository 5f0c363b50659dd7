"""How much memory a 96-megapixel picture takes, and whether its tiles show."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from impasto.bench.measurement import Figure
from impasto.evaluation.metrics import seam_ratio
from impasto.instant.painter import Painter, Pass
from impasto.instant.postprocess import quantise
from impasto.models import find
from impasto.picture import Picture
from impasto.picture.raster import Pixels
from impasto.picture.writing import encode
from impasto.styles import Gallery

__all__ = ["large_picture_figures"]

_SIZE = (12000, 8000)
_PIXELS = _SIZE[0] * _SIZE[1]
_OTHER_WINDOW = 1336
# The child tells its own peak, for the parent has had the picture in memory too.
_CHILD = """
import resource, sys
from impasto.cli.main import main
try:
    main()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def large_picture_figures(style: str) -> list[Figure]:
    """Repaint 12000x8000 pixels in a process of its own: its peak memory, and the seam ratio of what it wrote."""
    what = f"{_SIZE[0]}x{_SIZE[1]}, whole process"
    if sys.platform == "win32":
        return [Figure("memory, 96 megapixels", None, "MB", note="peak memory can be read on Linux and macOS")]
    with tempfile.TemporaryDirectory() as folder:
        photo, out = Path(folder, "photo.jpg"), Path(folder, "out.png")
        photo.write_bytes(encode(_texture(), "jpeg", quality=92, bits=8, keep_metadata=False, settings={}))
        arguments = ["stylize", str(photo), "--style", style, "-o", str(out), "--max-pixels", str(_PIXELS), "--quiet"]
        command = [sys.executable, "-c", _CHILD, *arguments]
        run = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
        peak = int(run.stdout.split()[-1]) * (1 if sys.platform == "darwin" else 1024)
        painted = Picture.open(out, max_pixels=_PIXELS).pixels
        plan = Painter(find("instant"), "auto").plan(*painted.shape[:2])
        ratio = seam_ratio(painted, plan, _in_other_tiles(Picture.open(photo, max_pixels=_PIXELS), style))
    return [
        Figure("memory, 96 megapixels", peak / 1e6, "MB", note=what),
        Figure("seam ratio, 96 megapixels", ratio, "", note="1 where tiles do not show"),
    ]


def _in_other_tiles(photo: Picture, style: str) -> Pixels:
    """The same pastiche with its borders elsewhere."""
    model = find("instant")
    code = Gallery().get(style).code(model.identity)[None]
    result = np.empty_like(photo.pixels)
    for tile, part in Painter(model, "auto", window=_OTHER_WINDOW).paint(photo.pixels, [Pass(code)]):
        result[tile.keep] = quantise(part, photo)
    return result


def _texture() -> Picture:
    """Noise at three scales: detail everywhere and edges nowhere, so that a seam would be the only line there is."""
    random = np.random.default_rng(0)
    width, height = _SIZE
    pixels = np.full((height, width, 3), 28, np.uint8)
    for step, strength in ((64, 100), (8, 80)):
        noise = random.integers(0, strength, (-(-height // step), -(-width // step), 3), np.uint8)
        pixels += Picture(noise).resized(_SIZE).pixels
    for top in range(0, height, 500):
        strip = pixels[top : top + 500]
        strip += random.integers(0, 40, strip.shape, np.uint8)
    return Picture(pixels)

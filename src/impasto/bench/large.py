"""How much memory a 96-megapixel picture takes, and whether its tiles show."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from impasto.bench.figure import Figure
from impasto.engines.painter import Painter
from impasto.metrics import seam_ratio
from impasto.models import find
from impasto.picture import Picture
from impasto.picture.writing import encode
from impasto.stylizer import SAMPLE

__all__ = ["large"]

_SIZE = (12000, 8000)
_PIXELS = _SIZE[0] * _SIZE[1]
# The child tells its own peak, for the parent has had the picture in memory too.
_CHILD = """
import resource, sys
from impasto.cli.main import main
try:
    main()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def large(style: str) -> list[Figure]:
    """Repaint 12000x8000 pixels in a process of its own: its peak memory, and the seam ratio of what it wrote."""
    what = f"{_SIZE[0]}x{_SIZE[1]}, whole process"
    if sys.platform == "win32":
        return [Figure("memory, 96 megapixels", None, "MB", note="peak memory can be read on Linux and macOS")]
    with tempfile.TemporaryDirectory() as folder:
        photo, out = Path(folder, "photo.jpg"), Path(folder, "out.png")
        photo.write_bytes(encode(_grainy(), "jpeg", quality=92, bits=8, keep_metadata=False, settings={}))
        arguments = ["stylize", str(photo), "--style", style, "-o", str(out), "--max-pixels", str(_PIXELS), "--quiet"]
        command = [sys.executable, "-c", _CHILD, *arguments]
        run = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
        peak = int(run.stdout.split()[-1]) * (1 if sys.platform == "darwin" else 1024)
        painted = Picture.open(out, max_pixels=_PIXELS)
        ratio = seam_ratio(painted.pixels, Painter(find("instant"), "auto").plan(painted.height, painted.width))
    return [
        Figure("memory, 96 megapixels", peak / 1e6, "MB", note=what),
        Figure("seam ratio, 96 megapixels", ratio, "", note="1 where tiles do not show"),
    ]


def _grainy() -> Picture:
    """The sample photograph enlarged, with grain, so that there is detail at full scale."""
    pixels = Picture.open(SAMPLE).resized(_SIZE).pixels.copy()
    random = np.random.default_rng(0)
    for top in range(0, len(pixels), 500):
        strip = pixels[top : top + 500]
        grain = random.normal(0, 6, (*strip.shape[:2], 1)).astype(np.float32)
        strip[:] = (strip + grain).clip(0, 255)
    return Picture(pixels)

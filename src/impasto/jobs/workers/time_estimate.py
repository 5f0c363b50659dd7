"""Pace: how long pictures take in a worker just now, and whether the next one will be there in time."""

from __future__ import annotations

from impasto.iterative.pyramid import working_size
from impasto.jobs.errors import TooDear
from impasto.request import Request

__all__ = ["Pace"]

_SMALLEST = 1_000_000
"""Pixels from which on the time that a picture takes is a matter of its size."""
_FINISHING = 4
"""How many times longer a pixel takes to be painted than to be read, finished and written."""
_NEWS = 0.5
"""Weight of the last picture against those before: other work on the machine comes and goes."""


class Pace:
    """In seconds a pixel, by the clock: what else the machine does is in it. Unknown until a large picture was
    painted, and then nothing is refused."""

    def __init__(self) -> None:
        self._per_pixel = 0.0

    def note(self, request: Request, seconds: float) -> None:
        """A picture took so long."""
        if request.engine != "instant" or (pixels := _pixels(request)) < _SMALLEST:
            return
        found = seconds / pixels
        self._per_pixel = found if not self._per_pixel else _NEWS * found + (1 - _NEWS) * self._per_pixel

    def check(self, request: Request, left: float) -> None:
        """Raise :class:`TooDear` where it would take more than the seconds that are ``left``."""
        pixels = _pixels(request)
        expected = pixels * self._per_pixel
        if pixels >= _SMALLEST and expected > left:
            raise TooDear(
                f"{pixels / 1e6:.1f} megapixels take about {expected:.0f} seconds here just now, too long for an "
                "instant answer; make it a job, or give a smaller size",
                max(1, round(expected)),
            )


def _pixels(request: Request) -> int:
    """What is painted, and a share of what is read and finished, which takes less."""
    width, height = working_size(request)
    return width * height + request.content.width * request.content.height // _FINISHING

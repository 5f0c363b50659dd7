"""Request, Progress and Result: the records that every engine and every door speak."""

from impasto.picture.limits import MAX_PIXELS
from impasto.request.options import Option
from impasto.request.presets import PRESETS, preset_settings
from impasto.request.progress import Enough, Progress, Result, run_to_end
from impasto.request.request import Precision, Region, Request, StyleLike, options

__all__ = [
    "MAX_PIXELS",
    "PRESETS",
    "Enough",
    "Option",
    "Precision",
    "Progress",
    "Region",
    "Request",
    "Result",
    "StyleLike",
    "options",
    "preset_settings",
    "run_to_end",
]

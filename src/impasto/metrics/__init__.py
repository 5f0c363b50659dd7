"""Quality measures."""

from impasto.metrics.evenness import Evenness, evenness
from impasto.metrics.intervals import Interval, interval
from impasto.metrics.seams import seam_ratio

__all__ = ["Evenness", "Interval", "evenness", "interval", "seam_ratio"]

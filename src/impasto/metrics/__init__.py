"""Quality measures."""

from impasto.metrics.evenness import Evenness, evenness
from impasto.metrics.intervals import Interval, interval
from impasto.metrics.lattice import lattice
from impasto.metrics.light import light
from impasto.metrics.seams import seam_ratio
from impasto.metrics.sharpness import sharpness

__all__ = ["Evenness", "Interval", "evenness", "interval", "lattice", "light", "seam_ratio", "sharpness"]

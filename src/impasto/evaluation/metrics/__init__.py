"""Quality measures."""

from impasto.evaluation.metrics.bootstrap import Interval, interval
from impasto.evaluation.metrics.evenness import Evenness, evenness
from impasto.evaluation.metrics.pattern_repetition import lattice
from impasto.evaluation.metrics.seams import seam_ratio
from impasto.evaluation.metrics.sharpness import sharpness
from impasto.picture.luma import mean_luma

__all__ = ["Evenness", "Interval", "evenness", "interval", "lattice", "mean_luma", "seam_ratio", "sharpness"]

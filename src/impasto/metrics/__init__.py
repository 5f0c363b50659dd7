"""Quality measures."""

from impasto.metrics.seams import seam_ratio

__all__ = ["seam_ratio"]

"""How fast Impasto is, as ratios in one run on one machine."""

from impasto.bench.figure import Figure
from impasto.bench.serving import serving
from impasto.bench.speed import run

__all__ = ["Figure", "run", "serving"]

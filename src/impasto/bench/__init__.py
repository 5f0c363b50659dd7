"""How fast Impasto is, as ratios in one run on one machine."""

from impasto.bench.engine_speed import run
from impasto.bench.measurement import Figure
from impasto.bench.server_speed import server_figures

__all__ = ["Figure", "run", "server_figures"]

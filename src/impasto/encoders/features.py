"""Features: what encoders give and losses compare."""

from __future__ import annotations

from torch import Tensor

__all__ = ["Features"]

Features = dict[str, Tensor]
"""Feature maps by layer name, each ``(N, C, H, W)``."""

"""Trainings: networks that repaint, and the encoder that ships. A plan says on what, for how long, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from impasto.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from impasto.training.base import BasePlan, train_base
    from impasto.training.install import install_style
    from impasto.training.instant import Plan, train
    from impasto.training.per_style import StylePlan, train_style
    from impasto.training.pocket import PocketPlan, distil
    from impasto.training.trainer import Step

__all__ = [
    "BasePlan",
    "Plan",
    "PocketPlan",
    "Step",
    "StylePlan",
    "distil",
    "install_style",
    "train",
    "train_base",
    "train_style",
]

# Loaded when first used: bounds of plans are known without torch.
__getattr__ = lazy_exports(
    __name__,
    {
        "BasePlan": "base",
        "Plan": "instant",
        "PocketPlan": "pocket",
        "Step": "trainer",
        "StylePlan": "per_style",
        "distil": "pocket",
        "install_style": "install",
        "train": "instant",
        "train_base": "base",
        "train_style": "per_style",
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)

"""Losses: distances between features, their terms, and the sum that is optimised."""

from impasto.losses.distances import (
    cfsd,
    content_distance,
    gram_distance,
    grams,
    moments,
    self_similarity,
    style_distance,
)
from impasto.losses.multiscale import MultiScale
from impasto.losses.objective import Evaluation, Objective, StyledRegion
from impasto.losses.statistics import LayerStatistics, mean_statistics, measure
from impasto.losses.terms import (
    ContentTerm,
    GramTerm,
    MomentTerm,
    StyleTerm,
    TotalVariation,
    WassersteinTerm,
    style_term,
)

__all__ = [
    "ContentTerm",
    "Evaluation",
    "GramTerm",
    "LayerStatistics",
    "MomentTerm",
    "MultiScale",
    "Objective",
    "StyleTerm",
    "StyledRegion",
    "TotalVariation",
    "WassersteinTerm",
    "cfsd",
    "content_distance",
    "gram_distance",
    "grams",
    "mean_statistics",
    "measure",
    "moments",
    "self_similarity",
    "style_distance",
    "style_term",
]

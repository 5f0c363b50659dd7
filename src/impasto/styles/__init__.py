"""Styles: cards, mixes, and the gallery that holds them."""

from impasto.styles.card import StyleCard
from impasto.styles.gallery import Gallery
from impasto.styles.style import Style

__all__ = ["Gallery", "Style", "StyleCard"]

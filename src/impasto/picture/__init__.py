"""Pictures: pixels with their alpha, colour profile and orientation already made right."""

from impasto.picture.picture import Picture

__all__ = ["Picture"]

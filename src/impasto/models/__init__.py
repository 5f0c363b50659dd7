"""Models: weights with a manifest."""

from impasto.models.catalogue import find, models
from impasto.models.model import Model

__all__ = ["Model", "find", "models"]

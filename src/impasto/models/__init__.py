"""Models: weights with a manifest."""

from impasto.models.model import Model
from impasto.models.registry import find, models
from impasto.models.store import Store

__all__ = ["Model", "Store", "find", "models"]

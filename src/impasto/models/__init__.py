"""Models: weights with a manifest."""

from impasto.models.catalogue import find, models
from impasto.models.model import Model
from impasto.models.store import Store

__all__ = ["Model", "Store", "find", "models"]

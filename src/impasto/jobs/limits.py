"""Limits: what one server takes on."""

from __future__ import annotations

import math
from dataclasses import dataclass

from impasto.picture.limits import MAX_PIXELS

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Everything that is refused beyond, on by default.

    Bytes, pixels, seconds and numbers of things; ``pixel_steps`` is the pixels of an iterative job's photograph times
    the steps of all its levels.
    """

    upload_bytes: int = 64 << 20
    max_pixels: int = MAX_PIXELS
    pixel_steps: float = 2e10
    files: int = 500
    queued: int = 200
    queued_per_owner: int = 50
    at_once: int = 32
    """Requests that wait for an answer at once, beyond which one is told to come back; no owner is kept from an equal
    share of them by others."""
    requests_per_minute: float = math.inf
    """Of one owner, that paint, or make a job or a style."""
    styles_per_owner: int = 200
    pictures_per_style: int = 16
    stored_per_owner: int = 4 << 30
    kept_seconds: float = 24 * 3600
    worker_memory: int = 4 << 30
    instant_seconds: float = 60
    """Within which an instant answer is to be there, else it becomes a job. For this and the others a task may take as
    much processor time as so many seconds of a machine that has nothing else to do."""
    card_seconds: float = 180
    job_seconds: float = 3600
    train_minutes: tuple[float, float] = (0.05, 120.0)
    """How long a network may learn: at least, and at most. What it begins as paints well already."""
    train_seconds: float = 900
    """What a training takes beside its minutes, at most: to read the photographs, and to make a style of it."""
    attempts: int = 5
    """How often a job may lose its worker, or meet a fault of the server's, before it is given up."""

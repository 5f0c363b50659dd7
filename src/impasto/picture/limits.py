"""Limits: how large a picture may be."""

from __future__ import annotations

__all__ = ["MAX_PIXELS"]

MAX_PIXELS = 50_000_000
"""Largest picture that is decoded unless the caller allows more, in pixels."""

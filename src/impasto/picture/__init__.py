"""Pictures: pixels with their alpha, colour profile and orientation already made right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from impasto.picture.picture import Picture

__all__ = ["Picture"]


def __getattr__(name: str) -> Any:
    # When first used: whoever asks for a limit or a suffix need not wait for NumPy and Pillow.
    if name == "Picture":
        from impasto.picture.picture import Picture

        return Picture
    raise AttributeError(f"module 'impasto.picture' has no attribute {name!r}")

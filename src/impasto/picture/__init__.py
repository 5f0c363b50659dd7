"""Pictures: pixels with their alpha, colour profile and orientation already made right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from impasto.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from impasto.picture.picture import Picture

__all__ = ["Picture"]


# When first used: whoever asks for a limit or a suffix need not wait for NumPy and Pillow.
__getattr__ = lazy_exports(__name__, {"Picture": "picture"})

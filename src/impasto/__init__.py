"""Impasto: neural style transfer that real people use.

>>> import impasto
>>> impasto.stylize("photo.jpg", "starry-night").save("painted.jpg")
PosixPath('painted.jpg')
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from impasto.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from impasto.client import Client
    from impasto.errors import ImpastoError
    from impasto.inference.threads import take_turns
    from impasto.picture import Picture
    from impasto.request import Progress, Request, Result
    from impasto.styles import Gallery, Style, StyleCard
    from impasto.stylizer import Stylizer, stylize

__all__ = [
    "Client",
    "Gallery",
    "ImpastoError",
    "Picture",
    "Progress",
    "Request",
    "Result",
    "Style",
    "StyleCard",
    "Stylizer",
    "__version__",
    "stylize",
    "take_turns",
]

_HOMES = {
    "Client": "client",
    "Gallery": "styles",
    "ImpastoError": "errors",
    "Picture": "picture",
    "Progress": "request",
    "Request": "request",
    "Result": "request",
    "Style": "styles",
    "StyleCard": "styles",
    "Stylizer": "stylizer",
    "stylize": "stylizer",
    "take_turns": "inference.threads",
}


_find = lazy_exports(__name__, _HOMES)


def __getattr__(name: str) -> Any:
    # Loaded when first used, so that `impasto --help` need not wait for NumPy and the runtime.
    if name == "__version__":
        from importlib.metadata import version

        return version("impasto")
    return _find(name)


def __dir__() -> list[str]:
    return sorted(__all__)

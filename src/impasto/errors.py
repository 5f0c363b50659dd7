"""Every error Impasto raises on purpose.

::

    ImpastoError
    ├── RequestError             bad_request          422   a setting is out of range or contradicts another
    ├── PictureError             broken_picture       422   the bytes cannot be decoded
    │   ├── UnsupportedFormat    unsupported_format   415   not a picture, or a format not on the list
    │   └── PictureTooLarge      picture_too_large    413   more pixels or bytes than allowed
    ├── StyleError               bad_style            422   a style or style card that cannot be used
    │   ├── UnknownStyle         unknown_style        404   no style of that name
    │   └── StyleExists          style_exists         409   the name is taken
    ├── ModelError               broken_model         500   a model file is missing, altered or unknown
    ├── OutputError              cannot_write         500   the result cannot be written
    │   └── OutputExists         output_exists        409   the file is there and may not be overwritten
    └── MissingExtra             missing_extra        501   an optional dependency is not installed

``code`` is stable and meant for programs; the message names the value and the remedy and is meant
for people; ``status`` is the HTTP status that the server answers with.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "ImpastoError",
    "MissingExtra",
    "ModelError",
    "OutputError",
    "OutputExists",
    "PictureError",
    "PictureTooLarge",
    "RequestError",
    "StyleError",
    "StyleExists",
    "UnknownStyle",
    "UnsupportedFormat",
]


class ImpastoError(Exception):
    """The root of the tree; catch it to catch them all."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    @classmethod
    def of_code(cls, code: object) -> type[ImpastoError] | None:
        """The class of that code, this one or one below it, the nearest first."""
        classes: list[type[ImpastoError]] = [cls]
        for found in classes:
            if found.code == code:
                return found
            classes += found.__subclasses__()
        return None


class RequestError(ImpastoError, ValueError):
    """A setting is out of range or contradicts another, or something of a request is missing."""

    code = "bad_request"
    status = 422


class PictureError(ImpastoError):
    """The bytes, or the array, cannot be read as a picture."""

    code = "broken_picture"
    status = 422


class UnsupportedFormat(PictureError):
    """The file is not a picture, or of a format that is not on the list."""

    code = "unsupported_format"
    status = 415


class PictureTooLarge(PictureError):
    """More pixels or bytes than allowed, or than fit the memory."""

    code = "picture_too_large"
    status = 413


class StyleError(ImpastoError):
    """A style or a style card that cannot be used."""

    code = "bad_style"
    status = 422


class UnknownStyle(StyleError):
    """No style has that name; the message names those that come close."""

    code = "unknown_style"
    status = 404


class StyleExists(StyleError):
    """The name belongs to another style."""

    code = "style_exists"
    status = 409


class ModelError(ImpastoError):
    """A model, its file or a plugin is missing, altered, broken or unknown."""

    code = "broken_model"
    status = 500


class OutputError(ImpastoError):
    """The result cannot be written."""

    code = "cannot_write"
    status = 500


class OutputExists(OutputError):
    """The file is there, and was not to be replaced."""

    code = "output_exists"
    status = 409


class MissingExtra(ImpastoError, ImportError):
    """An optional dependency is missing; the message ends with the line that installs it."""

    code = "missing_extra"
    status = 501

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs a package that is not installed; install it with: pip install 'impasto[{extra}]'"
        )
        self.extra = extra

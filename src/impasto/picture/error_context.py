"""Names which of several pictures or styles an error is about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from impasto.errors import MissingExtra, PictureError, StyleError, UnknownStyle

__all__ = ["naming_errors"]


@contextmanager
def naming_errors(what: str, number: int = 1, *, of: int = 1) -> Iterator[None]:
    """Have errors of pictures and styles that are raised inside say which of several it is: ``what``, and its number
    from 1 where there are more ``of`` them, go before the message."""
    try:
        yield
    except UnknownStyle:
        raise  # its message has the name that was given
    except (PictureError, StyleError, MissingExtra) as error:
        which = what if of == 1 else f"{what} {number} of {of}"
        told = f"{which}: {error}"
        error.args = (told, *error.args[1:])
        if isinstance(error, ImportError):
            error.msg = told
        raise

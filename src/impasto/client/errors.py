"""Errors of the client, branches of the tree in :mod:`impasto.errors`.

::

    ImpastoError
    ├── Busy               busy           429   too much is waiting there, or of yours; come back
    ├── KeyRefused         no_key         401   it asks for a key, or for another one
    └── OutputError
        └── NoAnswer       no_answer      503   there is no server at that address, or it is away

What the server answers with is raised as the error of its ``code``, wherever there is one.
"""

from __future__ import annotations

from impasto.errors import ImpastoError, MissingExtra, OutputError

__all__ = ["Busy", "KeyRefused", "NoAnswer", "error_of_code"]


class Busy(ImpastoError):
    """Too much is waiting there, or of yours; come back in ``retry_after`` seconds."""

    code = "busy"
    status = 429

    def __init__(self, message: str, retry_after: float = 5.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class KeyRefused(ImpastoError):
    """The server asks for an API key, or for another one; set ``IMPASTO_API_KEY``."""

    code = "no_key"
    status = 401


class NoAnswer(OutputError):
    """There is no server at that address, or it is away."""

    code = "no_answer"
    status = 503


def error_of_code(code: str, message: str, status: int = 500) -> ImpastoError:
    """The error of that code: of its own class where that is known here."""
    kind = ImpastoError.of_code(code)
    # What is missing there is not to be installed here.
    if kind is not None and kind is not MissingExtra:
        return kind(message)
    error = ImpastoError(message)
    error.code, error.status = code, status  # type: ignore[misc]
    return error

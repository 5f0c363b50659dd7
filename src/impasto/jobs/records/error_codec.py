"""Errors as JSON, so that what one process raises is raised in another as the same class; and as clients are
told of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from impasto.errors import ImpastoError, ModelError, OutputError, OutputExists
from impasto.jobs.errors import StorageAway, WorkerLost

__all__ = ["client_error", "decode_error", "encode_error", "without_places"]

_PLACE = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://|[A-Za-z]:\\|(?<![\w.])/)[^\s'\"]*[^\s'\".,:;)]")
"""A URL or an absolute path."""


def encode_error(error: ImpastoError) -> dict[str, Any]:
    """An error as JSON: code, message and its other plain attributes."""
    facts = {name: value for name, value in vars(error).items() if isinstance(value, (str, int, float))}
    return {"code": error.code, "message": str(error), "facts": facts}


def decode_error(failure: Mapping[str, Any]) -> ImpastoError:
    """The error that :func:`encode_error` encoded; for an unknown code, an :class:`ImpastoError`."""
    kind = ImpastoError.of_code(failure.get("code")) or ImpastoError
    message = str(failure.get("message", ""))
    # Not by calling the class: some make their message of other things.
    error = kind.__new__(kind, message)
    facts = failure.get("facts")
    vars(error).update(facts if isinstance(facts, dict) else {})
    return error


def client_error(error: ImpastoError) -> ImpastoError:
    """The error as a client may see it: what is wrong with the server does not concern them in detail, and neither
    are its paths and addresses. Who calls this logs the error itself."""
    if isinstance(error, OutputError) and not isinstance(error, OutputExists):
        return StorageAway("the server cannot read or store jobs and pictures just now; try again in a few seconds")
    if isinstance(error, (ModelError, WorkerLost)) and without_places(str(error)) != str(error):
        return decode_error({**encode_error(error), "message": without_places(str(error))})
    return error


def without_places(text: str) -> str:
    """The text without paths and addresses."""
    return _PLACE.sub("(a place on the server)", text)

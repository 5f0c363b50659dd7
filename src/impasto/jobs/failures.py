"""Failures: errors as JSON, so that what one process raises is raised in another as the same class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from impasto.errors import ImpastoError

__all__ = ["raised", "told"]


def told(error: ImpastoError) -> dict[str, Any]:
    """An error as JSON: code, message and the plain facts it has besides."""
    facts = {name: value for name, value in vars(error).items() if isinstance(value, (str, int, float))}
    return {"code": error.code, "message": str(error), "facts": facts}


def raised(failure: Mapping[str, Any]) -> ImpastoError:
    """The error that :func:`told` was given; of an unknown code, an :class:`ImpastoError`."""
    kind = ImpastoError.of_code(failure.get("code")) or ImpastoError
    message = str(failure.get("message", ""))
    # Not by calling the class: some make their message of other things.
    error = kind.__new__(kind, message)
    facts = failure.get("facts")
    vars(error).update(facts if isinstance(facts, dict) else {})
    return error

"""Problems: every error as a problem document (RFC 9457) with the stable code of its class."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Scope

from impasto import logs
from impasto.errors import ImpastoError, OutputError
from impasto.jobs.errors import QueueFull, UploadTooLarge, UploadTooSlow
from impasto.jobs.records.error_codec import client_error
from impasto.request.options import comma_hint

__all__ = [
    "PROBLEM",
    "LastResort",
    "add_handlers",
    "allowed",
    "drop_traceback",
    "headers_of",
    "is_disk_error",
    "problem",
    "shown_error",
]

_LOG = logging.getLogger("impasto.server")

_CODES = {400: "bad_request", 401: "no_key", 403: "forbidden", 404: "not_found", 405: "method_not_allowed"}
_SOON = {"Retry-After": "5"}
"""What is away is hoped to be back after so many seconds."""
_OTHERS = "impasto.others"
"""In a scope that is matched against all routes but those of a last resort."""
_PARSED: dict[str, type] = {"int_parsing": int, "float_parsing": float}
"""What the framework calls a text that is not a number."""
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

PROBLEM: dict[str, Any] = {
    "description": "A problem document (RFC 9457)",
    "content": {
        "application/problem+json": {
            "schema": {
                "type": "object",
                "required": ["type", "title", "status", "detail", "code"],
                "properties": {
                    "type": {"type": "string"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                    "code": {"type": "string"},
                },
            }
        }
    },
}
"""How the documentation describes an error."""


class LastResort(APIRoute):
    """A route for every path that no other takes: it says itself which methods a path has there."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return (Match.NONE, {}) if _OTHERS in scope else super().matches(scope)


def problem(status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """The answer to a request that fails."""
    if status == 503:
        headers = {**_SOON, **(headers or {})}
    document = {
        "type": f"urn:impasto:error:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    return JSONResponse(document, status, headers, media_type="application/problem+json")


def headers_of(error: ImpastoError) -> dict[str, str]:
    """What an error says beside its document."""
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, QueueFull) else {}
    if error.status == 503:
        headers = dict(_SOON)
    if isinstance(error, UploadTooLarge | UploadTooSlow):
        # The rest is not read: the connection cannot be used again.
        headers["Connection"] = "close"
    return headers


def drop_traceback(error: BaseException) -> None:
    """Let an error that is answered go without the frames that it came through: they hold what was sent, and are held
    by the very tasks that it ended, until the garbage collector comes by."""
    seen: BaseException | None = error
    while seen is not None and seen.__traceback__ is not None:
        seen.__traceback__ = None
        seen = seen.__cause__ or seen.__context__


def shown_error(error: Exception) -> ImpastoError:
    """An error of the library's, or of a disk, as a client may see it; what is kept back goes to the log."""
    is_disk = not isinstance(error, ImpastoError)
    ours = OutputError(str(error)) if is_disk else cast(ImpastoError, error)
    if (found := client_error(ours)) is not ours:
        _LOG.error("%s", error, exc_info=error if is_disk else None)
    return found


def is_disk_error(error: Exception) -> bool:
    """Whether an error is a disk's or a folder's, and not a connection's."""
    return isinstance(error, OSError) and not isinstance(error, (ImpastoError, ConnectionError, TimeoutError))


def add_handlers(app: FastAPI) -> None:
    """Answer errors of the library, of the framework and of neither with problem documents."""
    app.add_exception_handler(ImpastoError, _on_impasto_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(OSError, _on_disk_error)
    app.add_exception_handler(Exception, _on_unexpected_error)


async def _on_impasto_error(_: Request, error: Exception) -> JSONResponse:
    found = shown_error(error)
    drop_traceback(error)
    return problem(found.status, found.code, str(found), headers_of(found))


async def _on_disk_error(request: Request, error: Exception) -> JSONResponse:
    if not is_disk_error(error):
        raise error
    return await _on_impasto_error(request, error)


async def _on_validation_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or "the request"
    if kind := _PARSED.get(first["type"]):
        given = str(first["input"])
        whole = "whole " if kind is int else ""
        return problem(422, "bad_request", f"{where} is {given[:80]!r}; give a {whole}number{comma_hint(kind, given)}")
    return problem(422, "bad_request", f"{where}: {first['msg']}")


async def _on_http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code, headers = _CODES.get(error.status_code, "error"), dict(error.headers or {})
    if error.status_code == 405 and (methods := allowed(request)):
        # The framework names those of one route, and a path may have several.
        headers["Allow"] = ", ".join(methods)
    return problem(error.status_code, code, str(error.detail), headers)


def allowed(request: Request) -> list[str]:
    """The methods that the path takes, but for those of a last resort."""
    routes = request.app.routes
    found = [
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method, _OTHERS: True})[0] is Match.FULL for route in routes)
    ]
    return [*found, "HEAD"] if "GET" in found else found


async def _on_unexpected_error(_: Request, __: Exception) -> JSONResponse:
    # What is answered here passes none of the layers that give answers their id.
    headers = {"X-Request-ID": logs.log_facts().get("request", "")}
    return problem(500, "error", "something went wrong in the server; its log says what", headers)

"""Answers: errors in the shapes that the public programs' clients know."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from impasto.errors import ImpastoError
from impasto.jobs.errors import QueueFull
from impasto.server.problems import LastResort, drop_traceback, headers_of, is_disk_error, problem, shown_error

__all__ = ["Detailed", "DetailedLast", "Modelled", "ModelledLast", "missing_field_error", "refusal", "torchserve_json"]

_Handler = Callable[[Request], Coroutine[Any, Any, Response]]
_TYPES = {
    400: "BadRequestException",
    401: "InvalidKeyException",
    404: "ModelNotFoundException",
    405: "MethodNotAllowedException",
    409: "ConflictStatusException",
    503: "ServiceUnavailableException",
}


class Detailed(APIRoute):
    """A route of a FastAPI program: ``{"detail": ...}``."""

    def get_route_handler(self) -> _Handler:
        return _reshape_errors(super().get_route_handler(), _detailed)


class DetailedLast(Detailed, LastResort):
    """One of those for paths that no other route takes."""


class Modelled(APIRoute):
    """A route of TorchServe: ``{"code": ..., "type": ..., "message": ...}``."""

    def get_route_handler(self) -> _Handler:
        return _reshape_errors(super().get_route_handler(), _modelled)


class ModelledLast(Modelled, LastResort):
    """One of those for methods that no other route of its path takes."""


def missing_field_error(field: str) -> RequestValidationError:
    """What FastAPI says of a form without that file."""
    return RequestValidationError([{"type": "missing", "loc": ("body", field), "msg": "Field required", "input": None}])


def torchserve_json(document: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON as TorchServe writes it, with the headers that all its answers have."""
    always = {
        "Pragma": "no-cache",
        "Cache-Control": "no-cache; no-store, must-revalidate, private",
        "Expires": "Thu, 01 Jan 1970 00:00:00 UTC",
    }
    text = json.dumps(document, indent=2) + "\n"
    return Response(text, status, always | (headers or {}), media_type="application/json")


def refusal(path: str, error: ImpastoError) -> Response:
    """The answer to a request that is refused before a route has seen it."""
    if path.startswith("/v1/"):
        return problem(error.status, error.code, str(error), headers_of(error))
    return _modelled(error) if path.startswith("/predictions/") else _detailed(error)


def _reshape_errors(handler: _Handler, shape: Callable[[Exception], Response]) -> _Handler:
    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except (HTTPException, RequestValidationError) as error:
            drop_traceback(error)
            return shape(error)
        except (ImpastoError, OSError) as error:
            if not isinstance(error, ImpastoError) and not is_disk_error(error):
                raise
            found = shown_error(error)
            drop_traceback(error)
            return shape(found)

    return handle


def _detailed(error: Exception) -> Response:
    if isinstance(error, ImpastoError):
        return JSONResponse({"detail": str(error)}, error.status, headers_of(error))
    if isinstance(error, HTTPException):
        return JSONResponse({"detail": error.detail}, error.status_code, dict(error.headers or {}))
    assert isinstance(error, RequestValidationError)
    return JSONResponse({"detail": jsonable_encoder(error.errors())}, 422)


def _modelled(error: Exception) -> Response:
    if isinstance(error, ImpastoError):
        # A full queue is what TorchServe calls unavailable.
        status = 503 if isinstance(error, QueueFull) else 400 if error.status == 422 else error.status
        message, headers = str(error), headers_of(error)
    elif isinstance(error, HTTPException):
        status, message, headers = error.status_code, str(error.detail), dict(error.headers or {})
    else:
        assert isinstance(error, RequestValidationError)
        status, message, headers = 400, str(error.errors()[0]["msg"]), {}
    kind = _TYPES.get(status, "InternalServerException" if status >= 500 else "BadRequestException")
    return torchserve_json({"code": status, "type": kind, "message": message}, status, headers)

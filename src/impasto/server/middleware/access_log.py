"""Access: an id for every request, and a line in the log for every answer."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from impasto.logs import set_log_context
from impasto.server.middleware.root_path import path_below_root
from impasto.server.problems import problem

__all__ = ["AccessLog"]

_LOG = logging.getLogger("impasto.access")
_NONE = 499
"""Of a request that was never answered: its client had left."""
_HEADER = b"x-request-id"
_GIVEN = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
_JOB = re.compile(r"/v1/jobs/([A-Za-z0-9_-]{1,64})(?:/|$)")


class AccessLog:
    """A proxy's ``X-Request-ID`` is kept, else there is a new one; it is on the answer and on every line about it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(_HEADER, b"")
        id = given if _GIVEN.fullmatch(given) else str(uuid.uuid4()).encode()
        began, status, size = time.perf_counter(), _NONE, 0
        # Taken now: a mounted application has a root of its own.
        root, path = scope.get("root_path", ""), path_below_root(scope)
        place = path

        async def sending(message: Message) -> None:
            nonlocal status, size, place
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [pair for pair in message["headers"] if pair[0].lower() != _HEADER]
                if location := dict(headers).get(b"location"):
                    place = location.decode("latin-1").removeprefix(root)
                message["headers"] = [*headers, (_HEADER, id)]
            size += len(message.get("body", b""))
            await send(message)

        # To the task's end: what goes wrong is logged farther out.
        set_log_context(request=id.decode())
        try:
            await self._app(scope, receive, sending)
        except asyncio.CancelledError:
            # The server is stopping, and has waited as long as it may.
            if status != _NONE:
                raise
            await problem(503, "stopping", "the server is stopping; try again when it is back")(scope, receive, sending)
        except Exception:
            status = 500
            raise
        finally:
            facts: dict[str, Any] = {
                "method": scope["method"],
                "path": path,
                "status": status,
                "seconds": round(time.perf_counter() - began, 4),
                "bytes": size,
                "client": (scope.get("client") or (None,))[0],
                "owner": scope.get("state", {}).get("owner"),
                # That of the path, or the one that was made.
                "job": found[1] if (found := _JOB.match(place)) else None,
            }
            known = {name: value for name, value in facts.items() if value is not None}
            _LOG.info("%s %s %d", scope["method"], path, status, extra={"facts": known})

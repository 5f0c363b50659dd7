"""Conditional: HEAD wherever GET is answered, and 304 for who has the answer already (RFC 9110)."""

from __future__ import annotations

import hashlib
import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Conditional", "tag_of"]

_TAG = re.compile(r'(?:W/)?("[^"]*")')


class Conditional:
    """Answers for every route: HEAD as GET without its body, and 304 where ``If-None-Match`` names the answer's
    ``ETag``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        is_head = scope["method"] == "HEAD"
        had = ",".join(Headers(scope=scope).getlist("if-none-match"))

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                is_known = message["status"] in (200, 206) and _names(had, Headers(raw=message["headers"]).get("etag"))
                if is_known:
                    about = [(name, value) for name, value in message["headers"] if not name.startswith(b"content-")]
                    message = {**message, "status": 304, "headers": about}
                if is_known or is_head:
                    await send(message)
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
                    raise _Enough
            await send(message)

        asked = {**scope, "method": "GET"}
        try:
            await self._app(asked, receive, sending)
        except* _Enough:
            pass
        finally:
            # For who counts requests by their route.
            if "route" in asked:
                scope["route"] = asked["route"]


def tag_of(data: bytes) -> str:
    """The ``ETag`` of an answer's bytes."""
    return f'"{hashlib.sha256(data).hexdigest()[:16]}"'


class _Enough(Exception):
    """The client gets no more of the answer: files need not be read for it, and streams need not go on."""


def _names(had: str, tag: str | None) -> bool:
    """Whether ``If-None-Match`` names that tag. Weak ones count as others do."""
    if had.strip() == "*":
        return True
    return tag is not None and _TAG.sub(r"\1", tag) in _TAG.findall(had)

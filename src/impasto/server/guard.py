"""Guard: what every request passes before it is looked at, and what every answer carries."""

from __future__ import annotations

from collections.abc import Callable, Collection

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from impasto.errors import ImpastoError
from impasto.jobs.errors import UploadTooLarge
from impasto.server.problems import headers_of, problem

__all__ = ["Guard", "UploadLimit"]

_HEADERS = {
    b"content-security-policy": b"default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    b"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(self), microphone=(), geolocation=()",
}
_SAFE = ("GET", "HEAD", "OPTIONS")


class Guard:
    """Refuses other sites' pages and other names of this host, and sends security headers.

    A page of another site may send forms to a server on the visitor's own machine, and a name that an attacker owns
    may resolve to it (DNS rebinding): so writes must come from this very origin or from no browser, and the name
    asked for must be one of ``hosts``; empty allows every name.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app, self._hosts = app, frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(h for h in _HEADERS.items() if h[0] not in there)]
            await send(message)

        named = headers.get(b"host", b"").decode("latin-1")
        host = named.rpartition(":")[0] or named
        if self._hosts and host.lower() not in self._hosts:
            answer = problem(421, "wrong_host", f"this server is not called {host[:80]!r}; start it with --host-name")
            await answer(scope, receive, sending)
            return
        site = headers.get(b"sec-fetch-site", b"none")
        if scope["method"] not in _SAFE and site not in (b"none", b"same-origin"):
            answer = problem(403, "forbidden", "another site's page asked for this; use the studio or the API itself")
            await answer(scope, receive, sending)
            return
        await self._app(scope, receive, sending)


def _refused(_: str, error: ImpastoError) -> Response:
    return problem(error.status, error.code, str(error), headers_of(error))


class UploadLimit:
    """Counts a request's bytes while they arrive, and answers 413 at the first one too many.

    ``refused`` makes that answer of the path and the error.
    """

    def __init__(self, app: ASGIApp, most: int, refused: Callable[[str, ImpastoError], Response] = _refused) -> None:
        self._app, self._most, self._refused = app, most, refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _SAFE:
            await self._app(scope, receive, send)
            return
        arrived = 0

        def refused() -> UploadTooLarge:
            return UploadTooLarge(
                f"the upload is larger than the {self._most / 1e6:.0f} MB that are allowed; send smaller pictures"
            )

        async def receiving() -> Message:
            nonlocal arrived
            message = await receive()
            arrived += len(message.get("body", b""))
            if arrived > self._most:
                raise refused()
            return message

        told = dict(scope["headers"]).get(b"content-length", b"0")
        if told.isdigit() and int(told) > self._most:
            await self._refused(scope["path"], refused())(scope, receive, send)
            return
        await self._app(scope, receiving, send)

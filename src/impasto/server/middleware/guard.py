"""Guard: checks requests before they are handled, and adds security headers to answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from impasto.errors import ImpastoError
from impasto.jobs.errors import JobError, UploadTooLarge, UploadTooSlow
from impasto.server.client_limits import ClientLimits
from impasto.server.middleware.allowed_hosts import AllowedHosts, same_origin
from impasto.server.middleware.root_path import path_below_root
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
_PROBES = ("/healthz", "/readyz", "/ping")
"""What only asks how the server is: probes call it by the address of its container, or by no name at all."""


class Guard:
    """Refuses other sites' pages and other names of this host, and sends security headers.

    A page of another site may send forms to a server on the visitor's own machine or network, and a name that an
    attacker owns may resolve to it (DNS rebinding): so writes must come from this very origin or from no browser, and
    the name asked for must be one of ``hosts``; None allows every name.
    """

    def __init__(self, app: ASGIApp, hosts: AllowedHosts | None) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(h for h in _HEADERS.items() if h[0] not in there)]
            await send(message)

        host = headers.get(b"host", "")
        if self._hosts is not None and host not in self._hosts and path_below_root(scope) not in _PROBES:
            answer = problem(421, "wrong_host", f"this server is not called {host[:80]!r}; start it with --host-name")
            await answer(scope, receive, sending)
            return
        if scope["method"] not in _SAFE and _is_foreign(headers, scope["scheme"]):
            answer = problem(403, "forbidden", "another site's page asked for this; use the studio or the API itself")
            await answer(scope, receive, sending)
            return
        try:
            await self._app(scope, receive, sending)
        except ClientDisconnect:
            # It left in the middle of its upload: there is nobody to answer, and nothing has failed here.
            return


def _is_foreign(headers: dict[bytes, str], scheme: str) -> bool:
    """Whether a browser says that another site's page asks."""
    site = headers.get(b"sec-fetch-site", "none")
    if site != "none":
        # The browser's own word, which stands where a proxy asked for another name than the page did.
        return site != "same-origin"
    # Over plain http, browsers say that of this machine alone; Origin they send always.
    origin = headers.get(b"origin")
    return origin is not None and not same_origin(origin, scheme, headers.get(b"host", ""))


def _problem_response(_: str, error: ImpastoError) -> Response:
    return problem(error.status, error.code, str(error), headers_of(error))


class UploadLimit:
    """Counts a request's bytes while they arrive, and answers 413 at the first one too many, 408 where they are too
    slow.

    ``refused`` makes that answer of the path and the error.
    """

    def __init__(
        self,
        app: ASGIApp,
        most: int,
        clients: ClientLimits,
        refused: Callable[[str, ImpastoError], Response] = _problem_response,
    ) -> None:
        self._app, self._most, self._clients, self._refused = app, most, clients, refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _SAFE:
            await self._app(scope, receive, send)
            return
        arrived, waited, is_whole = 0, 0.0, False
        loop = asyncio.get_running_loop()

        async def receiving() -> Message:
            nonlocal arrived, waited, is_whole
            if is_whole:
                # It is waited for the client to leave.
                return await receive()
            began = loop.time()
            try:
                # Our own time, between two calls, is not the client's.
                async with asyncio.timeout(self._clients.body_seconds(arrived) - waited):
                    message = await receive()
            except TimeoutError:
                raise self._too_slow() from None
            waited += loop.time() - began
            arrived += len(message.get("body", b""))
            if arrived > self._most:
                raise self._too_large()
            is_whole = not message.get("more_body", False)
            return message

        told = dict(scope["headers"]).get(b"content-length", b"0")
        if told.isdigit() and int(told) > self._most:
            await self._refused(path_below_root(scope), self._too_large())(scope, receive, send)
            return
        await self._app(scope, receiving, send)

    def _too_large(self) -> JobError:
        return UploadTooLarge(
            f"the upload is larger than the {self._most / 1e6:.0f} MB that are allowed; send smaller pictures"
        )

    def _too_slow(self) -> JobError:
        return UploadTooSlow(
            f"the upload came too slowly: more than {self._clients.body_timeout:g} seconds are waited only for what "
            f"comes with {self._clients.body_rate / 1000:g} kB a second; send it again, or smaller pictures"
        )

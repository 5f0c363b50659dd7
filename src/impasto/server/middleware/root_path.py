"""RootPath: the application below a path of its host, as behind a proxy."""

from __future__ import annotations

import re

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from impasto.errors import RequestError

__all__ = ["RootPath", "address", "check_root", "path_below_root"]

_ROOT = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")


class RootPath:
    """Takes requests with the path ``root`` in front and without it: some proxies pass it on, others cut it off."""

    def __init__(self, app: ASGIApp, root: str) -> None:
        self._app, self._root = app, root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            is_whole = path == self._root or path.startswith(f"{self._root}/")
            # As ASGI has it: the path with the root in front.
            scope = {**scope, "root_path": self._root, "path": path if is_whole else self._root + path}
        await self._app(scope, receive, send)


def check_root(root: str) -> str:
    """``root`` without a slash at its end; raises :class:`RequestError` for what is not a path."""
    plain = root.rstrip("/")
    if not _ROOT.fullmatch(plain):
        raise RequestError(f"the root path is {root[:80]!r}; give a path such as /impasto")
    return plain


def path_below_root(scope: Scope) -> str:
    """The path that is asked for, without the root."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def address(request: Request, path: str) -> str:
    """What a client asks for to get at ``path``."""
    return f"{request.scope.get('root_path', '')}{path}"

"""Compat: what the doors of other programs share."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from impasto.errors import UnknownStyle
from impasto.jobs.records.job import EVERYONE
from impasto.jobs.service import Jobs
from impasto.server.auth import owner_of
from impasto.server.compat.docs_page import HEADING
from impasto.server.compat.pending_files import PendingFiles
from impasto.server.compat.storage import Storage
from impasto.server.compat.style_names import ChosenStyle, choose_style
from impasto.server.dependencies import jobs_of
from impasto.server.routes import studio

__all__ = ["STAND_IN", "Compat", "compat_of", "has_style", "welcome"]

STAND_IN = "Impasto-Stand-In"
"""The header that names the style which was painted in place of one that is not here."""
_LOG = logging.getLogger("impasto.server")


class Compat:
    """The storage with what is promised to be in it."""

    def __init__(self, jobs: Jobs, *, storage: Path, pending_files: Path, size: int | None = None) -> None:
        """``storage`` is the folder that clients look into, ``pending_files`` one of the server's own; ``size`` is the
        longest side of what clients are sent, in pixels, or None for what suits each door. Raises
        :class:`OutputError` where one cannot be made."""
        self._jobs, self._size = jobs, size
        self.storage = Storage(storage)
        self.pending_files = PendingFiles(jobs, self.storage, pending_files)
        self._logged: set[ChosenStyle] = set()

    def start(self) -> None:
        """After the jobs."""
        self.pending_files.start()

    def stop(self) -> None:
        """Before the jobs."""
        self.pending_files.stop()

    def fitting(self, content: bytes, owner: str, usual: int | None = None) -> dict[str, object]:
        """The settings by which no side of the pastiche is longer than clients are sent, or than ``usual`` where
        nothing else was said; none for a photograph that fits. Raises as :meth:`Jobs.size_of`."""
        longest = usual if self._size is None else self._size
        if longest is None or max(self._jobs.size_of(content, owner)) <= longest:
            return {}
        # Painted at that size, too: what is not sent need not be painted.
        return {"size": longest, "resize": longest}

    def log_stand_ins(self, painted: Iterable[ChosenStyle]) -> None:
        """Tell the log about stand-ins, once about each."""
        for one in painted:
            if one.stand_in and one not in self._logged:
                self._logged.add(one)
                _LOG.warning("there is no style %s here: %s stands in for it", one.model, one.style)


def compat_of(request: Request) -> Compat:
    """What the application was made with."""
    compat: Compat = request.app.state.compat
    return compat


async def has_style(request: Request, name: str) -> bool:
    """Whether who asks has a style of that name; a stranger has those of this machine."""
    try:
        owner = await owner_of(request)
    except HTTPException:
        owner = EVERYONE
    gallery = jobs_of(request).gallery(owner)
    try:
        await run_in_threadpool(choose_style, gallery, name)
    except UnknownStyle:
        return False
    return True


welcome = APIRouter(tags=HEADING)

_VARY = {"Vary": "Accept, Sec-Fetch-Mode"}


@welcome.get("/", summary="A greeting", response_class=Response)
def greet(request: Request) -> Response:
    """For programs; browsers have the studio."""
    # The studio's own worker fetches the page as well, and does not say that it takes HTML.
    is_browser = "text/html" in request.headers.get("accept", "") or "sec-fetch-mode" in request.headers
    if not is_browser:
        return JSONResponse({"message": "Welcome to Impasto. GET /models lists what it paints."}, headers=_VARY)
    page = studio.page()
    page.headers.update(_VARY)
    return page

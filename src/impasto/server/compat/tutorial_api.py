"""Painting: the door of the tutorial's server, one style at once and the others in the background."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from impasto.errors import ImpastoError, UnknownStyle
from impasto.jobs.order import Order
from impasto.jobs.workers.pool import Cancel
from impasto.server.auth import owner_of
from impasto.server.compat.compat import STAND_IN, compat_of, has_style
from impasto.server.compat.docs_page import DETAILED, HEADING, files_of
from impasto.server.compat.error_formats import Detailed, DetailedLast, missing_field_error
from impasto.server.compat.form_fields import fields
from impasto.server.compat.pending_files import PendingJob
from impasto.server.compat.style_names import choose_style, other_models
from impasto.server.dependencies import jobs_of
from impasto.server.problems import allowed, problem
from impasto.server.routes.stylize import unless_gone

__all__ = ["last", "router"]

router = APIRouter(route_class=Detailed, tags=HEADING, responses=DETAILED)
last = APIRouter(route_class=DetailedLast, tags=HEADING, responses=DETAILED)
"""Behind the routes of all other rooms, for it takes every name that none of them has."""

Owner = Annotated[str, Depends(owner_of)]

_FOLDER = "/storage"
_LAST = 9
"""The priority of what is painted in the background."""


@router.get(
    f"{_FOLDER}/{{name}}",
    summary="A picture of the storage",
    response_class=Response,
    responses={200: {"description": "The pastiche", "content": {"image/jpeg": {}}}},
)
def stored(request: Request, name: str, owner: Owner) -> Response:
    """``UUID.jpg``, which is there with the answer, or ``UUID_candy.jpg`` ..., which follow; 404 until then."""
    compat = compat_of(request)
    id = compat.storage.id_of(name)
    path = compat.storage.find(name) if id is not None and compat.pending_files.owner(id) == owner else None
    if path is None:
        raise HTTPException(404, f"there is no picture {name[:80]!r}, not yet or not any more")
    return FileResponse(path, media_type="image/jpeg")


@last.post(
    "/{style}",
    summary="One style at once, the other eight in the background",
    openapi_extra=files_of({"file": "The photograph."}),
)
async def paint(request: Request, style: str, owner: Owner) -> Response:
    """As the tutorial on FastAPI and Streamlit has it: ``name`` is where the picture lies in the storage. A style is
    what its client calls it, such as ``starry night`` and ``composition 6``, or any name of the gallery."""
    jobs, compat = jobs_of(request), compat_of(request)
    await run_in_threadpool(jobs.check_line, owner)
    await run_in_threadpool(jobs.check_room, owner)
    # Whoever is told of a mistake before all has been read may not hear it.
    content = (await fields(request, jobs.limits, ("file",))).get("file")
    try:
        one = await run_in_threadpool(lambda: choose_style(jobs.gallery(owner), style))
    except UnknownStyle:
        if methods := allowed(request):
            return _not_allowed(methods)
        raise
    if content is None:
        raise missing_field_error("file")
    began, cancel = time.monotonic(), Cancel()
    settings = {"format": "jpeg"} | await run_in_threadpool(compat.fitting, content, owner)
    order = _order("stylize", content, [one.style], settings)
    painted = await unless_gone(request, run_in_threadpool(jobs.paint, order, owner, cancel), cancel)

    def promised() -> str:
        rest, id = other_models(jobs.gallery(owner), one.model), str(uuid.uuid4())
        compat.log_stand_ins([one, *rest])
        first, files = f"{id}.jpg", tuple(f"{id}_{other.model}.jpg" for other in rest)
        grid = _order("grid", content, [other.style for other in rest], settings, id)
        with compat.pending_files.promised(PendingJob(id, owner, first, files)):
            jobs.submit(grid, owner, counts=False)
            try:
                compat.storage.put(first, painted.data)
            except ImpastoError:
                with suppress(ImpastoError):
                    jobs.delete(owner, id)
                raise
        return f"{_FOLDER}/{first}"

    name = await run_in_threadpool(promised)
    headers = {"Impasto-Model": painted.model} | ({STAND_IN: one.style} if one.stand_in else {})
    return JSONResponse({"name": name, "time": time.monotonic() - began}, headers=headers)


@last.api_route("/{style}", methods=["GET", "PUT", "PATCH", "DELETE", "OPTIONS"], include_in_schema=False)
async def other(request: Request, style: str) -> Response:
    """Whoever asks otherwise than by POST hears whether there is such a style, or such a path elsewhere."""
    if methods := allowed(request):
        return _not_allowed(methods)
    if await has_style(request, style):
        raise HTTPException(405, "Method Not Allowed", {"Allow": "POST"})
    raise HTTPException(404, "Not Found")


def _not_allowed(methods: list[str]) -> Response:
    """The answer of a path that is another room's."""
    return problem(405, "method_not_allowed", "Method Not Allowed", {"Allow": ", ".join(methods)})


def _order(
    kind: Literal["stylize", "grid"],
    content: bytes,
    styles: list[str],
    settings: Mapping[str, object],
    id: str | None = None,
) -> Order:
    return Order(
        kind=kind,
        contents=(("file", content),),
        styles=tuple((1.0, style) for style in styles),
        settings=settings,
        priority=_LAST,
        id=id,
    )

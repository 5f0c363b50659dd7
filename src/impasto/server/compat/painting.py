"""Painting: the door of the tutorial's server, one style at once and the others in the background."""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from impasto.errors import ImpastoError
from impasto.jobs.order import Order
from impasto.jobs.pool import Cancel
from impasto.server.compat.answers import Detailed, missing
from impasto.server.compat.compat import STAND_IN, compat_of
from impasto.server.compat.fields import fields
from impasto.server.compat.names import chosen, others
from impasto.server.compat.promises import Promise
from impasto.server.keys import owner_of
from impasto.server.state import jobs_of
from impasto.server.stylizing import unless_gone

__all__ = ["router"]

router = APIRouter(route_class=Detailed, include_in_schema=False)

Owner = Annotated[str, Depends(owner_of)]

_FOLDER = "/storage"
_LAST = 9
"""The priority of what is painted in the background."""


@router.get(f"{_FOLDER}/{{name}}")
def stored(request: Request, name: str, owner: Owner) -> Response:
    compat = compat_of(request)
    id = compat.storage.id_of(name)
    path = compat.storage.find(name) if id is not None and compat.promises.owner(id) == owner else None
    if path is None:
        raise HTTPException(404, f"there is no picture {name[:80]!r}, not yet or not any more")
    return FileResponse(path, media_type="image/jpeg")


# The last of all routes, for it takes every name that no other has.
@router.post("/{style}")
async def paint(request: Request, style: str, owner: Owner) -> Response:
    jobs, compat = jobs_of(request), compat_of(request)
    await run_in_threadpool(jobs.check_line, owner)
    # Whoever is told of a mistake before all has been read may not hear it.
    content = (await fields(request, jobs.limits, ("file",))).get("file")
    one = await run_in_threadpool(lambda: chosen(jobs.gallery(owner), style))
    if content is None:
        raise missing("file")
    began, cancel = time.monotonic(), Cancel()
    order = _order("stylize", content, [one.style])
    painted = await unless_gone(request, run_in_threadpool(jobs.paint, order, owner, cancel), cancel)

    def promised() -> str:
        rest, id = others(jobs.gallery(owner), one.model), str(uuid.uuid4())
        compat.say([one, *rest])
        first, files = f"{id}.jpg", tuple(f"{id}_{other.model}.jpg" for other in rest)
        grid = _order("grid", content, [other.style for other in rest], id)
        with compat.promises.making(Promise(id, owner, first, files)):
            jobs.submit(grid, owner)
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


def _order(kind: Literal["stylize", "grid"], content: bytes, styles: list[str], id: str | None = None) -> Order:
    return Order(
        kind=kind,
        contents=(("file", content),),
        styles=tuple((1.0, style) for style in styles),
        settings={"format": "jpeg"},
        priority=_LAST,
        id=id,
    )

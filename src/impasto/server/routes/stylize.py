"""Stylizing: a picture in, the pastiche out, in one request."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable
from dataclasses import replace

from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from impasto.jobs.errors import TooDear
from impasto.jobs.records.error_codec import decode_error
from impasto.jobs.workers.messages import Painted
from impasto.jobs.workers.pool import Cancel
from impasto.server.auth import owner_of
from impasto.server.dependencies import jobs_of
from impasto.server.forms import form_schema, read_order
from impasto.server.middleware.root_path import address
from impasto.server.problems import PROBLEM, drop_traceback

__all__ = ["accepted", "router", "unless_gone"]

router = APIRouter(tags=["stylize"])

_MOST_WAIT = 55.0
_POLL = 0.1


@router.post(
    "/v1/stylize",
    summary="Repaint a photograph",
    openapi_extra=dict(form_schema(job=False)),
    response_class=Response,
    responses={
        200: {"description": "The pastiche", "content": {"image/*": {}}},
        202: {"description": "A job was made; Location tells where", "content": {"application/json": {}}},
        "4XX": PROBLEM,
        "5XX": PROBLEM,
    },
)
async def stylize(request: Request, owner: str = Depends(owner_of)) -> Response:
    """The engine instant answers with the picture; iterative, ``Prefer: respond-async``, and a picture that would take
    too long just now, with 202 and a job.

    ``Prefer: wait=N`` waits up to so many seconds for a job before that.
    """
    jobs = jobs_of(request)
    wait, is_async = _preferred(request)
    # Which engine is meant, only the form says; most often it is the one that answers at once.
    await run_in_threadpool(jobs.check_room if is_async else jobs.check_line, owner)
    order = await read_order(request, jobs.limits, job=False)
    if order.engine == "instant" and not is_async:
        cancel = Cancel()
        painting = run_in_threadpool(jobs.paint, order, owner, cancel, or_job=True)
        # What would not be there in time becomes a job.
        try:
            return _answer(await unless_gone(request, painting, cancel))
        except TooDear as late:
            drop_traceback(late)
    job, _ = await run_in_threadpool(jobs.submit, replace(order, kind="stylize"), owner)
    if wait and not is_async:
        deadline = asyncio.get_running_loop().time() + wait
        while not job.is_final and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(_POLL)
            job = await run_in_threadpool(jobs.get, owner, job.id)
        if job.state == "done":
            path, item = jobs.result(job)
            return FileResponse(path, media_type=item.media_type)
        if job.state == "failed" and job.error is not None:
            raise decode_error(job.error)
    return accepted(request, await run_in_threadpool(jobs.view, job))


def accepted(request: Request, view: dict[str, object], status: int = 202) -> JSONResponse:
    """The answer to who made a job."""
    return JSONResponse(view, status, {"Location": address(request, f"/v1/jobs/{view['id']}")})


def _answer(painted: Painted) -> Response:
    headers = {"Impasto-Model": painted.model, "Impasto-Seconds": f"{painted.seconds:.4f}"}
    headers["Impasto-Size"] = f"{painted.width}x{painted.height}"
    headers["Impasto-Settings"] = json.dumps(painted.settings)
    return Response(painted.data, media_type=painted.media_type, headers=headers)


def _preferred(request: Request) -> tuple[float, bool]:
    """Seconds to wait, and whether not to: RFC 7240."""
    preferred = ",".join(request.headers.getlist("prefer")).lower()
    found = re.search(r"(?:^|[,;\s])wait=(\d{1,4})(?:$|[,;\s])", preferred)
    is_async = re.search(r"(?:^|[,;\s])respond-async(?:$|[,;\s])", preferred) is not None
    return (min(float(found[1]), _MOST_WAIT) if found else 0.0), is_async


async def unless_gone(request: Request, painting: Awaitable[Painted], cancel: Cancel) -> Painted:
    """Wait for it; give it up when the client goes, as a browser does whose knob has moved on."""
    task = asyncio.ensure_future(painting)
    gone = asyncio.ensure_future(_wait_for_disconnect(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            cancel.cancel()
        return await task
    finally:
        gone.cancel()


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass

"""Jobs over HTTP."""

from __future__ import annotations

import io
import unicodedata
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import FileResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from impasto.errors import RequestError
from impasto.jobs.errors import NotReady
from impasto.jobs.order import Order
from impasto.jobs.records.job import FINAL, Job
from impasto.jobs.service import Jobs
from impasto.server.auth import owner_of
from impasto.server.dependencies import jobs_of
from impasto.server.forms import form_schema, read_order
from impasto.server.problems import PROBLEM
from impasto.server.routes.stylize import accepted

__all__ = ["disposition", "file_name", "router"]

router = APIRouter(tags=["jobs"], responses={"4XX": PROBLEM, "5XX": PROBLEM})

Owner = Annotated[str, Depends(owner_of)]
Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Chosen by who made the job, or by the server.")]
_JOB: dict[str, Any] = {"content": {"application/json": {"schema": {"type": "object"}}}}
_STATES = ("queued", "running", *sorted(FINAL))


@router.post("/v1/jobs", status_code=202, summary="Make a job", openapi_extra=dict(form_schema(job=True)))
async def make(request: Request, owner: Owner) -> Response:
    """The same content again, while its job is there, is that job."""
    jobs = jobs_of(request)
    # Who is turned away shall not have to send everything first.
    await run_in_threadpool(jobs.check_room, owner)
    order = await read_order(request, jobs.limits, job=True)
    job, _ = await run_in_threadpool(jobs.submit, order, owner)
    return accepted(request, await run_in_threadpool(_job_view, jobs, job, order))


@router.put(
    "/v1/jobs/{id}",
    summary="Make a job of that id",
    openapi_extra=dict(form_schema(job=True)),
    responses={200: {"description": "The job was there already"}, 201: {"description": "It is new", **_JOB}},
)
async def put(request: Request, id: Id, owner: Owner) -> Response:
    """201 for a new job; 200 for the same again; 409 where other content has the id."""
    jobs = jobs_of(request)
    await run_in_threadpool(jobs.check_room, owner, id)
    order = await read_order(request, jobs.limits, job=True, id=id)
    job, new = await run_in_threadpool(jobs.submit, order, owner)
    return accepted(request, await run_in_threadpool(_job_view, jobs, job, order), 201 if new else 200)


@router.get("/v1/jobs", summary="Jobs, newest first")
def listed(
    request: Request,
    owner: Owner,
    state: Annotated[list[str] | None, Query(description=f"Of these states only: {', '.join(_STATES)}.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[str | None, Query(description="The value of next in the last answer.")] = None,
) -> dict[str, Any]:
    jobs = jobs_of(request)
    if state and (unknown := sorted(set(state) - set(_STATES))):
        raise RequestError(f"there is no state {unknown[0][:80]!r}; choose from {', '.join(_STATES)}")
    found = jobs.list(owner, states=state, before=_seconds(before), limit=limit)
    following = f"{found[-1].created:.6f}" if len(found) == limit else None
    return {"jobs": [jobs.view(job) for job in found], "next": following}


@router.get("/v1/jobs/{id}", summary="One job")
def one(request: Request, id: Id, owner: Owner) -> dict[str, Any]:
    jobs = jobs_of(request)
    return jobs.view(jobs.get(owner, id))


@router.get(
    "/v1/jobs/{id}/result",
    summary="The pastiche; of several a zip",
    response_class=Response,
    responses={200: {"description": "A picture, or a zip", "content": {"image/*": {}, "application/zip": {}}}},
)
def result(request: Request, id: Id, owner: Owner) -> Response:
    jobs = jobs_of(request)
    job = jobs.get(owner, id)
    if len(job.items) == 1:
        return _picture(jobs, job, 0)
    done = [item.index for item in job.items if item.result]
    if not done:
        raise NotReady(f"nothing of job {id} is done yet; ask again when it is")
    for index in done:
        # What is lost is told before anything is sent.
        jobs.result(job, index)
    headers = {"Content-Disposition": disposition("attachment", f"{id}.zip")}
    return StreamingResponse(_stream_zip(jobs, job), media_type="application/zip", headers=headers)


@router.get(
    "/v1/jobs/{id}/result/{index}",
    summary="One pastiche of several",
    response_class=Response,
    responses={200: {"description": "A picture", "content": {"image/*": {}}}},
)
def part(request: Request, id: Id, index: Annotated[int, Path(ge=0, le=9999)], owner: Owner) -> Response:
    jobs = jobs_of(request)
    return _picture(jobs, jobs.get(owner, id), index)


@router.get(
    "/v1/jobs/{id}/preview",
    summary="The preview of a running job",
    response_class=Response,
    responses={200: {"description": "The latest preview", "content": {"image/jpeg": {}}}},
)
def preview(request: Request, id: Id, owner: Owner) -> Response:
    jobs = jobs_of(request)
    job = jobs.get(owner, id)
    data = jobs.preview(owner, id)
    if data is None:
        raise NotReady(f"job {id} is {job.state} and has no preview; ask again while it runs")
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


@router.get("/v1/jobs/{id}/trace", summary="Losses by step")
def trace(request: Request, id: Id, owner: Owner) -> dict[str, Any]:
    return {"steps": jobs_of(request).trace(owner, id)}


@router.post("/v1/jobs/{id}/cancel", summary="Cancel a job")
def cancel(request: Request, id: Id, owner: Owner) -> dict[str, Any]:
    jobs = jobs_of(request)
    return jobs.view(jobs.cancel(owner, id))


@router.post("/v1/jobs/{id}/keep", summary="Stop here, with the best so far")
def keep(request: Request, id: Id, owner: Owner) -> dict[str, Any]:
    jobs = jobs_of(request)
    return jobs.view(jobs.keep(owner, id))


@router.post("/v1/jobs/{id}/retry", summary="Queue a failed or cancelled job again")
def retry(request: Request, id: Id, owner: Owner) -> dict[str, Any]:
    jobs = jobs_of(request)
    return jobs.view(jobs.retry(owner, id))


@router.delete("/v1/jobs/{id}", status_code=204, summary="Remove a job and its bytes")
def delete(request: Request, id: Id, owner: Owner) -> None:
    jobs_of(request).delete(owner, id)


def _job_view(jobs: Jobs, job: Job, order: Order) -> dict[str, Any]:
    """The job, and which of the files that were sent now it does without: it may be there already, and name others."""
    view = jobs.view(job)
    sent = [{"name": name, "message": why} for name, why in order.left_out]
    return view | {"left_out": sent + [left for left in view["left_out"] if left not in sent]}


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = float(text)
        datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise RequestError(f"before is {text[:80]!r}; give the value of next in the last answer") from error
    return seconds


def _picture(jobs: Jobs, job: Job, index: int) -> Response:
    path, item = jobs.result(job, index)
    headers = {"ETag": f'"{item.result}"', "Cache-Control": "private, max-age=86400, immutable"}
    headers["Content-Disposition"] = disposition("inline", file_name(item.name, item.media_type))
    return FileResponse(path, media_type=item.media_type, headers=headers)


def _stream_zip(jobs: Jobs, job: Job) -> Iterator[bytes]:
    """A zip of all that is done, written while it is read: stored, for pictures do not shrink."""
    buffer = _Tail()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for item in job.items:
            if item.result is None:
                continue
            path, _ = jobs.result(job, item.index)
            name = f"{item.index + 1:03}-{file_name(item.name, item.media_type)}"
            archive.writestr(name, path.read_bytes())
            yield buffer.taken()
    yield buffer.taken()


class _Tail(io.RawIOBase):
    """What was written since it was last taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        found, self._parts = b"".join(self._parts), []
        return found


_SUFFIXES = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/tiff": "tiff", "image/avif": "avif"}
_RESERVED = frozenset('<>:"/\\|?*%')
# Without them, words of Persian and of Indic scripts are other ones.
_JOINERS = ("\u200c", "\u200d")
_LONGEST = 180
"""Bytes of a name: with a number in front and a suffix, every file system takes that."""


def file_name(name: str, media_type: str | None) -> str:
    """What a photograph's pastiche of that type is called: as the photograph, with what no file system takes
    replaced."""
    stem = unicodedata.normalize("NFC", name.rpartition(".")[0] or name)
    plain = "".join(c if (c.isprintable() or c in _JOINERS) and c not in _RESERVED else "-" for c in stem)
    short = plain.encode("utf-8", "replace")[:_LONGEST].decode("utf-8", "ignore").strip(" .")
    return f"{short or 'picture'}.{_SUFFIXES.get(media_type or '', 'bin')}"


def disposition(kind: str, name: str) -> str:
    """``Content-Disposition`` of a file of that name, ``inline`` or ``attachment`` (RFC 6266)."""
    plain = unicodedata.normalize("NFD", name).encode("ascii", "ignore").decode()
    if plain == name:
        return f'{kind}; filename="{name}"'
    # Old clients read the first alone.
    stem, _, suffix = plain.rpartition(".")
    return f"{kind}; filename=\"{stem.strip() or 'picture'}.{suffix}\"; filename*=UTF-8''{quote(name, safe='')}"

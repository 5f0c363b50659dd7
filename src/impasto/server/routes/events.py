"""Events: one stream of server-sent events for all of a browser's jobs."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from impasto.errors import ImpastoError
from impasto.jobs.progress_hub import Message
from impasto.jobs.service import Jobs
from impasto.server.auth import owner_of
from impasto.server.dependencies import jobs_of
from impasto.server.problems import PROBLEM

__all__ = ["router"]

router = APIRouter(tags=["events"])

_LOG = logging.getLogger("impasto.server")
_BEAT = 15.0
"""Seconds of silence after which a comment is sent: proxies close what is silent, and it shows who is gone."""
_WAITING = 500
"""Messages that may wait for a slow reader; beyond, progress is dropped, for it is soon out of date anyway."""


@router.get(
    "/v1/events",
    summary="What happens to jobs, as it happens",
    response_class=StreamingResponse,
    responses={200: {"description": "Server-sent events", "content": {"text/event-stream": {}}}, "4XX": PROBLEM},
)
async def events(
    request: Request,
    owner: Annotated[str, Depends(owner_of)],
    last_event_id: Annotated[str | None, Header()] = None,
    after: Annotated[int | None, Query(ge=0, le=2**62, description="Replay what came after this number.")] = None,
) -> StreamingResponse:
    """``job`` events carry a job and a number, after which a reader that lost the stream goes on; ``progress`` events
    carry how far a running one is, and are not repeated."""
    jobs = jobs_of(request)
    since = after
    if last_event_id is not None and last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 19:
        since = int(last_event_id)
    # Where the ledger is away, that is an answer of its own, and no stream that breaks off.
    last = await run_in_threadpool(jobs.last_event, owner)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    stream = _stream(jobs, owner, _first_event(since, last), request.app.state.closing)
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


def _first_event(since: int | None, last: int) -> int:
    """The number of the event after which a reader that asks for what came ``since`` goes on."""
    if since is None:
        return last
    # A number that was never given is of another ledger, as where this one was put back: then all is told again.
    return since if since <= last else 0


async def _stream(jobs: Jobs, owner: str, seen: int, closing: asyncio.Event) -> AsyncIterator[str]:
    """What came after the event number ``seen``, and then what comes."""
    loop, queue = asyncio.get_running_loop(), asyncio.Queue[Message | None]()

    async def close() -> None:
        await closing.wait()
        queue.put_nowait(None)

    def put(message: Message) -> None:
        if message["event"] == "job" or queue.qsize() < _WAITING:
            queue.put_nowait(message)

    def listener(whose: str, message: Message) -> None:
        if whose == owner:
            loop.call_soon_threadsafe(put, message)

    # First listen, then look back: what happens between is heard twice rather than never.
    end = await run_in_threadpool(jobs.listen, owner, listener)
    closed = asyncio.ensure_future(close())
    try:
        yield _text("hello", None, {"last": seen})
        while missed := await run_in_threadpool(jobs.messages, owner, seen):
            for event in missed:
                yield _text("job", event["id"], event["data"])
                seen = event["id"]
        while not closing.is_set():
            try:
                async with asyncio.timeout(_BEAT):
                    message = await queue.get()
            except TimeoutError:
                yield ": still here\n\n"
                continue
            if message is None:
                return
            number = message["id"]
            if number is None or number > seen:
                seen = max(seen, number or 0)
                yield _text(message["event"], number, message["data"])
    except ImpastoError as error:
        # The reader comes back for what it missed.
        _LOG.warning("a stream of events is broken off: %s", error)
    finally:
        closed.cancel()
        end()


def _text(event: str, number: int | None, data: Mapping[str, Any]) -> str:
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {event}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"

"""A picture that would not be there in time, asked for at the door of instant answers, becomes a job."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import httpx
from fastapi import FastAPI

from impasto.jobs.errors import QueueFull, TooDear
from impasto.jobs.limits import Limits
from impasto.server.auth import Keys
from impasto.server.problems import add_handlers
from impasto.server.routes.stylize import router


class Jobs:
    """Too busy for anything but a job."""

    limits = Limits()

    def __init__(self, error: Exception) -> None:
        self._error, self.submitted = error, list[Any]()

    def check_line(self, owner: str) -> None:
        """There is a place; the picture is what is too much."""

    def paint(self, order: object, owner: str, cancel: object, *, or_job: bool = False) -> None:
        assert or_job
        raise self._error

    def submit(self, order: Any, owner: str) -> tuple[object, bool]:
        self.submitted.append(order)
        return SimpleNamespace(is_final=False), True

    def view(self, job: object) -> dict[str, object]:
        return {"id": "one", "state": "queued"}


def asked(jobs: Jobs) -> httpx.Response:
    app = FastAPI()
    app.state.jobs, app.state.keys = jobs, Keys()
    add_handlers(app)
    app.include_router(router)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            files = {"content": ("a.png", b"photo")}
            return await client.post("/v1/stylize", files=files, data={"style": "starry-night"})

    return asyncio.run(ask())


def test_what_is_too_dear_for_an_answer_becomes_a_job() -> None:
    late = TooDear("12.0 megapixels take about 90 seconds")
    jobs = Jobs(late)
    answer = asked(jobs)
    assert (answer.status_code, answer.headers["location"]) == (202, "/v1/jobs/one")
    assert [order.kind for order in jobs.submitted] == ["stylize"]
    # It holds on to nothing that was sent.
    assert late.__traceback__ is None


def test_a_full_line_makes_no_job() -> None:
    jobs = Jobs(QueueFull("32 requests wait already", 2))
    answer = asked(jobs)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
    assert jobs.submitted == []

"""Facts: what the server is and has, and how it is doing."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.concurrency import run_in_threadpool

from impasto.models import models as found_models
from impasto.request import options
from impasto.server.keys import COOKIE, owner_of
from impasto.server.problems import PROBLEM, problem
from impasto.server.state import jobs_of

__all__ = ["router"]

router = APIRouter(tags=["server"], responses={"4XX": PROBLEM, "5XX": PROBLEM})


@router.get("/v1/options", summary="Every setting, with its default and bounds")
def settings() -> dict[str, Any]:
    return {"options": [asdict(option) | {"type": option.type.__name__} for option in options()]}


@router.get("/v1/models", summary="The models that are here", dependencies=[Depends(owner_of)])
def models() -> dict[str, Any]:
    return {"models": [{"name": m.identity, "kind": m.kind} for m in found_models()]}


@router.get("/v1/status", summary="Workers, queue and version", dependencies=[Depends(owner_of)])
def status(request: Request) -> dict[str, Any]:
    jobs = jobs_of(request)
    return {"version": version("impasto"), "ready": jobs.ready(), **jobs.status(), **models()}


@router.get("/healthz", summary="Whether the server answers", response_class=PlainTextResponse)
async def healthz() -> str:
    return "ok\n"


@router.get("/readyz", summary="Whether it can paint and store", response_class=Response)
async def readyz(request: Request) -> Response:
    jobs = jobs_of(request)
    if not jobs.ready():
        return problem(503, "not_ready", "no worker has its model warm yet, or the server is stopping; ask again soon")
    await run_in_threadpool(jobs.writable)
    return PlainTextResponse("ready\n")


@router.post(
    "/v1/session",
    status_code=204,
    summary="Keep the key in a cookie, for pages that cannot send headers",
    dependencies=[Depends(owner_of)],
)
def begin(request: Request) -> Response:
    key = request.headers.get("authorization", "").partition(" ")[2].strip()
    answer = Response(status_code=204)
    if key:
        secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, key, httponly=True, samesite="strict", secure=secure, max_age=30 * 86400)
    return answer


@router.delete("/v1/session", status_code=204, summary="Forget the key")
def end() -> Response:
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer

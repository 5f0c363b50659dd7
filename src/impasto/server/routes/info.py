"""Information about the server, and its state."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import PlainTextResponse, Response

from impasto.errors import ModelError
from impasto.models import Model, find
from impasto.plugins import plugin_names
from impasto.request import Option, options
from impasto.server.auth import COOKIE, owner_of
from impasto.server.dependencies import jobs_of
from impasto.server.health import Health
from impasto.server.problems import PROBLEM, problem

__all__ = ["router"]

router = APIRouter(tags=["server"], responses={"4XX": PROBLEM, "5XX": PROBLEM})

Owner = Annotated[str, Depends(owner_of)]
_NOT_READY = "no worker is warm yet, the server is stopping, or another server holds its database; ask again soon"


@router.get("/v1/options", summary="Every setting, with its default and bounds")
def settings() -> dict[str, Any]:
    """``plugins`` are the names that may be given beside ours, of packages that are installed here."""
    return {"options": [_told(option) for option in options()]}


@router.get("/v1/models", summary="The models that are here")
def models(request: Request, owner: Owner) -> dict[str, Any]:
    """``active`` is the version that a name without one means."""
    return {"models": [_facts(model) for model in jobs_of(request).models(owner)]}


@router.get("/v1/status", summary="Workers, queue and version")
def status(request: Request, owner: Owner) -> dict[str, Any]:
    jobs = jobs_of(request)
    return {"version": version("impasto"), "ready": jobs.ready(), **jobs.status(), **models(request, owner)}


@router.get("/healthz", summary="Whether the server answers", response_class=PlainTextResponse)
async def healthz() -> str:
    return "ok\n"


@router.get("/readyz", summary="Whether it can paint and store", response_class=Response)
async def readyz(request: Request) -> Response:
    jobs = jobs_of(request)
    if not jobs.ready():
        return problem(503, "not_ready", _NOT_READY)
    health: Health = request.app.state.health
    if await health.ask() is None:
        return problem(503, "not_ready", "jobs cannot be read and stored just now; ask again soon")
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


def _told(option: Option) -> dict[str, Any]:
    brought = () if option.plugins is None else plugin_names(option.plugins)
    return asdict(option) | {"type": option.type.__name__, "plugins": brought}


def _facts(model: Model) -> dict[str, Any]:
    active = False
    # It may be removed just now.
    with suppress(ModelError):
        active = find(model.name).version == model.version
    return {
        "name": model.name,
        "version": model.version,
        "kind": model.kind,
        "licence": model.licence,
        "active": active,
    }

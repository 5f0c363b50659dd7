"""TorchServe: its inference and management doors, for front ends that were written for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from impasto.errors import RequestError, UnknownStyle
from impasto.jobs.order import Order
from impasto.jobs.records.error_codec import decode_error
from impasto.jobs.service import Jobs
from impasto.jobs.workers.pool import Cancel
from impasto.models import models
from impasto.server.auth import owner_of
from impasto.server.compat.compat import STAND_IN, compat_of, has_style
from impasto.server.compat.docs_page import HEADING, MODELLED, file_of, files_of
from impasto.server.compat.error_formats import Modelled, ModelledLast, torchserve_json
from impasto.server.compat.form_fields import BODY, fields
from impasto.server.compat.style_names import all_names, choose_style
from impasto.server.dependencies import jobs_of
from impasto.server.routes.stylize import unless_gone

__all__ = ["last", "router"]

router = APIRouter(route_class=Modelled, tags=HEADING, responses=MODELLED)
last = APIRouter(route_class=ModelledLast, include_in_schema=False)
"""For methods that those do not take."""

Owner = Annotated[str, Depends(owner_of)]

# What the Flask front end's model is called. It optimises the picture, as iterative does; but whoever waits for an
# answer is better served at once.
_ALIASES = {"nst": "instant"}
_ENGINES = ("instant", "iterative")
_ALLOW = "POST, PUT"
_PHOTO_HELP = "The photograph; for a style's name, data does as well."
_STYLE_HELP = "The painting, for nst, instant and iterative."
_PNG: dict[int | str, dict[str, Any]] = {200: {"description": "The pastiche", "content": {"image/png": {}}}}
_PAIR = ("content", "style")
_ALONE = ("data", BODY, "content")
_MOST_WAIT = 120.0
"""Seconds that TorchServe lets a model take, unless it is told otherwise."""
_LONGEST = 512
"""Pixels of a side of the answer: the front end's page has it in a text, and beside it no room for a larger one."""
_POLL = 0.1
_PAGE = 100


@router.get("/ping", summary="Whether it can paint")
@router.post("/ping", summary="Whether it can paint, as the Flask front end asks")
def ping(request: Request) -> Response:
    """``Healthy`` or ``Unhealthy`` as ``status``."""
    # 200 also where it is not, as TorchServe has it; /readyz tells the two apart.
    return torchserve_json({"status": "Healthy" if jobs_of(request).ready() else "Unhealthy"})


@router.get("/models", summary="Every name, and what is painted for it")
def listed(request: Request, owner: Owner, limit: str = "", next_page_token: str = "") -> Response:
    """At most 100 at once, as TorchServe's management API lists its models."""
    urls = _urls(jobs_of(request), owner)
    names, first = sorted(urls), _whole(next_page_token, 0)
    last = first + min(_whole(limit, _PAGE), _PAGE)
    found = [{"modelName": name, "modelUrl": urls[name]} for name in names[first:last]]
    return torchserve_json(({"nextPageToken": str(last)} if last < len(names) else {}) | {"models": found})


@router.post(
    "/predictions/{model}",
    summary="A pastiche by an engine or in a style",
    openapi_extra=files_of({"content": _PHOTO_HELP, "style": _STYLE_HELP}, required=["content"]),
    response_class=Response,
    responses=_PNG,
)
@router.put(
    "/predictions/{model}",
    summary="The same for a style, the photograph being the whole body",
    openapi_extra=file_of("The photograph."),
    response_class=Response,
    responses=_PNG,
)
@router.api_route("/predictions/{model}/{version}", methods=["POST", "PUT"], include_in_schema=False)
async def predict(request: Request, model: str, owner: Owner) -> Response:
    """As TorchServe does it: ``nst`` and ``instant`` take ``content`` and ``style``, ``iterative`` does, too, and waits
    two minutes for its job; a style's name takes one picture. There is one version of each, whatever is asked."""
    jobs, headers = jobs_of(request), {}
    engine = _ALIASES.get(model, model)
    await run_in_threadpool(jobs.check_room if engine == "iterative" else jobs.check_line, owner)
    found = await fields(request, jobs.limits, {*_PAIR, *_ALONE})
    if engine in _ENGINES:
        for name in _PAIR:
            if name not in found:
                raise RequestError(f"there is no {name}; send content and style, a picture's bytes each")
        photograph = found["content"]
        style: str | bytes = found["style"]
    else:
        try:
            one = await run_in_threadpool(lambda: choose_style(jobs.gallery(owner), model))
        except UnknownStyle:
            raise HTTPException(404, f"Model not found: {model[:80]}") from None
        compat_of(request).log_stand_ins([one])
        alone = next((found[name] for name in _ALONE if name in found), None)
        if alone is None:
            raise RequestError("there is no picture; send its bytes as data, or as the whole body")
        photograph, style, engine = alone, one.style, "instant"
        headers = {STAND_IN: one.style} if one.stand_in else {}
    fitting = await run_in_threadpool(compat_of(request).fitting, photograph, owner, _LONGEST)
    order = _order(photograph, style, {"engine": engine, "format": "png"} | fitting)
    data, identity = await (
        _optimised(jobs, order, owner) if engine == "iterative" else _painted(request, order, owner)
    )
    return Response(data, media_type="image/png", headers={"Impasto-Model": identity} | headers)


@last.api_route("/predictions/{model}", methods=["GET", "PATCH", "DELETE", "OPTIONS"])
@last.api_route("/predictions/{model}/{version}", methods=["GET", "PATCH", "DELETE", "OPTIONS"])
async def other(request: Request, model: str) -> Response:
    """Whoever asks otherwise hears whether there is such a model."""
    if _ALIASES.get(model, model) in _ENGINES or await has_style(request, model):
        raise HTTPException(405, "Requested method is not allowed, please refer to API document.", {"Allow": _ALLOW})
    raise HTTPException(404, f"Model not found: {model[:80]}")


async def _painted(request: Request, order: Order, owner: str) -> tuple[bytes, str]:
    cancel = Cancel()
    paint = run_in_threadpool(jobs_of(request).paint, order, owner, cancel)
    painted = await unless_gone(request, paint, cancel)
    return painted.data, painted.model


async def _optimised(jobs: Jobs, order: Order, owner: str) -> tuple[bytes, str]:
    """By a job that outlives the request: whoever waits too short finds it done when asking again."""
    job, _ = await run_in_threadpool(jobs.submit, order, owner)
    deadline = asyncio.get_running_loop().time() + _MOST_WAIT
    while not job.is_final:
        if asyncio.get_running_loop().time() > deadline:
            raise HTTPException(503, f"{_MOST_WAIT:g} seconds were not enough; ask again, or for /v1/jobs/{job.id}")
        await asyncio.sleep(_POLL)
        job = await run_in_threadpool(jobs.get, owner, job.id)
    if job.error is not None:
        raise decode_error(job.error)
    path, _ = await run_in_threadpool(jobs.result, job)
    return await run_in_threadpool(path.read_bytes), "iterative"


def _order(content: bytes, style: str | bytes, settings: Mapping[str, object]) -> Order:
    return Order(kind="stylize", contents=(("content", content),), styles=((1.0, style),), settings=settings)


def _urls(jobs: Jobs, owner: str) -> Mapping[str, str]:
    """Every name that is taken, and what is behind it: of a stand-in, the style that is painted."""
    gallery = jobs.gallery(owner)
    instant = next((model.identity for model in models() if model.name == "instant"), "instant")
    urls = {name: choose_style(gallery, name).style for name in all_names(gallery)}
    return urls | {"instant": instant, "iterative": "iterative"} | dict.fromkeys(_ALIASES, instant)


def _whole(text: str, default: int) -> int:
    # What is none is passed over there, too.
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default

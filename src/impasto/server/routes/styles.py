"""Gallery: the styles over HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from impasto.errors import UnknownStyle
from impasto.server.auth import owner_of
from impasto.server.dependencies import jobs_of
from impasto.server.forms import PICTURE, check_fields, picture, read_form, text
from impasto.server.middleware.conditional import tag_of
from impasto.server.middleware.root_path import address
from impasto.server.problems import PROBLEM
from impasto.styles import StyleCard

__all__ = ["router"]

router = APIRouter(tags=["styles"], responses={"4XX": PROBLEM, "5XX": PROBLEM})

Name = Annotated[str, Path(max_length=64)]
Owner = Annotated[str, Depends(owner_of)]

_TEXTS = {
    "title": "What the painting is called.",
    "artist": "Who painted it.",
    "date": "When.",
    "source": "Where the picture comes from.",
}
_FORM: Mapping[str, Any] = {
    "type": "object",
    "required": ["name", "picture"],
    "properties": {
        "name": {"type": "string", "description": "What the style is called: lower-case words joined by hyphens."},
        "picture": {
            "type": "array",
            "items": PICTURE,
            "minItems": 1,
            "description": "The painting, or several of one style; or one style card.",
        },
        **{name: {"type": "string", "maxLength": 300, "description": help} for name, help in _TEXTS.items()},
    },
    "additionalProperties": False,
}


@router.get("/v1/styles", summary="The gallery, boldest first")
def styles(request: Request, owner: Owner) -> dict[str, Any]:
    gallery = jobs_of(request).gallery(owner)
    own = set(gallery.own())
    return {"styles": [_facts(request, card, own) for card in gallery]}


@router.post(
    "/v1/styles",
    status_code=201,
    summary="Make a style of a painting",
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}},
)
async def add(request: Request, owner: Owner) -> Response:
    """It takes a few seconds, and is only the owner's. 409 where the name is taken."""
    jobs = jobs_of(request)
    await run_in_threadpool(jobs.check_shelf, owner)
    async with read_form(request, jobs.limits) as form:
        check_fields(form, _FORM["properties"])
        name = text(form, "name") or ""
        texts = {key: given for key in _TEXTS if (given := text(form, key))}
        pictures = await run_in_threadpool(lambda: [picture("picture", part) for part in form.getlist("picture")])
    card = await run_in_threadpool(jobs.add_style, owner, name, pictures, **texts)
    place = address(request, f"/v1/styles/{card.name}")
    return JSONResponse(_facts(request, card, {card.name}), 201, {"Location": place})


@router.get("/v1/styles/{name}", summary="One style")
def one(request: Request, name: Name, owner: Owner) -> dict[str, Any]:
    """By its name or an alias."""
    gallery = jobs_of(request).gallery(owner)
    return _facts(request, gallery.get(name), gallery.own())


@router.delete("/v1/styles/{name}", status_code=204, summary="Remove a style that you added")
def remove(request: Request, name: Name, owner: Owner) -> None:
    jobs_of(request).remove_style(owner, name)


@router.get(
    "/v1/styles/{name}/swatch",
    summary="The texture of that style alone",
    response_class=Response,
    responses={200: {"description": "A small square picture", "content": {"image/webp": {}}}},
)
def swatch(request: Request, name: Name, owner: Owner) -> Response:
    """404 where the style has none."""
    card = jobs_of(request).gallery(owner).get(name)
    if not card.swatch:
        raise UnknownStyle(f"the style {card.name} has no swatch; its thumbnail shows it on a photograph")
    return _webp(card.swatch)


@router.get(
    "/v1/styles/{name}/thumbnail",
    summary="A photograph in that style",
    response_class=Response,
    responses={200: {"description": "A small picture", "content": {"image/webp": {}}}},
)
def thumbnail(request: Request, name: Name, owner: Owner) -> Response:
    return _webp(jobs_of(request).gallery(owner).get(name).thumbnail)


def _webp(data: bytes) -> Response:
    headers = {"Cache-Control": "private, max-age=3600", "ETag": tag_of(data)}
    return Response(data, media_type="image/webp", headers=headers)


def _facts(request: Request, card: StyleCard, own: Collection[str]) -> dict[str, Any]:
    return card.facts() | {
        "own": card.name in own,
        "thumbnail": address(request, _path(card, "thumbnail", card.thumbnail)),
        "swatch": address(request, _path(card, "swatch", card.swatch)) if card.swatch else "",
    }


def _path(card: StyleCard, what: str, data: bytes) -> str:
    # Another style may have that name one day.
    return f"/v1/styles/{card.name}/{what}?v={hashlib.sha256(data).hexdigest()[:8]}"

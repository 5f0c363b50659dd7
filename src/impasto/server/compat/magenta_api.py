"""Blending: the door of the FastAPI server on Magenta's two networks, which a Flutter app calls, too."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from impasto.jobs.order import Order
from impasto.jobs.workers.pool import Cancel
from impasto.server.auth import owner_of
from impasto.server.compat.compat import compat_of
from impasto.server.compat.docs_page import DETAILED, HEADING, files_of
from impasto.server.compat.error_formats import Detailed, missing_field_error
from impasto.server.compat.form_fields import fields
from impasto.server.dependencies import jobs_of
from impasto.server.routes.stylize import unless_gone

__all__ = ["router", "without_orientation"]

router = APIRouter(route_class=Detailed, tags=HEADING, responses=DETAILED)

_SERVER = ("content_image", "style_image")
_APP = ("content_img", "style_img")
_CHUNK = 1 << 16
_RATIO_HELP = (
    "How much of the painting's style. 0 gives the photograph back, where that server paints it in its own style. "
    "Below 0 and above 1, to where that server extrapolates, is refused."
)
_SEGMENTS = 1000


@router.post(
    "/style",
    summary="Repaint one picture in the style of another",
    openapi_extra=files_of({"content_image": "The photograph.", "style_image": "The painting."}),
    response_class=Response,
    responses={200: {"description": "The pastiche, a JPEG", "content": {"image/jpg": {}}}},
)
async def blend(
    request: Request,
    owner: Annotated[str, Depends(owner_of)],
    # Of the style's code so much, of the photograph's own the rest.
    blending_ratio: Annotated[float, Query(ge=0, le=1, allow_inf_nan=False, description=_RATIO_HELP)] = 1.0,
) -> Response:
    """As the FastAPI server on Magenta's two networks does it.

    The Flutter app's fields, ``content_img`` and ``style_img``, are taken as well; what it sends is not turned as its
    EXIF says, for it turns the answer by itself."""
    jobs = jobs_of(request)
    await run_in_threadpool(jobs.check_line, owner)
    found = await fields(request, jobs.limits, (*_SERVER, *_APP))
    names = _APP if any(name in found for name in _APP) else _SERVER
    for name in names:
        if name not in found:
            raise missing_field_error(name)
    content, style = (found[name] for name in names)
    if names is _APP:
        # The app turns the answer by itself, for the program that it was written for does not turn photographs.
        content = await run_in_threadpool(without_orientation, content)
    fitting = await run_in_threadpool(compat_of(request).fitting, content, owner)
    order = Order(
        kind="stylize",
        contents=(("content", content),),
        styles=((1.0, style),),
        settings={"strength": blending_ratio, "format": "jpeg"} | fitting,
    )
    cancel = Cancel()
    painted = await unless_gone(request, run_in_threadpool(jobs.paint, order, owner, cancel), cancel)
    parts = (painted.data[at : at + _CHUNK] for at in range(0, len(painted.data), _CHUNK))
    # There is no such type, but that is what clients are told there.
    return StreamingResponse(parts, media_type="image/jpg", headers={"Impasto-Model": painted.model})


def without_orientation(data: bytes) -> bytes:
    """A JPEG without its EXIF and XMP, which say how to turn it; any other file as it is."""
    if data[:2] != b"\xff\xd8":
        return data
    kept, at = [data[:2]], 2
    for _ in range(_SEGMENTS):
        head = data[at : at + 4]
        length = int.from_bytes(head[2:])
        # Up to the pixels; or to what is broken, and is refused where it is read.
        if len(head) < 4 or head[0] != 0xFF or head[1] == 0xDA or length < 2:
            break
        if head[1] != 0xE1:
            kept.append(data[at : at + 2 + length])
        at += 2 + length
    return b"".join([*kept, data[at:]])

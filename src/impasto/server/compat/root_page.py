"""Entrance: the studio for browsers, a greeting for programs."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from impasto.server.compat.docs_page import HEADING
from impasto.server.routes import studio

__all__ = ["router"]

router = APIRouter(tags=HEADING)

_VARY = {"Vary": "Accept, Sec-Fetch-Mode"}


@router.get("/", summary="A greeting", response_class=Response)
def greet(request: Request) -> Response:
    """For programs; browsers have the studio."""
    # The studio's own worker fetches the page as well, and does not say that it takes HTML.
    is_browser = "text/html" in request.headers.get("accept", "") or "sec-fetch-mode" in request.headers
    if not is_browser:
        return JSONResponse({"message": "Welcome to Impasto. GET /models lists what it paints."}, headers=_VARY)
    page = studio.page()
    page.headers.update(_VARY)
    return page

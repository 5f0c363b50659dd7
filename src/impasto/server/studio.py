"""Studio: the page and its files, out of the package."""

from __future__ import annotations

import hashlib
import mimetypes
from functools import cache
from importlib.metadata import version
from importlib.resources import files

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_WEB = files("impasto") / "web"
_TYPES = {".webmanifest": "application/manifest+json", ".js": "text/javascript", ".json": "application/json"}


@router.get("/")
def page() -> HTMLResponse:
    return HTMLResponse(_page(), headers={"Cache-Control": "no-cache"})


@router.get("/static/{name:path}")
def static(request: Request, name: str) -> Response:
    return _file(request, name)


@router.get("/sw.js")
def worker(request: Request) -> Response:
    # At the root, so that the whole page is in its scope.
    return _file(request, "sw.js")


@router.get("/manifest.webmanifest")
def manifest(request: Request) -> Response:
    return _file(request, "manifest.webmanifest")


def _file(request: Request, name: str) -> Response:
    found = _files().get(name)
    if found is None:
        raise HTTPException(404, f"there is no file {name[:80]!r}")
    data, kind, tag = found
    headers = {"Cache-Control": "no-cache", "ETag": tag}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=kind, headers=headers)


@cache
def _page() -> str:
    from jinja2 import Template

    template = Template((_WEB / "studio.html").read_text("utf-8"), autoescape=True)
    return str(template.render(version=version("impasto")))


@cache
def _files() -> dict[str, tuple[bytes, str, str]]:
    """All there is, read once: names are looked up, never joined into paths."""
    found = {}
    folders = [("", _WEB / "static")]
    while folders:
        prefix, folder = folders.pop()
        for entry in folder.iterdir():
            if entry.is_dir():
                folders.append((f"{prefix}{entry.name}/", entry))
                continue
            suffix = "." + entry.name.rpartition(".")[2]
            data = entry.read_bytes()
            if entry.name == "sw.js":
                # Anew in every version, so that browsers take up what changed.
                data = data.replace(b"{{ version }}", version("impasto").encode())
            kind = _TYPES.get(suffix) or mimetypes.guess_type(entry.name)[0] or "application/octet-stream"
            found[f"{prefix}{entry.name}"] = (data, kind, f'"{hashlib.sha256(data).hexdigest()[:16]}"')
    return found

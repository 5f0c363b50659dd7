"""Studio: the page and its files, out of the package."""

from __future__ import annotations

import mimetypes
from functools import cache
from importlib.metadata import version
from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from impasto.server.middleware.conditional import tag_of

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_WEB = files("impasto") / "web"
_TYPES = {".webmanifest": "application/manifest+json", ".js": "text/javascript", ".json": "application/json"}


@router.get("/")
def page() -> HTMLResponse:
    text = _page()
    return HTMLResponse(text, headers={"Cache-Control": "no-cache", "ETag": tag_of(text.encode())})


@router.get("/static/{name:path}")
def static(name: str) -> Response:
    return _file(name)


@router.get("/sw.js")
def worker() -> Response:
    # At the root, so that the whole page is in its scope.
    return _file("sw.js")


@router.get("/manifest.webmanifest")
def manifest() -> Response:
    return _file("manifest.webmanifest")


def _file(name: str) -> Response:
    found = _files().get(name)
    if found is None:
        raise HTTPException(404, f"there is no file {name[:80]!r}")
    data, kind, tag = found
    return Response(data, media_type=kind, headers={"Cache-Control": "no-cache", "ETag": tag})


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
            found[f"{prefix}{entry.name}"] = (data, kind, tag_of(data))
    return found

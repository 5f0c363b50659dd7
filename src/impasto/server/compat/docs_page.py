"""Documentation: the page of all addresses, with forms to try them, and how the doors say what they take."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Template
from starlette.exceptions import HTTPException

from impasto.server.forms import PICTURE
from impasto.server.middleware.conditional import tag_of
from impasto.server.problems import PROBLEM

__all__ = ["DETAILED", "HEADING", "MODELLED", "file_of", "files_of", "router"]

router = APIRouter(include_in_schema=False)

HEADING: list[str | Enum] = ["clients of other programs"]
"""The heading under which the doors stand."""
_PAGE = files("impasto") / "web" / "docs"
_METHODS = ("get", "post", "put", "patch", "delete")


def _errors_of(**properties: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    schema = {"type": "object", "required": list(properties), "properties": properties}
    # What is refused before a route has seen it is a problem as everywhere.
    content = {"application/json": {"schema": schema}, **PROBLEM["content"]}
    return {status: {"description": "What went wrong", "content": content} for status in ("4XX", "5XX")}


DETAILED = _errors_of(detail={"description": "A sentence; of a field that is missing, a list of what is wrong."})
"""The errors of a FastAPI program."""
MODELLED = _errors_of(code={"type": "integer"}, type={"type": "string"}, message={"type": "string"})
"""The errors of TorchServe."""


def files_of(fields: Mapping[str, str], *, required: Sequence[str] | None = None) -> dict[str, Any]:
    """For a route that takes a form of files, what each of them is; all are required unless those that are, are
    named."""
    properties = {name: PICTURE | {"description": text} for name, text in fields.items()}
    schema = {
        "type": "object",
        "required": list(fields if required is None else required),
        "properties": properties,
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def file_of(text: str) -> dict[str, Any]:
    """For a route that takes one file as the whole body."""
    content = {"application/octet-stream": {"schema": PICTURE | {"description": text}}}
    return {"requestBody": {"required": True, "content": content}}


@router.get("/docs")
def page(request: Request) -> HTMLResponse:
    """Drawn here: the framework's own page has a third party's scripts, which nothing here asks for."""
    schema = request.app.openapi()
    text = _template().render(title=schema["info"]["title"], groups=_groups(schema))
    return HTMLResponse(text, headers={"Cache-Control": "no-cache", "ETag": tag_of(text.encode())})


@router.get("/docs/{name}")
def file(name: str) -> Response:
    found = _files().get(name)
    if found is None:
        raise HTTPException(404, f"there is no file {name[:80]!r}")
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Response(found, media_type=kind, headers={"Cache-Control": "no-cache", "ETag": tag_of(found)})


@cache
def _template() -> Template:
    text = (_PAGE / "docs.html").read_text("utf-8")
    template: Template = Template(text, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return template


@cache
def _files() -> dict[str, bytes]:
    """Names are looked up, never joined into paths."""
    return {entry.name: entry.read_bytes() for entry in _PAGE.iterdir() if not entry.name.endswith(".html")}


def _groups(schema: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Operations by their heading, the doors first."""
    groups: dict[str, list[dict[str, Any]]] = {str(tag): [] for tag in HEADING}
    for operation in _operations(schema):
        groups.setdefault(operation["tag"], []).append(operation)
    return groups


def _operations(schema: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for path, methods in schema["paths"].items():
        for method in _METHODS:
            if method not in methods:
                continue
            told = methods[method]
            ((kind, body),) = told.get("requestBody", {}).get("content", {"": {}}).items()
            schema_of = body.get("schema", {})
            yield {
                "method": method.upper(),
                "path": path,
                "tag": next(iter(told.get("tags", ["server"]))),
                "summary": told.get("summary", ""),
                "text": told.get("description", ""),
                "kind": kind,
                "body": schema_of.get("properties", {}) if kind == "multipart/form-data" else {},
                "file": schema_of.get("description", "The whole body.") if kind else "",
                "required": schema_of.get("required", ()),
                "parameters": told.get("parameters", ()),
            }

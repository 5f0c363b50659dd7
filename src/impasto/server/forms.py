"""Form: a multipart request read, as an :class:`Order` above all, and how the documentation describes that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager, nullcontext
from typing import Any, cast, get_args

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from impasto.errors import RequestError
from impasto.jobs.limits import Limits
from impasto.jobs.order import FILES, LeftOut, Order
from impasto.jobs.records.job import JobKind
from impasto.jobs.training_order import TEXTS, Training
from impasto.request import PRESETS, Option, options, preset_settings
from impasto.request.options import comma_hint
from impasto.server.zip_upload import unpack_uploads

__all__ = ["PICTURE", "check_fields", "form_schema", "picture", "read_form", "read_order", "text"]

_OPTIONS = {option.name: option for option in options()}
_KINDS: tuple[str, ...] = get_args(JobKind)
_JOB_FIELDS = ("kind", "priority", "name", "minutes", *TEXTS)
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off", "")
_FIELD = 1 << 20
_MINUTES = "20"
_MANY = ("batch", "train-style")
"""Kinds of jobs that may have many photographs, or a zip of them."""
_UNPACKING = asyncio.Semaphore(2)
"""Turns at the forms of those: they may take their time, and leave threads to the others."""


PICTURE = {"type": "string", "contentMediaType": "application/octet-stream"}
"""A file in the words of OpenAPI."""


async def read_order(request: Request, limits: Limits, *, job: bool, id: str | None = None) -> Order:
    """The order that a request's form holds. Raises :class:`RequestError` for what is wrong with it, and
    :class:`UploadTooLarge` for a zip that unpacks to too much."""
    async with read_form(request, limits) as form, _UNPACKING if job and form.get("kind") in _MANY else nullcontext():
        # Not in the event loop, which has to answer others: how long it takes is up to who sent it.
        return await run_in_threadpool(_order, form, limits, job=job, id=id)


@asynccontextmanager
async def read_form(request: Request, limits: Limits) -> AsyncIterator[FormData]:
    """A request's form. Raises :class:`RequestError` where it has none."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise RequestError("send multipart/form-data, with pictures as files")
    try:
        form = await request.form(max_files=2 * limits.files + 8, max_fields=limits.files + 200, max_part_size=_FIELD)
    except HTTPException as error:
        # What the framework makes of the parser's error, which names neither the field nor the way out.
        if "Part exceeded" in error.detail:
            raise RequestError(
                f"a field without a file's name is larger than {_FIELD / 1e6:.0f} MB; send pictures as files, each "
                "with a name, as curl does for -F content=@photo.jpg"
            ) from error
        raise RequestError(f"the form cannot be read: {error.detail}") from error
    try:
        yield form
    finally:
        await form.close()


def check_fields(form: FormData, known: Collection[str]) -> None:
    """Raises :class:`RequestError` for a field that nobody knows."""
    if unknown := sorted(set(form) - set(known)):
        raise RequestError(f"there is no field {unknown[0][:80]!r}; the fields are {', '.join(sorted(known))}")


def text(form: FormData, name: str) -> str | None:
    """A field that is sent once, or not at all. Raises :class:`RequestError` for any other."""
    parts = form.getlist(name)
    if len(parts) > 1:
        raise RequestError(f"{name} was sent {len(parts)} times; send it once")
    return _plain(name, parts[0]) if parts else None


def picture(name: str, part: UploadFile | str) -> bytes:
    """The bytes of a file, for a thread to read: it may lie on disk. Raises :class:`RequestError` for a text."""
    if isinstance(part, str):
        raise RequestError(f"{name} is a text; send a picture's file")
    return part.file.read()


def _order(form: FormData, limits: Limits, *, job: bool, id: str | None) -> Order:
    check_fields(form, {"content", "style", "weight", "preset", *FILES, *_OPTIONS, *(_JOB_FIELDS if job else ())})
    kind = text(form, "kind") or "stylize"
    if kind not in _KINDS:
        raise RequestError(f"kind is {kind[:80]!r}; choose one of {', '.join(_KINDS)}")
    contents = [(_name(part, n), picture("content", part)) for n, part in enumerate(form.getlist("content"), 1)]
    left_out: tuple[LeftOut, ...] = ()
    if kind in _MANY:
        contents, left_out = unpack_uploads(contents, limits)
    files = {name: picture(name, form[name]) for name in FILES if name in form}
    settings = {name: _value(_OPTIONS[name], given) for name in _OPTIONS if (given := text(form, name)) is not None}
    return Order(
        kind=cast(JobKind, kind),
        contents=tuple(contents),
        styles=_styles(form),
        files=files,
        settings=_preset(form) | {name: value for name, value in settings.items() if value is not None},
        priority=_whole("priority", text(form, "priority") or "5"),
        id=id,
        training=_training(form, kind) if job else None,
        left_out=left_out,
    )


def _preset(form: FormData) -> dict[str, Any]:
    """The settings of the preset that is asked for; settings sent beside it override them."""
    name = text(form, "preset")
    return preset_settings(name) if name else {}


def _training(form: FormData, kind: str) -> Training | None:
    told = {name: given for name in ("name", "minutes", *TEXTS) if (given := text(form, name))}
    if told and kind != "train-style":
        raise RequestError(f"{next(iter(told))} is for the kind train-style, but this is {kind}; leave it out")
    if "name" not in told:
        return None  # of a training, the order says so
    minutes = _number("minutes", told.pop("minutes", _MINUTES))
    return Training(minutes=minutes, **told)


def _styles(form: FormData) -> tuple[tuple[float, str | bytes], ...]:
    styles = [part if isinstance(part, str) else part.file.read() for part in form.getlist("style")]
    texts = [_plain("weight", part) for part in form.getlist("weight")]
    if texts and len(texts) != len(styles):
        raise RequestError(f"there are {len(texts)} weights for {len(styles)} styles; send one for each, in order")
    weights = [_number("weight", text) for text in texts] or [1.0] * len(styles)
    return tuple(zip(weights, styles, strict=True))


def _name(part: UploadFile | str, number: int) -> str:
    given = part.filename if isinstance(part, UploadFile) else None
    return (given or f"picture {number}").replace("\\", "/").rpartition("/")[2][:200]


def _plain(name: str, part: UploadFile | str) -> str:
    if not isinstance(part, str):
        raise RequestError(f"{name} is a file; send it as text")
    return part


def _value(option: Option, text: str) -> object:
    if option.type is str:
        return text or None
    if option.type is bool:
        if text.lower() in _TRUE:
            return True
        if text.lower() in _FALSE:
            return False
        raise RequestError(f"{option.name} is {text[:80]!r}; give true or false")
    if not text:
        return None
    return _whole(option.name, text) if option.type is int else _number(option.name, text)


def _whole(name: str, text: str) -> int:
    # int() takes underscores, spaces and digits of all scripts.
    if not (text.removeprefix("-").isascii() and text.removeprefix("-").isdigit() and len(text) < 20):
        raise RequestError(f"{name} is {text[:80]!r}; give a whole number{comma_hint(int, text)}")
    return int(text)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise RequestError(f"{name} is {text[:80]!r}; give a number{comma_hint(float, text)}") from error


def form_schema(*, job: bool) -> Mapping[str, Any]:
    """The form in the words of OpenAPI, derived from the options of :class:`impasto.request.Request`."""
    properties: dict[str, Any] = {
        "content": {"type": "array", "items": PICTURE, "description": _CONTENT_HELP}
        if job
        else PICTURE | {"description": "The photograph."},
        "style": {
            "type": "array",
            "items": {"type": "string"},
            "description": "The name of a gallery style, or a painting's file. Several are mixed; not of a grid. "
            "None is needed where model names a network of one style.",
        },
        "weight": {
            "type": "array",
            "items": {"type": "number", "exclusiveMinimum": 0},
            "description": "One for each style, in order; all the same by default.",
        },
        "preset": {"type": "string", "enum": list(PRESETS), "description": _PRESET_HELP},
        **{name: PICTURE | {"description": _FILE_HELP[name]} for name in FILES},
        **{option.name: _schema(option) for option in options()},
    }
    if job:
        properties["kind"] = {"type": "string", "enum": list(_KINDS), "default": "stylize"}
        properties["priority"] = {"type": "integer", "minimum": 0, "maximum": 9, "default": 5}
        for name, help in _TRAINING_HELP.items():
            properties[name] = {"type": "string", "maxLength": 300, "description": f"Of a train-style: {help}"}
        properties["minutes"] = {"type": "number", "default": int(_MINUTES), "description": _MINUTES_HELP}
    schema = {
        "type": "object",
        "required": ["content"],
        "properties": properties,
        "additionalProperties": False,
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


_CONTENT_HELP = "The photograph; several, or zips of them, of a batch, and of a train-style, to learn on."
_PRESET_HELP = "Settings of the engine iterative under one name; settings sent beside it override its own."
_MINUTES_HELP = "Of a train-style: how many minutes the network learns. The server says what is too few or too many."
_TRAINING_HELP = {
    "name": "what the new style is called: lower-case words joined by hyphens.",
    "title": "what the painting is called.",
    "artist": "who painted it.",
    "date": "when.",
    "source": "where the picture comes from.",
}
_FILE_HELP = {
    "mask": "White where the style applies, black where the photograph stays.",
    "guide": "White where to learn from the painting. For the engine iterative.",
    "initial": "A picture to start from. For the engine iterative.",
}
_TYPES = {int: "integer", float: "number", bool: "boolean", str: "string"}


def _schema(option: Option) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": _TYPES[option.type], "description": option.full_help}
    if option.choices:
        schema["enum"] = list(option.choices)
    bounds = {"minimum": option.minimum, "maximum": option.maximum, "default": option.default}
    return schema | {key: value for key, value in bounds.items() if value is not None}

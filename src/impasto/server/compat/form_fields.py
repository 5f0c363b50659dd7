"""Fields: the bytes that a request carries under names, however its client packs them."""

from __future__ import annotations

import binascii
from collections.abc import Collection

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from impasto.jobs.limits import Limits
from impasto.server.forms import picture, read_form

__all__ = ["BODY", "decode_urlencoded", "fields"]

BODY = "body"
"""The field of a request that is nothing but one file."""

_PAIRS = 64
_STEP = 1 << 20


async def fields(request: Request, limits: Limits, wanted: Collection[str]) -> dict[str, bytes]:
    """The wanted ones of a multipart form, of a url-encoded form, or a whole body as :data:`BODY`.

    Raises :class:`RequestError` for a form that cannot be read, or a text where a file is wanted.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        async with read_form(request, limits) as form:
            return await run_in_threadpool(lambda: {name: picture(name, form[name]) for name in wanted if name in form})
    body = await request.body()
    if kind != "application/x-www-form-urlencoded":
        return {BODY: body} if body and BODY in wanted else {}
    return await run_in_threadpool(decode_urlencoded, body, wanted)


def decode_urlencoded(body: bytes, wanted: Collection[str]) -> dict[str, bytes]:
    """The wanted values of ``name=value&...``, as bytes: the framework's parser would make texts of them."""
    found: dict[str, bytes] = {}
    for pair in body.split(b"&", _PAIRS):
        name, _, value = pair.partition(b"=")
        text = name.decode("latin-1")
        if text in wanted and text not in found:
            found[text] = _percent_decode(value)
    return found


def _percent_decode(value: bytes) -> bytes:
    parts: list[bytes] = []
    start = 0
    while start < len(value):
        # In steps: other threads, the event loop's among them, have their turn only between calls.
        end = start + _STEP
        # Not in the midst of an escape.
        if end < len(value) and (cut := value.find(b"%", end - 2, end)) >= 0:
            end = cut
        # As quoted-printable, which C decodes: of a picture, most bytes are escaped, and a list of all those is large.
        plain = value[start:end].replace(b"=", b"=3D").replace(b"%", b"=").replace(b"+", b" ")
        parts.append(binascii.a2b_qp(plain))
        start = end
    return b"".join(parts)

"""Requests as public clients put them on the wire, byte for byte, and the answers to them.

Those of ``requests`` are what ``requests`` 2.31 sends; those of the Flutter app, what ``package:http`` and ``dart:io``
do. Boundaries are random there and fixed here.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPResponse
from io import BytesIO
from typing import Any
from urllib.parse import quote_plus, urlsplit

from PIL import Image
from waiting import WAIT

__all__ = ["Answer", "dart_form", "picture_of", "replay", "requests_form", "requests_post", "urlencoded"]

_BOUNDARY = "34dfa06c6960b74764c24490819ec9de"
_DART_BOUNDARY = "dart-http-boundary-3Xv9ZyYbV+lJ_QHcEw.f0Gd2mJ8rT1nUoKsPqA-L5iWgRh4tBe"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def replay(address: str, raw: bytes) -> Answer:
    """Send those bytes, and no others, to a server."""
    where = urlsplit(address)
    assert where.hostname is not None
    with socket.create_connection((where.hostname, where.port), timeout=WAIT) as connection:
        connection.sendall(raw)
        answer = HTTPResponse(connection)
        answer.begin()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, headers, answer.read())


def requests_post(path: str, host: str, body: bytes = b"", kind: str | None = None) -> bytes:
    """``requests.post``."""
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {host}",
        "User-Agent: python-requests/2.31.0",
        "Accept-Encoding: gzip, deflate",
        "Accept: */*",
        "Connection: keep-alive",
        f"Content-Length: {len(body)}",
        *([] if kind is None else [f"Content-Type: {kind}"]),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def requests_form(path: str, host: str, files: Mapping[str, bytes], names: Mapping[str, str] | None = None) -> bytes:
    """``requests.post(files=...)``: bytes are called like their field, open files like themselves."""
    body = b""
    for field, data in files.items():
        name = (names or {}).get(field, field)
        body += f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode()
        body += data + b"\r\n"
    body += f"--{_BOUNDARY}--\r\n".encode()
    return requests_post(path, host, body, f"multipart/form-data; boundary={_BOUNDARY}")


def urlencoded(path: str, host: str, fields: Mapping[str, bytes]) -> bytes:
    """``requests.post(data=...)``."""
    body = "&".join(f"{quote_plus(name)}={quote_plus(data)}" for name, data in fields.items()).encode()
    return requests_post(path, host, body, "application/x-www-form-urlencoded")


def dart_form(path: str, host: str, files: Mapping[str, tuple[str, bytes]]) -> bytes:
    """``http.MultipartRequest``: files by field, each with its name."""
    body = b""
    for field, (name, data) in files.items():
        body += (
            f"--{_DART_BOUNDARY}\r\n"
            "content-type: application/octet-stream\r\n"
            f'content-disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
        ).encode()
        body += data + b"\r\n"
    body += f"--{_DART_BOUNDARY}--\r\n".encode()
    lines = [
        f"POST {path} HTTP/1.1",
        "user-agent: Dart/2.9 (dart:io)",
        f"content-type: multipart/form-data; boundary={_DART_BOUNDARY}",
        "accept-encoding: gzip",
        f"content-length: {len(body)}",
        f"host: {host}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def picture_of(data: bytes) -> Image.Image:
    """Decoded, all of it."""
    image = Image.open(BytesIO(data))
    image.load()
    return image

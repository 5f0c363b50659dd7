"""Pictures that mean harm, or are none: all are refused, and no worker is lost over them."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from serving import Served
from test_server import PAINTING, PHOTO, STYLE, picture, problem, wait


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *, depth: int = 8, colour: int = 2, data: bytes = b"", extra: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def bomb() -> bytes:
    """A valid picture of 400 megapixels in half a megabyte."""
    row = zlib.compressobj(9)
    data = b"".join(row.compress(bytes(20_001)) for _ in range(20_000)) + row.flush()
    return png(20_000, 20_000, colour=0, data=data)


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(1 << 20))
    return buffer.getvalue()


def hostile() -> dict[str, bytes]:
    found = {
        "nothing": b"",
        "a byte": b"\x89",
        "text": b"this is no picture\n" * 50,
        "html": b"<!doctype html><script>alert(1)</script>",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "pdf": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer<<>>\n%%EOF",
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n(ls) run\n",
        "a zip": zipped(),
        "a pickle": b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
        "a program": b"\x7fELF\x02\x01\x01" + bytes(500),
        "zeros": bytes(100_000),
        "noise": np.random.default_rng(0).bytes(100_000),
        "bomb": bomb(),
        "huge header": png(2**31 - 1, 2**31 - 1),
        "wide header": png(2**31 - 1, 1),
        "no size": png(0, 0),
        "no rows": png(10, 0),
        "odd depth": png(8, 8, depth=3),
        "odd colour": png(8, 8, colour=5),
        "no data": png(64, 64),
        "wrong data": png(64, 64, data=b"not deflated at all"),
        "endless text": png(64, 64, extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(64 << 20), 9))),
        "bmp of a size": b"BM"
        + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 2**30, 2**30, 1, 24, 0, 0, 0, 0, 0, 0),
        "gif of a size": b"GIF89a"
        + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0)
        + b",\0\0\0\0\xff\xff\xff\xff\0\x08\0;",
        "tiff in circles": b"II*\0\x08\0\0\0\x01\0\x00\x01\x04\0\x01\0\0\0\xff\xff\xff\x7f\x08\0\0\0",
        "ppm of a size": b"P6 99999 99999 255\n",
        "a card": b'{"impasto": "style"}',
    }
    for kind in ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "AVIF"):
        whole = picture(5, 96, kind)
        found[f"half a {kind}"] = whole[: len(whole) // 2]
        found[f"head of a {kind}"] = whole[:24]
    return found


HOSTILE = hostile()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with Served(tmp_path_factory.mktemp("hostile")) as server, server.client() as client:
        wait(client, "/readyz", lambda answer: answer.status_code == 200)
        yield client


def test_there_are_forty_of_them() -> None:
    assert len(HOSTILE) >= 40


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused_as_photograph_and_as_painting(client: httpx.Client, name: str) -> None:
    data = HOSTILE[name]
    for path in ("/v1/stylize", "/v1/jobs"):
        answer = client.post(path, files={"content": (name, data)}, data=STYLE)
        assert 400 <= answer.status_code < 500, (name, path, answer.status_code)
        assert problem(answer, answer.status_code, answer.json()["code"])
        answer = client.post(path, files={"content": ("a.png", PHOTO), "style": (name, data)})
        assert 400 <= answer.status_code < 500, (name, path, answer.status_code)


def test_no_worker_was_lost_over_them(client: httpx.Client) -> None:
    assert [worker["restarts"] for worker in client.get("/v1/status").json()["workers"]] == [0, 0, 0]
    files = {"content": ("a.png", PHOTO), "style": ("b.png", PAINTING)}
    assert client.post("/v1/stylize", files=files).status_code == 200
    assert client.get("/v1/jobs").json()["jobs"] == []


def test_a_zip_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(4):
            archive.writestr(f"{i}.png", bytes(1 << 20))
    with Served(tmp_path, "--max-upload", "2") as server, server.client() as client:
        answer = client.post(
            "/v1/jobs", files={"content": ("a.zip", buffer.getvalue())}, data=STYLE | {"kind": "batch"}
        )
        assert "unpacks to more than" in problem(answer, 413, "upload_too_large")

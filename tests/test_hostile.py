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
from hostile_zips import hostile_zips, many
from serving import Served
from test_server import PAINTING, PHOTO, STYLE, finished, picture, problem, wait


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


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def pages(count: int, *, ring: bool = False) -> bytes:
    """A TIFF of so many pages, each of which has its pixels beyond the file's end; ``ring`` has the last lead back."""
    tags = ((256, 4, 64), (257, 4, 64), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 2**31), (279, 4, 4096))
    page = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, kind, 1, v) for tag, kind, v in tags)
    size, found = len(page) + 4, [b"II*\0\x08\0\0\0"]
    for number in range(1, count + 1):
        found += [page, struct.pack("<I", 8 + number * size if number < count else 8 * ring)]
    return b"".join(found)


def hostile() -> dict[str, bytes]:
    found = {
        "nothing": b"",
        "a byte": b"\x89",
        "text": b"this is not a picture\n" * 50,
        "html": b"<!doctype html><script>alert(1)</script>",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "pdf": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer<<>>\n%%EOF",
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n(ls) run\n",
        "a zip": zipped({"a.png": bytes(1 << 20)}),
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
        "endless utf-8": png(64, 64, extra=chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(64 << 20), 9))),
        "many endless texts": png(64, 64, extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 20), 9)) * 500),
        "an endless profile": png(64, 64, extra=chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(64 << 20), 9))),
        "3,000 pages": pages(3000),
        "pages in a ring": pages(3000, ring=True),
        "a deep list": b'{"impasto_style":' + b"[" * 200_000,
        "a deep object": b'{"impasto_style":' * 50_000,
        "a deep card": b'{"impasto_style":1,"name":"a","codes":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        "a long number": b'{"impasto_style":' + b"9" * 500_000 + b"}",
        "a large card": b'{"impasto_style":1,"name":"' + b"a" * (8 << 20) + b'"}',
        "half a text": b'{"impasto_style":1,"name":"\xff"}',
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


ZIPS = hostile_zips()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("hostile")) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Served) -> Iterator[httpx.Client]:
    with server.client() as client:
        wait(client, "/readyz", lambda answer: answer.status_code == 200)
        yield client


def test_there_are_ninety_of_them() -> None:
    assert len(HOSTILE) + len(ZIPS) >= 90


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused_as_photograph_and_as_painting(client: httpx.Client, name: str) -> None:
    data = HOSTILE[name]
    for path in ("/v1/stylize", "/v1/jobs"):
        answer = client.post(path, files={"content": (name, data)}, data=STYLE)
        assert 400 <= answer.status_code < 500, (name, path, answer.status_code)
        assert problem(answer, answer.status_code, answer.json()["code"])
        answer = client.post(path, files={"content": ("a.png", PHOTO), "style": (name, data)})
        assert 400 <= answer.status_code < 500, (name, path, answer.status_code)


@pytest.mark.parametrize("name", ZIPS)
def test_a_zip_is_refused_as_many_photographs(client: httpx.Client, name: str) -> None:
    for more in ({"kind": "batch"} | STYLE, {"kind": "train-style", "name": "mine"}):
        files = [("content", (f"{name}.zip", ZIPS[name]))]
        if more["kind"] == "train-style":
            files.append(("style", ("b.png", PAINTING)))
        answer = client.post("/v1/jobs", files=files, data=more)
        assert 400 <= answer.status_code < 500, (name, more, answer.text)
        detail = problem(answer, answer.status_code, answer.json()["code"])
        assert len(detail) < 500


def test_memory_comes_back(server: Served, client: httpx.Client) -> None:
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status")

    def held() -> int:
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1])

    def ask(data: bytes) -> None:
        answer = client.post("/v1/jobs", files={"content": ("a.zip", data)}, data={"kind": "batch"} | STYLE)
        assert 400 <= answer.status_code < 500, answer.text

    ask(ZIPS["no pictures"])
    before, large = held(), many(1_000_000)
    for _ in range(3):
        ask(large)
        ask(ZIPS["a bomb of lzma"])
        ask(ZIPS["many bombs"])
    assert held() < 1.2 * before


def test_one_broken_photograph_of_a_zip_fails_alone(client: httpx.Client) -> None:
    torn = HOSTILE["half a PNG"]
    data = zipped(
        {"one.png": PHOTO, "trip/torn.png": torn, "Thumbs.db": b"x", "trip/one.JSON": b"{}", "two.png": PAINTING}
    )
    answer = client.post("/v1/jobs", files={"content": ("all.zip", data)}, data={"kind": "batch"} | STYLE)
    assert answer.status_code == 202, answer.text
    assert [left["name"] for left in answer.json()["left_out"]] == ["Thumbs.db", "trip/one.JSON"]
    job = finished(client, answer.json()["id"])
    assert job["state"] == "partial"
    assert [(item["name"], item["state"]) for item in job["items"]] == [
        ("one.png", "done"),
        ("torn.png", "failed"),
        ("two.png", "done"),
    ]
    assert job["items"][1]["error"]["code"] == "broken_picture"
    assert job["items"][1]["error"]["message"].startswith("content 'torn.png': the picture cannot be read as PNG")
    assert client.delete(f"/v1/jobs/{job['id']}").status_code == 204


def test_of_several_pictures_the_broken_one_is_named(client: httpx.Client) -> None:
    torn = HOSTILE["half a PNG"]
    files = [("content", ("a.png", PHOTO)), ("style", ("b.png", PAINTING)), ("style", ("c.png", torn))]
    mask = [("content", ("a.png", PHOTO)), ("style", ("b.png", PAINTING)), ("mask", ("c.png", torn))]
    content = [("content", ("a.png", torn)), ("style", ("b.png", PAINTING))]
    for path in ("/v1/stylize", "/v1/jobs"):
        for sent, which in ((files, "style 2 of 2: "), (mask, "mask: "), (content, "content")):
            answer = client.post(path, files=sent)
            assert problem(answer, 422, "broken_picture").startswith(which)
    guide = [*content[1:], ("content", ("a.png", PHOTO)), ("guide", ("c.png", torn))]
    answer = client.post("/v1/jobs", files=guide, data={"engine": "iterative", "steps": "2"})
    assert problem(answer, 422, "broken_picture").startswith("guide: ")
    pictures = [("picture", ("a.png", PAINTING)), ("picture", ("b.png", torn)), ("picture", ("c.png", PAINTING))]
    answer = client.post("/v1/styles", files=pictures, data={"name": "mine"})
    assert problem(answer, 422, "broken_picture").startswith("picture 2 of 3: ")
    whole = [("content", ("one.png", torn)), ("content", ("two.png", torn))]
    answer = client.post("/v1/jobs", files=whole, data={"kind": "batch"} | STYLE)
    assert "'two.png'" in problem(answer, 422, "broken_picture")


def test_no_worker_was_lost_over_them(client: httpx.Client) -> None:
    assert not any(worker["restarts"] for worker in client.get("/v1/status").json()["workers"])
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

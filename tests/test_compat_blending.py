"""The door of the server on Magenta's networks: what its clients send, replayed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from replaying import Answer, dart_form, picture_of, replay, requests_form
from serving import Served
from test_server import PAINTING, picture, wait

from impasto.server.compat.magenta_api import without_orientation

HOST = "192.168.2.11:8000"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    arguments = ["--compat", "--host-name", "192.168.2.11", "--max-upload", "2"]
    with Served(tmp_path_factory.mktemp("blending"), *arguments) as server:
        with server.client() as client:
            wait(client, "/readyz", lambda answer: answer.status_code == 200)
        yield server


def photo(turned: int = 1) -> bytes:
    """A JPEG of 96x64; ``turned`` is what EXIF says of it."""
    exif = Image.Exif()
    exif[0x0112] = turned
    buffer = io.BytesIO()
    Image.open(io.BytesIO(picture(5, 96))).resize((96, 64)).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def blended(server: Served, query: str = "", content: bytes = b"", **more: bytes) -> Answer:
    files = {"content_image": content or photo(), "style_image": PAINTING} | more
    return replay(server.address, requests_form(f"/style{query}", HOST, files))


def far(one: bytes, other: bytes) -> float:
    found = [np.asarray(picture_of(data).convert("RGB"), np.float32) for data in (one, other)]
    return float(np.abs(found[0] - found[1]).mean())


def test_two_pictures_are_answered_with_a_jpeg(server: Served) -> None:
    answer = blended(server)
    assert (answer.status, answer.headers["content-type"]) == (200, "image/jpg"), answer.body
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.headers["impasto-model"].startswith("instant@")
    image = picture_of(answer.body)
    assert (image.format, image.size) == ("JPEG", (96, 64))


def test_the_ratio_is_how_much_of_the_style(server: Served) -> None:
    content = photo()
    none, half, full, unsaid = (
        blended(server, query, content).body
        for query in ("?blending_ratio=0", "?blending_ratio=0.5", "?blending_ratio=1.0", "")
    )
    assert full == unsaid
    assert far(none, content) < far(half, content) < far(full, content)


@pytest.mark.parametrize("ratio", ["2", "-0.1", "nan", "much", ""])
def test_a_ratio_that_is_none_is_refused_as_fastapi_does(server: Served, ratio: str) -> None:
    answer = blended(server, f"?blending_ratio={ratio}")
    assert (answer.status, answer.headers["content-type"]) == (422, "application/json")
    assert answer.json()["detail"][0]["loc"] == ["query", "blending_ratio"]


def test_the_app_is_answered_a_picture_that_it_can_turn(server: Served) -> None:
    name = "2020-09-18 19:43:12.345678.png"
    files = {"content_img": (name, photo(6)), "style_img": ("style.jpg", picture(2, kind="JPEG"))}
    answer = replay(server.address, dart_form("/style", HOST, files))
    assert (answer.status, answer.headers["content-type"]) == (200, "image/jpg"), answer.body
    image = picture_of(answer.body)
    # As the camera stores it: the app shows it turned by a quarter.
    assert (image.format, image.size) == ("JPEG", (96, 64))
    assert 0x0112 not in image.getexif()
    assert picture_of(blended(server, content=photo(6)).body).size == (64, 96)


@pytest.mark.parametrize(
    ("files", "field"),
    [
        ({"content_image": PAINTING}, "style_image"),
        ({"style_image": PAINTING}, "content_image"),
        ({"content_img": PAINTING}, "style_img"),
        ({"picture": PAINTING}, "content_image"),
        ({}, "content_image"),
    ],
)
def test_a_file_that_is_missing_is_named_as_fastapi_does(server: Served, files: dict[str, bytes], field: str) -> None:
    answer = replay(server.address, requests_form("/style", HOST, files))
    assert answer.status == 422
    detail = answer.json()["detail"][0]
    assert (detail["loc"], detail["msg"], detail["type"]) == (["body", field], "Field required", "missing")


def test_what_is_wrong_with_a_picture_is_said(server: Served) -> None:
    broken = blended(server, content=b"\xff\xd8\xff" + b"nothing")
    assert (broken.status, list(broken.json())) == (422, ["detail"]), broken.body
    none = blended(server, style_image=b"nothing")
    assert none.status == 415
    assert "is not a picture that can be read" in none.json()["detail"]
    text = b'--x\r\nContent-Disposition: form-data; name="content_image"\r\n\r\nwords\r\n--x--\r\n'
    head = f"POST /style HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    told = replay(server.address, f"{head}Content-Length: {len(text)}\r\n\r\n".encode() + text)
    assert told.status == 422
    assert "content_image is a text" in told.json()["detail"]


def test_too_many_bytes_are_refused_in_the_shape_of_the_door(server: Served) -> None:
    # As soon as they are announced, or have come; what nobody reads any more is not sent here.
    told = requests_form("/style", HOST, {"content_image": bytes(4 << 20)}).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    most = (2 << 20) + (1 << 20)
    part = b'--x\r\nContent-Disposition: form-data; name="content_image"; filename="a"\r\n\r\n'
    part += bytes(most + 1 - len(part))
    head = f"POST /style HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    come = f"{head}Transfer-Encoding: chunked\r\n\r\n{len(part):x}\r\n".encode() + part
    for raw in (told, come):
        answer = replay(server.address, raw)
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert list(answer.json()) == ["detail"]
        assert "allowed" in answer.json()["detail"]


def test_too_many_pixels_are_refused_before_they_are_decoded(server: Served) -> None:
    buffer = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(buffer, "PNG")
    answer = blended(server, content=buffer.getvalue())
    assert answer.status == 413
    assert "megapixels" in answer.json()["detail"]


def test_without_the_option_there_is_no_such_door(served: Served, tmp_path: Path) -> None:
    for path, status in (("/style", 404), ("/starry%20night", 404), ("/ping", 404), ("/predictions/nst", 404)):
        raw = requests_form(path, "127.0.0.1", {"file": PAINTING})
        assert replay(served.address, raw).status == status, path
    with served.client() as client:
        for path in ("/models", "/ping", "/storage/x.jpg"):
            assert client.get(path).json()["code"] == "not_found"
        assert client.post("/").status_code == 405
        assert client.get("/", headers={"Accept": "*/*"}).headers["content-type"].startswith("text/html")


def test_only_what_says_how_to_turn_a_picture_is_taken_from_it() -> None:
    turned = photo(6)
    stored = without_orientation(turned)
    assert b"Exif" not in stored
    assert far(turned, stored) == 0
    assert Image.open(io.BytesIO(stored)).getexif() == {}
    assert without_orientation(PAINTING) == PAINTING


@given(st.binary(max_size=200))
def test_whatever_a_file_holds_it_comes_out_no_different_twice(data: bytes) -> None:
    for begun in (data, b"\xff\xd8" + data, b"\xff\xd8\xff\xe0\x00\x04ab" + data):
        stored = without_orientation(begun)
        assert without_orientation(stored) == stored
        assert stored == begun or b"\xff\xe1" in begun
        if begun[:2] == b"\xff\xd8":
            assert without_orientation(begun[:2] + b"\xff\xe1\x00\x04ab" + begun[2:]) == stored

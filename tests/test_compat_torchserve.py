"""TorchServe's doors: what the Flask front end and others send there, replayed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replaying import Answer, picture_of, replay, requests_form, requests_post, urlencoded
from serving import Served
from test_server import PAINTING, picture, wait

from impasto import Gallery
from impasto.server.compat.form_fields import decode_urlencoded

HOST = "localhost:8080"
PHOTO = picture(5, 80, kind="JPEG")
PAIR = {"content": PHOTO, "style": PAINTING}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("torchserve"), "--compat", "--max-upload", "2") as server:
        with server.client() as client:
            wait(client, "/readyz", lambda answer: answer.status_code == 200)
        yield server


def refused(answer: Answer, code: int, kind: str) -> str:
    """The message of an error as TorchServe writes it."""
    assert (answer.status, answer.headers["content-type"]) == (code, "application/json"), answer.body
    document = answer.json()
    assert list(document) == ["code", "type", "message"]
    assert (document["code"], document["type"]) == (code, kind)
    assert answer.body.decode() == json.dumps(document, indent=2) + "\n"
    return str(document["message"])


def png(answer: Answer, size: tuple[int, int] = (80, 80)) -> bytes:
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png"), answer.body
    image = picture_of(answer.body)
    assert (image.format, image.size) == ("PNG", size)
    return answer.body


def test_the_front_end_asks_for_health_by_post_and_others_by_get(server: Served) -> None:
    for raw in (
        requests_post("/ping", "127.0.0.1:8080"),
        b"GET /ping HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n",
    ):
        answer = replay(server.address, raw)
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.body == b'{\n  "status": "Healthy"\n}\n'
        assert answer.headers["cache-control"] == "no-cache; no-store, must-revalidate, private"
        assert answer.headers["x-request-id"]


def test_the_front_end_sends_two_pictures_url_encoded(server: Served) -> None:
    answer = replay(server.address, urlencoded("/predictions/nst", HOST, PAIR))
    first = png(answer)
    assert answer.headers["impasto-model"].startswith("instant@")
    # It hands it on in a text, whose page shows it.
    assert picture_of(base64.b64decode(base64.b64encode(first).decode())).size == (80, 80)
    # As files, by another name, and of some version, it is the same.
    for path in ("/predictions/nst", "/predictions/instant", "/predictions/nst/1.0"):
        assert png(replay(server.address, requests_form(path, HOST, PAIR))) == first
    other = urlencoded("/predictions/nst", HOST, PAIR | {"style": picture(9)})
    assert png(replay(server.address, other)) != first


def test_a_style_takes_one_picture_however_it_is_sent(server: Served) -> None:
    raw = f"PUT /predictions/udnie HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n"
    put = f"{raw}Content-Length: {len(PHOTO)}\r\n\r\n".encode() + PHOTO
    found = [
        png(replay(server.address, one))
        for one in (
            put,
            requests_form("/predictions/udnie", HOST, {"data": PHOTO}, {"data": "kitten.jpg"}),
            requests_post("/predictions/udnie", HOST, PHOTO),
            requests_post("/predictions/udnie", HOST, PHOTO, "image/jpeg"),
            urlencoded("/predictions/udnie/1.0", HOST, {"content": PHOTO}),
        )
    ]
    assert len(set(found)) == 1
    stand_in = replay(server.address, requests_post("/predictions/mosaic", HOST, PHOTO))
    assert stand_in.headers["impasto-stand-in"] == "metzinger"
    by_name = replay(server.address, requests_post("/predictions/metzinger", HOST, PHOTO))
    assert png(by_name) == png(stand_in)
    assert "impasto-stand-in" not in by_name.headers


def test_iterative_is_waited_for(server: Served) -> None:
    small = {"content": picture(3, 24), "style": picture(4, 24)}
    answer = replay(server.address, urlencoded("/predictions/iterative", HOST, small))
    data = png(answer, (24, 24))
    assert answer.headers["impasto-model"] == "iterative"
    assert data != png(replay(server.address, urlencoded("/predictions/nst", HOST, small)), (24, 24))
    with server.client() as client:
        (job,) = (job for job in client.get("/v1/jobs").json()["jobs"] if job["settings"]["engine"] == "iterative")
    # The same again is there already.
    assert png(replay(server.address, urlencoded("/predictions/iterative", HOST, small)), (24, 24)) == data
    assert job["state"] == "done"


def test_models_are_listed_with_what_stands_in_for_them(server: Served) -> None:
    def listed(query: str = "") -> Any:
        answer = replay(server.address, f"GET /models{query} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        assert answer.body.decode() == json.dumps(answer.json(), indent=2) + "\n"
        return answer.json()

    found = {model["modelName"]: model["modelUrl"] for model in listed()["models"]}
    assert found["nst"] == found["instant"]
    assert found["instant"].startswith("instant@")
    assert (found["candy"], found["composition_vii"]) == ("lady-with-fan", "composition-vii")
    assert {name.replace("_", "-") for name in found} >= set(Gallery().names())
    assert sorted(found) == [model["modelName"] for model in listed()["models"]]
    # In parts.
    first = listed("?limit=5")
    assert (len(first["models"]), first["nextPageToken"]) == (5, "5")
    rest = listed(f"?limit=500&next_page_token={first['nextPageToken']}")
    assert [*first["models"], *rest["models"]] == listed()["models"]
    assert "nextPageToken" not in rest
    assert listed("?limit=much&next_page_token=-1") == listed()


@pytest.mark.parametrize("name", ["densenet161", "starry-nigth", "..", "%2e%2e", "a%00b"])
def test_a_model_that_is_not_there_is_not_found(server: Served, name: str) -> None:
    for path in (f"/predictions/{name}", f"/predictions/{name}/1.0"):
        answer = replay(server.address, urlencoded(path, HOST, PAIR))
        message = refused(answer, 404, "ModelNotFoundException")
        assert message.startswith("Model not found: ")


def test_what_is_wrong_is_said_as_torchserve_does(server: Served) -> None:
    def asked(path: str, fields: dict[str, bytes]) -> Answer:
        return replay(server.address, urlencoded(path, HOST, fields))

    assert "no style" in refused(asked("/predictions/nst", {"content": PHOTO}), 400, "BadRequestException")
    assert "no content" in refused(asked("/predictions/nst", {"body": PHOTO}), 400, "BadRequestException")
    assert "no picture" in refused(asked("/predictions/udnie", {"style": PHOTO}), 400, "BadRequestException")
    assert "no picture" in refused(asked("/predictions/udnie", {}), 400, "BadRequestException")
    none = asked("/predictions/nst", PAIR | {"style": b"nothing"})
    assert "not a picture" in refused(none, 415, "BadRequestException")
    broken = asked("/predictions/udnie", {"data": b"\x89PNG\r\n\x1a\nnothing"})
    refused(broken, 400, "BadRequestException")
    large = requests_post("/predictions/nst", HOST, bytes(4 << 20)).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert "allowed" in refused(replay(server.address, large), 413, "BadRequestException")
    # Our own doors say it as ever.
    own = replay(server.address, large.replace(b"/predictions/nst", b"/v1/stylize"))
    assert (own.status, own.headers["content-type"]) == (413, "application/problem+json")
    assert own.json()["code"] == "upload_too_large"


def test_with_keys_the_front_end_needs_one(tmp_path: Path) -> None:
    from impasto.server.auth import Keys

    key, line = Keys.new("anna")
    (tmp_path / "keys.txt").write_text(line)
    with Served(tmp_path, "--compat", "--api-key-file", str(tmp_path / "keys.txt")) as server:
        raw = urlencoded("/predictions/nst", HOST, PAIR)
        message = refused(replay(server.address, raw), 401, "InvalidKeyException")
        assert "Authorization" in message
        assert replay(server.address, requests_post("/ping", HOST)).status == 200
        assert replay(server.address, f"GET /models HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()).status == 401
        head, _, body = raw.partition(b"\r\n\r\n")
        png(replay(server.address, head + f"\r\nAuthorization: Bearer {key}\r\n\r\n".encode() + body))


@given(st.dictionaries(st.sampled_from(["content", "style", "more"]), st.binary(max_size=300)))
def test_bytes_come_out_of_a_url_encoded_form_as_they_went_in(fields: dict[str, bytes]) -> None:
    body = "&".join(f"{name}={quote_plus(data)}" for name, data in fields.items()).encode()
    assert decode_urlencoded(body, fields) == fields
    assert decode_urlencoded(body, ["style"]) == {name: data for name, data in fields.items() if name == "style"}
    # Also where nothing is escaped that need not be.
    plain = b"&".join(name.encode() + b"=" + quote_plus(data, safe="=/:?").encode() for name, data in fields.items())
    assert decode_urlencoded(plain, fields) == fields


@given(st.binary(max_size=300))
def test_a_form_that_is_none_is_read_to_its_end(body: bytes) -> None:
    found = decode_urlencoded(b"content=" + body, ["content"])
    assert len(found["content"]) <= len(body)

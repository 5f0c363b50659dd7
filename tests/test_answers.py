"""How the server answers: methods, conditions, failures, names of files, and who is turned away."""

from __future__ import annotations

import asyncio
import io
import re
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from serving import Served
from starlette.types import Message
from test_guard import an_app, ask, turned_away
from test_server import PHOTO, STYLE, finished, make, problem, wait

from impasto.errors import ImpastoError
from impasto.jobs.errors import Suspended
from impasto.jobs.limits import Limits
from impasto.jobs.order import Order
from impasto.jobs.records.job import Item, Job
from impasto.jobs.service import Jobs
from impasto.server.app import make_app
from impasto.server.auth import Keys
from impasto.server.routes.jobs import disposition, file_name

SHA = "0" * 64


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[httpx.Client]:
    with served.client() as client:
        wait(client, "/readyz", lambda answer: answer.status_code == 200)
        yield client


def test_head_is_answered_wherever_get_is(client: httpx.Client) -> None:
    job = make(client)["id"]
    finished(client, job)
    style = client.get("/v1/styles").json()["styles"][0]
    paths = ["/", "/static/main.js", "/sw.js", "/manifest.webmanifest", "/openapi.json", "/metrics", "/healthz"]
    paths += ["/readyz", "/v1/options", "/v1/models", "/v1/styles", "/v1/jobs", "/v1/nothing", style["thumbnail"]]
    paths += [f"/v1/jobs/{job}", f"/v1/jobs/{job}/result", f"/v1/jobs/{job}/result/0", f"/v1/jobs/{job}/trace"]
    for path in paths:
        got, head = client.get(path), client.head(path)
        assert (head.status_code, head.content) == (got.status_code, b""), path
        assert head.headers["content-type"] == got.headers["content-type"], path
        if path not in ("/metrics", "/v1/nothing"):
            assert head.headers.get("content-length") == got.headers.get("content-length"), path
    # It ends at once, and the connection is good for the next one.
    stream = client.head("/v1/events")
    assert (stream.status_code, stream.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert 'impasto_requests_total{method="HEAD",route="/healthz",status="200"}' in client.get("/metrics").text


def test_who_has_an_answer_is_not_sent_it_again(client: httpx.Client) -> None:
    job = make(client)["id"]
    finished(client, job)
    style = client.get("/v1/styles").json()["styles"][0]
    for path in ("/", "/static/main.js", "/sw.js", style["thumbnail"], style["swatch"], f"/v1/jobs/{job}/result"):
        first = client.get(path)
        tag = first.headers["etag"]
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            for method in ("GET", "HEAD"):
                again = client.request(method, path, headers={"If-None-Match": known})
                assert (again.status_code, again.content) == (304, b""), (path, known)
                assert again.headers["etag"] == tag
                assert again.headers["cache-control"] == first.headers["cache-control"]
                assert "content-type" not in again.headers
        for unknown in ('"other"', tag.strip('"'), f'"x{tag[1:]}'):
            again = client.get(path, headers={"If-None-Match": unknown})
            assert (again.status_code, again.content) == (200, first.content), (path, unknown)
    missing = client.get("/v1/jobs/none", headers={"If-None-Match": "*"})
    assert missing.status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/jobs", {"GET", "HEAD", "POST"}),
        ("POST", "/v1/jobs/x", {"GET", "HEAD", "PUT", "DELETE"}),
        ("PATCH", "/v1/styles", {"GET", "HEAD", "POST"}),
        ("POST", "/v1/styles/x", {"GET", "HEAD", "DELETE"}),
        ("GET", "/v1/session", {"POST", "DELETE"}),
        ("HEAD", "/v1/stylize", {"POST"}),
        ("OPTIONS", "/v1/stylize", {"POST"}),
        ("DELETE", "/healthz", {"GET", "HEAD"}),
        ("POST", "/metrics", {"GET", "HEAD"}),
        ("POST", "/openapi.json", {"GET", "HEAD"}),
    ],
)
def test_405_names_every_method_that_is_allowed(method: str, path: str, allowed: set[str]) -> None:
    for root in ("", "/studio"):
        answer = ask(an_app(root=root), method, root + path)
        assert answer.status_code == 405
        named = answer.headers["allow"].split(", ")
        assert set(named) == allowed
        assert len(named) == len(allowed)


def failed(code: str) -> Job:
    item = Item(index=0, name="a", content=SHA, state="failed")
    settings: Any = {"id": "a", "owner": "local", "kind": "stylize", "lane": "bulk", "fingerprint": "a"}
    return Job(
        **settings, items=(item,), created=0, expires=1, state="failed", error={"code": code, "message": "it failed"}
    )


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("broken_picture", 422),
        ("picture_too_large", 413),
        ("unsupported_format", 415),
        ("unknown_style", 404),
        ("broken_model", 500),
        ("storage_away", 503),
        ("worker_lost", 503),
        ("missing_extra", 501),
        ("error", 500),
    ],
)
def test_who_waits_for_a_job_hears_of_its_failure_as_elsewhere(code: str, status: int) -> None:
    jobs = SimpleNamespace(
        limits=Limits(), check_line=lambda owner: None, submit=lambda order, owner: (failed(code), True)
    )
    app = make_app(cast(Jobs, jobs), Keys())
    form: Any = {"files": {"content": ("a.png", PHOTO)}, "data": STYLE | {"engine": "iterative"}}
    answer = ask(app, "POST", "/v1/stylize", headers={"Prefer": "wait=5"}, **form)
    assert problem(answer, status, code) == "it failed"
    kind = ImpastoError.of_code(code)
    assert kind is not None
    assert kind.status == status


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/stylize"), ("POST", "/v1/jobs"), ("PUT", "/v1/jobs/mine"), ("POST", "/v1/styles")],
)
@pytest.mark.parametrize("prefer", ["", "respond-async", "wait=5"])
def test_who_is_turned_away_does_not_send_everything_first(method: str, path: str, prefer: str) -> None:
    app = an_app()

    async def upload() -> AsyncIterator[bytes]:
        pytest.fail("the upload was read")
        yield b""

    headers = {"Prefer": prefer, "Content-Type": "multipart/form-data; boundary=x"}
    answer = ask(app, method, path, headers=headers, content=upload())
    problem(answer, 429, "queue_full")
    assert answer.headers["retry-after"] == "5"


def test_the_same_job_again_needs_no_room() -> None:
    app = an_app()
    app.state.jobs.check_room = lambda owner, id="": None if id == "a" else turned_away(owner)
    asked: list[Order] = []

    def submit(order: Order, owner: str) -> tuple[Job, bool]:
        asked.append(order)
        return failed("error"), False

    app.state.jobs.submit, app.state.jobs.view = submit, lambda job: {"id": job.id, "left_out": []}
    answer = ask(app, "PUT", "/v1/jobs/a", files={"content": ("a.png", PHOTO)}, data=STYLE)
    assert answer.status_code == 200, answer.text
    assert asked[0].id == "a"


def test_a_large_field_without_a_files_name_is_told_from_a_broken_form(client: httpx.Client) -> None:
    for path in ("/v1/stylize", "/v1/jobs"):
        answer = client.post(path, files={"content": (None, b"x" * 2_000_000)}, data=STYLE)
        assert "without a file's name is larger than 1 MB; send pictures as files" in problem(
            answer, 422, "bad_request"
        )
    broken = client.post("/v1/jobs", content=b"nonsense", headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert "the form cannot be read" in problem(broken, 422, "bad_request")
    lacking = client.post("/v1/jobs", content=b"nonsense", headers={"Content-Type": "multipart/form-data"})
    assert "boundary" in problem(lacking, 422, "bad_request")


NAMES = {
    "早春の庭.jpg": "早春の庭.png",
    "Сад весной.JPEG": "Сад весной.png",
    "बगीचा.png": "बगीचा.png",
    "می‌روم.png": "می‌روم.png",
    "Cafe\u0301 (2).webp": "Caf\u00e9 (2).png",
    "sunset_01-b.tar.png": "sunset_01-b.tar.png",
    "😀.png": "😀.png",
    'a"b\n<c>|?*: %.png': "a-b--c-----  -.png".replace("-----  -", "----- -"),
    "a\u202egnp.exe": "a-gnp.png",
    "....png": "picture.png",
    "": "picture.png",
}


@pytest.mark.parametrize(("name", "wanted"), NAMES.items())
def test_a_photographs_name_is_kept_in_every_script(name: str, wanted: str) -> None:
    assert file_name(name, "image/png") == wanted
    assert file_name(f"{wanted[:-4]}.heic", "image/jpeg") == f"{wanted[:-4]}.jpg"
    header = disposition("inline", wanted)
    assert header.isascii()
    assert not re.search(r"[\r\n]", header)
    # As a browser reads it.
    extended = re.search(r"filename\*=UTF-8''(\S+)$", header)
    plain = re.search(r'filename="([^"]+)"', header)
    assert plain is not None
    from urllib.parse import unquote

    assert (unquote(extended[1]) if extended else plain[1]) == wanted
    assert len(file_name(name * 60, "image/png").encode()) <= 190


def test_names_in_other_scripts_come_back_alone_and_in_the_zip(client: httpx.Client) -> None:
    names = ["早春の庭.png", "Сад весной.png"]
    files = [("content", (name, PHOTO)) for name in names]
    answer = client.post("/v1/jobs", files=files, data=STYLE | {"kind": "batch"})
    job = finished(client, answer.json()["id"])["id"]
    got = client.get(f"/v1/jobs/{job}/result/0").headers["content-disposition"]
    assert got == "inline; filename=\"picture.png\"; filename*=UTF-8''%E6%97%A9%E6%98%A5%E3%81%AE%E5%BA%AD.png"
    with zipfile.ZipFile(io.BytesIO(client.get(f"/v1/jobs/{job}/result").content)) as archive:
        assert archive.namelist() == ["001-早春の庭.png", "002-Сад весной.png"]
        assert all(entry.flag_bits & 0x800 for entry in archive.infolist())


def test_who_leaves_in_the_middle_of_an_upload_leaves_no_traces(tmp_path: Path) -> None:
    jobs = SimpleNamespace(
        limits=Limits(), check_line=lambda owner: None, check_room=lambda owner: None, submit=None, paint=None
    )
    app = make_app(cast(Jobs, jobs), Keys())
    head = {"type": "http", "method": "POST", "scheme": "http", "query_string": b"", "asgi": {"spec_version": "2.3"}}
    fields = [(b"host", b"127.0.0.1"), (b"content-type", b"multipart/form-data; boundary=x")]

    async def left(path: str) -> list[Message]:
        part = b'--x\r\ncontent-disposition: form-data; name="content"; filename="a"\r\n\r\nabc'
        coming: list[Message] = [{"type": "http.request", "body": part, "more_body": True}, {"type": "http.disconnect"}]
        sent: list[Message] = []

        async def receive() -> Message:
            return coming.pop(0)

        async def send(message: Message) -> None:
            sent.append(message)

        await app({**head, "path": path, "headers": fields}, receive, send)
        return sent

    for path in ("/v1/stylize", "/v1/jobs"):
        # Nothing is raised, and nobody answered.
        assert asyncio.run(left(path)) == []


def test_a_server_that_may_not_write_for_now_says_when_to_come_back() -> None:
    def suspended(owner: str) -> None:
        raise Suspended("another server holds this server's database; try again in a few seconds")

    app = an_app()
    app.state.jobs.check_room = suspended
    answer = ask(app, "POST", "/v1/jobs", files={"content": ("a.png", PHOTO)}, data=STYLE)
    assert "another server holds this server's database" in problem(answer, 503, "suspended")
    assert answer.headers["retry-after"] == "5"


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("1,5", "limit is '1,5'; give a whole number without commas"),
        ("many", "limit is 'many'; give a whole number"),
    ],
)
def test_a_query_that_is_no_number_is_told_in_our_words(client: httpx.Client, limit: str, said: str) -> None:
    answer = client.get("/v1/jobs", params={"limit": limit})
    assert (answer.status_code, answer.json()["detail"]) == (422, said)

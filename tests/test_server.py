"""The HTTP API, by a real server."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from serving import COMMAND, Served
from waiting import WAIT

from impasto import Gallery


def picture(seed: int = 0, side: int = 64, kind: str = "PNG") -> bytes:
    small = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8))
    buffer = io.BytesIO()
    small.resize((side, side), Image.Resampling.BICUBIC).save(buffer, kind)
    return buffer.getvalue()


PHOTO, PAINTING = picture(1), picture(2)
STYLE = {"style": "starry-night"}
SLOW = STYLE | {"engine": "iterative", "steps": "400", "levels": "1", "start": "content", "optimiser": "adam"}


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[httpx.Client]:
    with served.client() as client:
        wait(client, "/readyz", lambda answer: answer.status_code == 200)
        yield client


def wait(client: httpx.Client, path: str, enough: Any) -> httpx.Response:
    """Ask until the answer is as wanted."""
    deadline = time.monotonic() + WAIT
    while True:
        answer = client.get(path)
        if enough(answer):
            return answer
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.05)


def finished(client: httpx.Client, id: str) -> Any:
    final = ("done", "partial", "failed", "cancelled")
    return wait(client, f"/v1/jobs/{id}", lambda answer: answer.json()["state"] in final).json()


def make(client: httpx.Client, content: bytes = PHOTO, **fields: str) -> Any:
    answer = client.post("/v1/jobs", files={"content": ("photo.png", content)}, data=STYLE | fields)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"
    return answer.json()


def problem(answer: httpx.Response, status: int, code: str) -> str:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    document = answer.json()
    assert document["code"] == code
    assert document["type"] == f"urn:impasto:error:{code}"
    assert document["status"] == status
    return str(document["detail"])


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_an_instant_request_answers_with_the_picture(client: httpx.Client) -> None:
    answer = client.post("/v1/stylize", files={"content": ("a.png", PHOTO)}, data=STYLE | {"strength": "0.5"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["impasto-model"] == "starry-night@3"
    assert opened(answer.content).size == (64, 64)
    assert json.loads(answer.headers["impasto-settings"])["strength"] == 0.5
    plain = client.post("/v1/stylize", files={"content": ("a.png", PHOTO)}, data=STYLE | {"format": "webp"})
    assert opened(plain.content).format == "WEBP"


def test_styles_are_names_or_paintings_with_weights(client: httpx.Client) -> None:
    files = [("content", ("a.png", PHOTO)), ("style", ("b.png", PAINTING))]
    one = client.post("/v1/stylize", files=files)
    assert one.status_code == 200, one.text
    both = client.post("/v1/stylize", files=files, data={"style": "the-wave", "weight": ["1", "3"]})
    assert both.status_code == 200, both.text
    assert both.content != one.content
    detail = problem(client.post("/v1/stylize", files=files, data={"weight": ["1", "2"]}), 422, "bad_request")
    assert "2 weights for 1 styles" in detail


@pytest.mark.parametrize(
    ("data", "status", "code", "text"),
    [
        ({"style": "starry-nigth"}, 404, "unknown_style", "did you mean starry-night"),
        (STYLE | {"strength": "2"}, 422, "bad_request", "from 0 to 1"),
        (STYLE | {"strength": "much"}, 422, "bad_request", "'much'"),
        (STYLE | {"size": "1e3"}, 422, "bad_request", "whole number"),
        (STYLE | {"colour": "keep"}, 422, "bad_request", "no field 'colour'"),
        (STYLE | {"deterministic": "perhaps"}, 422, "bad_request", "true or false"),
        (STYLE | {"weight": "-1"}, 422, "bad_request", "above 0"),
        (STYLE | {"steps": "7"}, 422, "bad_request", "iterative"),
        (STYLE | {"engine": "iterative", "encoder": "/etc"}, 422, "bad_request", "no encoder '/etc' here"),
        (STYLE | {"engine": "iterative", "encoder": "."}, 422, "bad_request", "no encoder '.' here"),
        ({}, 422, "bad_request", "no style"),
    ],
)
def test_what_is_wrong_is_said(client: httpx.Client, data: dict[str, str], status: int, code: str, text: str) -> None:
    assert text in problem(client.post("/v1/stylize", files={"content": ("a.png", PHOTO)}, data=data), status, code)


def test_what_is_no_picture_is_refused_before_a_job_is_made(client: httpx.Client) -> None:
    for path in ("/v1/stylize", "/v1/jobs"):
        answer = client.post(path, files={"content": ("a.png", b"\x89PNG\r\n\x1a\nnonsense")}, data=STYLE)
        assert answer.status_code in (415, 422), answer.text
        assert answer.json()["code"] in ("broken_picture", "unsupported_format")
    assert problem(client.post("/v1/jobs", json={"style": "x"}), 422, "bad_request").startswith("send multipart")
    assert "no photograph" in problem(client.post("/v1/jobs", files={"style": ("b.png", PAINTING)}), 422, "bad_request")


def test_too_many_bytes_are_refused_while_they_arrive(tmp_path: Path) -> None:
    with Served(tmp_path, "--max-upload", "1") as server, server.client() as client:
        sent = 0

        def endless() -> Iterator[bytes]:
            nonlocal sent
            yield b'--x\r\nContent-Disposition: form-data; name="content"; filename="a"\r\n\r\n'
            while sent < 64 << 20:
                sent += 1 << 16
                yield bytes(1 << 16)

        headers = {"content-type": "multipart/form-data; boundary=x"}
        try:
            answer = client.post("/v1/stylize", content=endless(), headers=headers)
        except (httpx.WriteError, httpx.ReadError):
            answer = None
        assert sent < 32 << 20
        assert answer is None or answer.status_code == 413
        big = client.post("/v1/stylize", files={"content": ("a", bytes(3 << 20))}, data=STYLE)
        problem(big, 413, "upload_too_large")


def test_a_job_is_made_done_and_deleted(client: httpx.Client) -> None:
    job = make(client, priority="2", strength="0.75")
    assert job["state"] in ("queued", "running", "done")
    job = finished(client, job["id"])
    assert (job["state"], job["kind"], job["priority"], job["progress"]) == ("done", "stylize", 2, 1)
    assert job["settings"] == {"strength": 0.75}
    assert [item["state"] for item in job["items"]] == ["done"]
    result = client.get(f"/v1/jobs/{job['id']}/result")
    assert opened(result.content).size == (64, 64)
    assert result.headers["etag"]
    assert job["id"] in [other["id"] for other in client.get("/v1/jobs").json()["jobs"]]
    assert client.delete(f"/v1/jobs/{job['id']}").status_code == 204
    problem(client.get(f"/v1/jobs/{job['id']}/result"), 404, "unknown_job")


def test_the_same_again_is_the_same_job_and_an_id_has_one_content(client: httpx.Client) -> None:
    files, data = {"content": ("a.png", picture(7))}, STYLE | {"kind": "stylize"}
    first = client.put("/v1/jobs/mine", files=files, data=data)
    assert first.status_code == 201, first.text
    assert client.put("/v1/jobs/mine", files=files, data=data).status_code == 200
    other = client.put("/v1/jobs/mine", files=files, data=data | {"strength": "0.5"})
    problem(other, 409, "job_conflict")
    assert client.put("/v1/jobs/no.name", files=files, data=data).status_code == 422
    finished(client, "mine")
    twin = client.post("/v1/jobs", files=files, data=data)
    assert twin.json()["id"] == "mine"


def test_a_grid_paints_every_style_and_a_batch_every_photograph(client: httpx.Client) -> None:
    data = {"kind": "grid", "style": ["starry-night", "the-wave", "udnie"]}
    answer = client.post("/v1/jobs", files={"content": ("a.png", PHOTO)}, data=data)
    grid = finished(client, answer.json()["id"])
    assert [item["name"] for item in grid["items"]] == data["style"]
    cells = [client.get(f"/v1/jobs/{grid['id']}/result/{i}").content for i in range(3)]
    assert len(set(cells)) == 3
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data_ in (("one.png", PHOTO), ("folder/two.jpg", picture(3, kind="JPEG")), ("__MACOSX/x", b"?")):
            archive.writestr(name, data_)
    answer = client.post("/v1/jobs", files={"content": ("all.zip", buffer.getvalue())}, data=STYLE | {"kind": "batch"})
    batch = finished(client, answer.json()["id"])
    assert [(item["name"], item["state"]) for item in batch["items"]] == [("one.png", "done"), ("two.jpg", "done")]
    with zipfile.ZipFile(io.BytesIO(client.get(f"/v1/jobs/{batch['id']}/result").content)) as archive:
        assert archive.namelist() == ["001-one.png", "002-two.jpg"]
        assert opened(archive.read("002-two.jpg")).format == "JPEG"


def test_a_long_job_tells_how_far_it_is_and_can_be_kept_cancelled_and_tried_again(client: httpx.Client) -> None:
    job = make(client, picture(11), **SLOW)
    path = f"/v1/jobs/{job['id']}"
    running = wait(client, path, lambda answer: (answer.json()["step"] or 0) > 2).json()
    assert running["losses"]
    assert 0 < running["progress"] < 1
    assert opened(wait(client, f"{path}/preview", lambda a: a.status_code == 200).content).format == "JPEG"
    problem(client.get(f"{path}/result"), 409, "not_ready")
    assert client.post(f"{path}/keep").status_code == 200
    kept = finished(client, job["id"])
    assert (kept["state"], kept["items"][0]["complete"]) == ("done", False)
    steps = client.get(f"{path}/trace").json()["steps"]
    assert 0 < len(steps) < 400
    assert steps[-1]["loss"] == pytest.approx(sum(steps[-1]["losses"].values()))
    other = make(client, picture(12), **SLOW)
    wait(client, f"/v1/jobs/{other['id']}", lambda answer: answer.json()["state"] == "running")
    assert client.post(f"/v1/jobs/{other['id']}/cancel").status_code == 200
    assert finished(client, other["id"])["state"] == "cancelled"
    again = client.post(f"/v1/jobs/{other['id']}/retry").json()
    assert again["state"] in ("queued", "running")
    client.post(f"/v1/jobs/{other['id']}/keep")
    wait(client, f"/v1/jobs/{other['id']}", lambda answer: answer.json()["state"] in ("done", "running"))
    client.delete(f"/v1/jobs/{other['id']}")


def test_iterative_answers_with_a_job_or_with_the_picture_to_who_waits(client: httpx.Client) -> None:
    data = STYLE | {"engine": "iterative", "steps": "2", "levels": "1"}
    files = {"content": ("a.png", picture(21))}
    answer = client.post("/v1/stylize", files=files, data=data)
    assert answer.status_code == 202
    assert finished(client, answer.json()["id"])["state"] == "done"
    answer = client.post(
        "/v1/stylize", files={"content": ("a.png", picture(22))}, data=data, headers={"Prefer": "wait=50"}
    )
    assert answer.status_code == 200, answer.text
    assert opened(answer.content).size == (64, 64)
    answer = client.post("/v1/stylize", files=files, data=STYLE, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202
    assert finished(client, answer.json()["id"])["state"] == "done"
    huge = {"engine": "iterative", "steps": "100000"}
    big = client.post("/v1/jobs", files={"content": ("a.png", picture(1, 512))}, data=STYLE | huge)
    assert "fewer steps" in problem(big, 413, "picture_too_large")


def events(client: httpx.Client, enough: Any, headers: dict[str, str]) -> list[dict[str, Any]]:
    """What is told, until that is enough."""
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + WAIT
    with client.stream("GET", "/v1/events", headers=headers) as answer:
        one: dict[str, Any] = {}
        for line in answer.iter_lines():
            # A stream with nothing to tell says so every few seconds, for ever.
            assert time.monotonic() < deadline, found
            key, _, value = line.partition(": ")
            if key in ("id", "event", "data"):
                one[key] = json.loads(value) if key == "data" else value
            elif not line and one:
                found.append(one)
                if enough(found):
                    return found
                one = {}
    return found


def test_one_stream_tells_everything_and_is_replayed(client: httpx.Client) -> None:
    # Or what is left of others would be told as well.
    wait(client, "/v1/status", lambda answer: not any(answer.json()["jobs"][state] for state in ("queued", "running")))
    hello = events(client, lambda found: True, {})[0]
    assert hello["event"] == "hello"
    since = {"Last-Event-ID": str(hello["data"]["last"])}
    made: list[str] = []

    def are_done(found: list[dict[str, Any]]) -> bool:
        while len(made) < 2:
            made.append(make(client, picture(31 + len(made)))["id"])
        return {one["data"]["id"] for one in found if one["data"].get("state") == "done"} == set(made)

    # As it happens: every change in order, and between them how far it is.
    told = events(client, are_done, since)[1:]
    assert {one["event"] for one in told} == {"job", "progress"}
    numbers = [int(one["id"]) for one in told if "id" in one]
    assert numbers == sorted(set(numbers))
    states = [one["data"]["state"] for one in told if "id" in one and one["data"]["id"] == made[0]]
    assert states[-1] == "done"
    assert len(states) > 1
    # Looking back: each job once, as it is now.
    again = events(client, are_done, since)[1:]
    assert sorted(one["data"]["id"] for one in again) == sorted(made)
    rest = events(client, lambda found: len(found) == 2, {"Last-Event-ID": again[0]["id"]})[1:]
    assert rest == again[1:]


def test_gallery_options_and_status_are_told(client: httpx.Client) -> None:
    styles = client.get("/v1/styles").json()["styles"]
    assert len(styles) >= 32
    thumbnail = client.get(styles[0]["thumbnail"])
    assert opened(thumbnail.content).format == "WEBP"
    problem(client.get("/v1/styles/nobody/thumbnail"), 404, "unknown_style")
    first = styles[0]
    assert (first["name"], first["movement"], first["date"]) == ("starry-night", "Post-Impressionism", "1889")
    assert first["place"].endswith("New York")
    assert first["about"].startswith("Painted in June 1889")
    assert "noite estrelada" in first["aliases"]
    assert [style["rank"] for style in styles if not style["own"]] == list(range(1, len(styles) + 1))
    assert opened(client.get(first["swatch"]).content).size == (256, 256)
    assert client.get("/v1/styles/noite%20estrelada").json() == first
    assert client.get("/v1/styles/星夜/swatch").content == client.get(first["swatch"]).content
    problem(client.get("/v1/styles/nobody/swatch"), 404, "unknown_style")
    named = {option["name"]: option for option in client.get("/v1/options").json()["options"]}
    assert (named["strength"]["minimum"], named["strength"]["type"]) == (0, "float")
    status = client.get("/v1/status").json()
    assert status["ready"] is True
    assert [worker["lane"] for worker in status["workers"]] == ["interactive", "bulk", "probing", "training"]
    assert status["workers"][-1]["state"] == "asleep"
    assert client.get("/healthz").text == "ok\n"
    metrics = client.get("/metrics").text
    assert 'impasto_requests_total{method="GET",route="/v1/status",status="200"}' in metrics
    assert "impasto_worker_bytes" in metrics
    paths = client.get("/openapi.json").json()["paths"]
    assert "/v1/jobs/{id}" in paths


def test_paintings_become_styles_of_the_gallery(client: httpx.Client) -> None:
    def add(name: str, *pictures: bytes, **fields: str) -> httpx.Response:
        files = [("picture", ("a.png", data)) for data in pictures]
        return client.post("/v1/styles", files=files, data={"name": name, **fields})

    made = add("my-harbour", PAINTING, picture(3), title="Häfen", artist="Anna")
    assert made.status_code == 201, made.text
    facts = made.json()
    assert (facts["title"], facts["artist"], facts["own"]) == ("Häfen", "Anna", True)
    assert made.headers["location"] == "/v1/styles/my-harbour"
    assert client.get(made.headers["location"]).json() == facts
    assert facts in client.get("/v1/styles").json()["styles"]
    assert opened(client.get(facts["thumbnail"]).content).format == "WEBP"
    assert (facts["swatch"], facts["aliases"], facts["place"], facts["rank"]) == ("", [], "", 0)
    problem(client.get("/v1/styles/my-harbour/swatch"), 404, "unknown_style")
    # At once of use to every worker: at once, and as a job.
    named = client.post("/v1/stylize", files={"content": ("a.png", PHOTO)}, data={"style": "my-harbour"})
    assert named.status_code == 200
    assert finished(client, make(client, style="my-harbour", strength="0.5")["id"])["state"] == "done"
    slow = make(client, PHOTO, **SLOW | {"style": "my-harbour", "steps": "2"})
    assert finished(client, slow["id"])["state"] == "done"
    problem(add("my-harbour", PAINTING), 409, "style_exists")
    problem(add("starry-night", PAINTING), 409, "style_exists")
    for name in ("", "My Harbour", "../harbour"):
        problem(add(name, PAINTING), 422, "bad_style")
    problem(add("nothing"), 422, "bad_request")
    problem(add("nothing", b"nothing"), 415, "unsupported_format")
    problem(add("nothing", *[PAINTING] * 17), 422, "bad_request")
    problem(add("nothing", PAINTING, colour="red"), 422, "bad_request")
    problem(add("nothing", PAINTING, title="long" * 100), 422, "bad_style")
    problem(client.post("/v1/styles", data={"name": "nothing", "picture": "text"}), 422, "bad_request")
    problem(client.post("/v1/styles", files={"picture": ("a", b"{}")}, data={"name": "nothing"}), 422, "bad_style")
    problem(client.delete("/v1/styles/starry-night"), 422, "bad_style")
    assert client.delete("/v1/styles/my-harbour").status_code == 204
    problem(client.delete("/v1/styles/my-harbour"), 404, "unknown_style")
    problem(client.get("/v1/styles/my-harbour"), 404, "unknown_style")


def test_a_style_card_is_taken_in_under_another_name(client: httpx.Client) -> None:
    card = Gallery().export("starry-night")
    made = client.post("/v1/styles", files={"picture": ("a.style", card)}, data={"name": "same-night", "date": "1889?"})
    assert made.status_code == 201, made.text
    assert made.json()["artist"] == Gallery().get("starry-night").artist
    assert made.json()["date"] == "1889?"
    files = {"content": ("a.png", PHOTO)}
    one, other = (
        client.post("/v1/stylize", files=files, data={"style": name, "deterministic": "true"}).content
        for name in ("starry-night", "same-night")
    )
    assert np.array_equal(np.asarray(opened(one)), np.asarray(opened(other)))
    assert client.delete("/v1/styles/same-night").status_code == 204


def test_pages_carry_a_strict_policy_and_other_sites_are_refused(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in page.headers
    files = {"content": ("a.png", PHOTO)}
    for site in ("cross-site", "same-site"):
        answer = client.post("/v1/stylize", files=files, data=STYLE, headers={"Sec-Fetch-Site": site})
        problem(answer, 403, "forbidden")
    problem(client.get("/v1/jobs", headers={"Host": "evil.example:8000"}), 421, "wrong_host")
    problem(client.get("/static/../app.py"), 404, "not_found")
    problem(client.get("/static/%2e%2e/%2e%2e/errors.py"), 404, "not_found")
    problem(client.put("/v1/styles"), 405, "method_not_allowed")


def test_killed_and_started_again_it_goes_on(tmp_path: Path) -> None:
    with Served(tmp_path) as server:
        with server.client() as client:
            jobs = [make(client, picture(40 + i))["id"] for i in range(3)]
            slow = make(client, picture(50), **SLOW | {"steps": "40"})["id"]
            wait(client, f"/v1/jobs/{slow}", lambda answer: (answer.json()["step"] or 0) > 2)
        server.kill()
        server.start()
        with server.client() as client:
            for id in [*jobs, slow]:
                assert finished(client, id)["state"] == "done"
                assert opened(client.get(f"/v1/jobs/{id}/result").content).size == (64, 64)
            told = events(client, lambda found: len(found) > 4, {"Last-Event-ID": "0"})[1:]
            assert {one["data"]["id"] for one in told} == {*jobs, slow}
            assert {one["data"]["state"] for one in told} == {"done"}
        assert server.stop() == 0


def test_with_keys_owners_see_their_own_jobs_alone(tmp_path: Path) -> None:
    import subprocess
    import sys

    lines, keys = [], []
    for owner in ("anna", "bert"):
        made = subprocess.run(
            [sys.executable, "-c", COMMAND, "serve", "--new-key", owner], capture_output=True, text=True
        )
        found = json.loads(made.stdout)
        lines.append(found["line"])
        keys.append(found["key"])
    (tmp_path / "keys.txt").write_text("# two of us\n" + "\n".join(lines) + "\n")
    assert not any(key in (tmp_path / "keys.txt").read_text() for key in keys)
    with Served(tmp_path, "--api-key-file", str(tmp_path / "keys.txt")) as server:
        anna, bert = (server.client(headers={"Authorization": f"Bearer {key}"}) for key in keys)
        with anna, bert, server.client() as nobody:
            problem(nobody.get("/v1/jobs"), 401, "no_key")
            problem(nobody.post("/v1/stylize", files={"content": ("a", PHOTO)}, data=STYLE), 401, "no_key")
            assert nobody.get("/healthz").status_code == 200
            job = make(anna)["id"]
            finished(anna, job)
            problem(bert.get(f"/v1/jobs/{job}"), 404, "unknown_job")
            assert bert.get("/v1/jobs").json()["jobs"] == []
            card = Gallery().export("starry-night")
            style: Any = {"files": {"picture": ("a.style", card)}, "data": {"name": "annas"}}
            assert anna.post("/v1/styles", **style).status_code == 201
            assert finished(anna, make(anna, style="annas")["id"])["state"] == "done"
            assert anna.post("/v1/stylize", files={"content": ("a", PHOTO)}, data={"style": "annas"}).is_success
            for path in ("stylize", "jobs"):
                answer = bert.post(f"/v1/{path}", files={"content": ("a", PHOTO)}, data={"style": "annas"})
                problem(answer, 404, "unknown_style")
            problem(bert.get("/v1/styles/annas"), 404, "unknown_style")
            problem(bert.delete("/v1/styles/annas"), 404, "unknown_style")
            problem(nobody.get("/v1/styles"), 401, "no_key")
            assert bert.post("/v1/styles", **style).status_code == 201
            assert anna.delete("/v1/styles/annas").status_code == 204
            assert bert.get("/v1/styles/annas").status_code == 200
            assert anna.post("/v1/session").status_code == 204
            del anna.headers["authorization"]
            assert anna.get(f"/v1/jobs/{job}").status_code == 200
            assert anna.delete("/v1/session").status_code == 204
            problem(anna.get("/v1/jobs"), 401, "no_key")


def test_an_address_that_others_reach_needs_keys(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="--api-key-file, or --insecure"):
        Served(tmp_path, "--host", "0.0.0.0").start()

"""Training a style over HTTP and by the Python client, with a server that is killed meanwhile."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from own_networks import installed
from PIL import Image
from serving import Served
from test_server import PAINTING, PHOTO, problem, wait
from trainings import a_base, a_photo

from impasto import Client
from impasto.client import Upload
from impasto.client.training_photos import load_training_photos
from impasto.errors import PictureError, StyleExists

FILES = [("content", ("a.png", PHOTO)), ("style", ("b.png", PAINTING))]
ASKED = {"kind": "train-style", "name": "harbour"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("training")
    a_base(home / "user")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMPASTO_HOME", str(home / "user"))
        installed("candy")
        with Served(home) as server, server.client() as client:
            wait(client, "/readyz", lambda answer: answer.status_code == 200)
            yield server


@pytest.fixture
def client(server: Served) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.mark.parametrize(
    ("data", "status", "code", "text"),
    [
        ({"kind": "train-style"}, 422, "bad_request", "needs a name"),
        (ASKED | {"name": "The Harbour"}, 422, "bad_style", "is not a style name"),
        (ASKED | {"name": "starry-night"}, 409, "style_exists", "comes with Impasto"),
        (ASKED | {"minutes": "nan"}, 422, "bad_request", "minutes is nan"),
        (ASKED | {"minutes": "soon"}, 422, "bad_request", "minutes is 'soon'"),
        (ASKED | {"minutes": "0.01"}, 422, "bad_request", "give a number from 0.05 to 120"),
        (ASKED | {"minutes": "1e9"}, 422, "bad_request", "give a number above 0, up to 525600"),
        (ASKED | {"style": "udnie"}, 422, "bad_request", "2 styles"),
        (ASKED | {"steps": "7"}, 422, "bad_request", "a training takes no steps"),
        (ASKED | {"title": "x" * 301}, 422, "bad_style", "at most 300 characters"),
        ({"name": "harbour"}, 422, "bad_request", "name is for the kind train-style"),
        ({"kind": "batch", "minutes": "3"}, 422, "bad_request", "minutes is for the kind train-style"),
    ],
)
def test_what_is_wrong_is_said(client: httpx.Client, data: dict[str, str], status: int, code: str, text: str) -> None:
    assert text in problem(client.post("/v1/jobs", files=FILES, data=data), status, code)


def test_pictures_that_teach_nothing_are_refused(client: httpx.Client) -> None:
    wrong: list[tuple[list[Any], str]] = [
        (FILES[:1], "0 styles"),
        (FILES[1:], "there is no photograph"),
        ([("content", ("torn.png", PHOTO[:99])), FILES[1]], "'torn.png': "),
        ([FILES[0], ("style", ("b.png", b"nothing"))], "is not a picture"),
        ([("content", ("a.zip", b"PK\x05\x06" + bytes(18))), FILES[1]], "there is no photograph"),
    ]
    for files, text in wrong:
        answer = client.post("/v1/jobs", files=files, data=ASKED)
        assert answer.status_code in (415, 422), answer.text
        assert text in answer.json()["detail"]
    # Nor is it painted at once.
    problem(client.post("/v1/stylize", files=FILES, data=ASKED), 422, "bad_request")
    assert client.get("/v1/jobs").json()["jobs"] == []


def test_a_network_of_one_style_needs_no_style(client: httpx.Client) -> None:
    models = {model["name"]: model for model in client.get("/v1/models").json()["models"]}
    told = {"name": "candy", "version": "1", "kind": "per-style", "licence": "Apache-2.0", "active": True}
    assert models["candy"] == told
    assert (models["instant"]["kind"], models["instant"]["active"]) == ("arbitrary", True)
    painted = client.post("/v1/stylize", files=FILES[:1], data={"model": "candy"})
    assert (painted.status_code, painted.headers["impasto-model"]) == (200, "candy@1")
    with Client(str(client.base_url)) as library:
        assert library.stylize(PHOTO, model="candy@1") == painted.content
        job = library.submit([a_photo(1), a_photo(2)], kind="batch", model="candy").wait()
        assert [item["state"] for item in job.facts["items"]] == ["done", "done"]
    for model in ("/etc", ".", str(Path.cwd()), "candy@7"):
        answer = client.post("/v1/stylize", files=FILES[:1], data={"model": model, "style": "udnie"})
        assert "there is no model" in problem(answer, 422, "bad_request")
    problem(client.post("/v1/stylize", files=FILES[:1], data={"model": "instant"}), 422, "bad_request")


def new_models(client: httpx.Client, before: Sequence[str] = ()) -> list[str]:
    found = [f"{model['name']}@{model['version']}" for model in client.get("/v1/models").json()["models"]]
    return [identity for identity in found if identity not in before]


def test_a_training_goes_on_in_a_server_that_was_killed(server: Served, tmp_path: Path) -> None:
    for seed in range(3):
        (tmp_path / f"{seed}.png").write_bytes(a_photo(seed))
    (tmp_path / "notes.txt").write_text("no picture")
    with Client(server.address) as client:
        for _ in range(2):  # under one id, the same again is the same
            job = client.train_style(PAINTING, tmp_path, name="harbour", minutes=100, id="mine", title="The harbour")
        with pytest.raises(StyleExists, match="is being trained"):
            client.train_style(PAINTING, [a_photo(1)], name="harbour")
        assert (job.facts["kind"], job.facts["settings"]["title"]) == ("train-style", "The harbour")
        saved = server.home / "jobs" / "runs"
        with server.client() as http:
            before = new_models(http)
            learnt = wait(http, "/v1/jobs/mine", lambda answer: (answer.json()["step"] or 0) > 1).json()
            assert (learnt["stage"], learnt["steps"]) == ("learn", None)
            assert 0 < learnt["seconds_left"] < 6000
            preview = wait(http, "/v1/jobs/mine/preview", lambda answer: answer.status_code == 200)
            assert Image.open(io.BytesIO(preview.content)).format == "JPEG"
            wait(http, "/v1/jobs/mine", lambda _: [*saved.glob("*.style/checkpoint.pt")])
    server.kill()
    server.arguments = ("--port", server.address.rpartition(":")[2])
    server.start()
    with Client(server.address) as client, server.client() as http:
        wait(http, "/v1/jobs/mine", lambda answer: answer.json()["step"])
        (log,) = saved.glob("*.style/log.jsonl")
        begun = [line for line in log.read_text().splitlines() if line.startswith('{"step": 1,')]
        assert len(begun) == 1, "it began again"
        job = client.job("mine")
        with pytest.raises(TimeoutError, match="job mine is still running after 0 seconds"):
            job.wait(0)
        job.keep()
        job.wait()
        assert job.facts["items"][0]["complete"] is False
        assert Image.open(io.BytesIO(job.result())).format == "JPEG"
        (style,) = (style for style in client.styles() if style["own"])
        assert (style["name"], style["title"]) == ("harbour", "The harbour")
        assert new_models(http, before) == [style["network"]]
        painted = client.pastiche(PHOTO, "harbour")
        assert painted.model == style["network"]
        job.delete()
        assert client.pastiche(PHOTO, "harbour").data == painted.data
        client.remove_style("harbour")
        assert new_models(http, before) == []
        assert [*saved.glob("*.style")] == []


def test_photographs_are_sent_as_small_as_they_are_looked_at(tmp_path: Path) -> None:
    large = np.random.default_rng(1).integers(0, 256, (900, 1400, 3), np.uint8)
    Image.fromarray(large).save(tmp_path / "b.png")
    Image.fromarray(large[:50, :70]).save(tmp_path / "a.webp")
    (tmp_path / "c.txt").write_text("no picture")
    sent = load_training_photos(tmp_path)
    assert [one.name for one in sent] == ["a.jpg", "b.jpg"]
    assert [Image.open(io.BytesIO(one.data)).size for one in sent] == [(70, 50), (996, 640)]
    assert len(load_training_photos([a_photo(1)] * 750)) == 300
    assert [one.name for one in load_training_photos([Upload("sea.heic", a_photo(1)), tmp_path / "b.png"])] == [
        "sea.jpg",
        "b.jpg",
    ]
    (tmp_path / "torn.png").write_bytes(a_photo(1)[:100])
    with pytest.raises(PictureError, match=r"^torn\.png: "):
        load_training_photos(tmp_path / "torn.png")
    with pytest.warns(UserWarning, match=r"^a photograph is left out: torn\.png: "):
        assert [one.name for one in load_training_photos(tmp_path)] == ["a.jpg", "b.jpg"]
    with pytest.raises(PictureError, match="there is no photograph"):
        load_training_photos([])
    with pytest.raises(PictureError, match="nowhere"):
        load_training_photos(tmp_path / "nowhere")

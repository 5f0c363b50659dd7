"""The door of the tutorial's server: what its Streamlit client sends and waits for, replayed."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from browser import a_studio, bring, painted
from playwright.sync_api import Browser
from replaying import Answer, picture_of, replay, requests_form
from serving import Served
from test_server import finished, picture, problem, wait
from waiting import WAIT, until

from impasto import Gallery
from impasto.server.compat.style_names import MODELS, TUTORIAL

HOST = "backend:8080"
PHOTO = picture(5, 80, kind="JPEG")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("painting")
    with Served(home, "--compat", "--host-name", "backend", "--storage", str(home / "shared" / "storage")) as server:
        with server.client() as client:
            wait(client, "/readyz", lambda answer: answer.status_code == 200)
        yield server


def asked(server: Served, style: str, photo: bytes = PHOTO) -> Answer:
    """``requests.post(f"http://backend:8080/{style}", files={"file": photo})``."""
    return replay(server.address, requests_form(f"/{quote(style)}", HOST, {"file": photo}))


def polled(folder: Path, name: str, style: str) -> dict[str, bytes]:
    """What the client finds where it looks for the other styles, over and over, as it does."""
    found: dict[str, bytes] = {}
    deadline = time.monotonic() + WAIT
    wanted = {other: f"{name.split('.')[0]}_{model}.jpg" for other, model in TUTORIAL.items() if other != style}
    while len(found) < len(wanted):
        assert time.monotonic() < deadline, sorted(set(wanted) - set(found))
        for other, path in wanted.items():
            file = folder / Path(path).name
            if other not in found and file.exists():
                # Whole as soon as it is there.
                found[other] = file.read_bytes()
                assert picture_of(found[other]).format == "JPEG"
    return found


def test_one_style_is_answered_and_the_others_appear(server: Served) -> None:
    folder = server.home / "shared" / "storage"
    answer = asked(server, "starry night")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json"), answer.body
    facts = answer.json()
    assert list(facts) == ["name", "time"]
    assert re.fullmatch(r"/storage/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.jpg", facts["name"])
    assert 0 < facts["time"] < WAIT
    assert "impasto-stand-in" not in answer.headers
    first = (folder / Path(facts["name"]).name).read_bytes()
    assert (picture_of(first).format, picture_of(first).size) == ("JPEG", (80, 80))
    others = polled(folder, facts["name"], "starry night")
    assert len({first, *others.values()}) == len(TUTORIAL)
    assert {picture_of(data).size for data in others.values()} == {(80, 80)}
    # The same over HTTP.
    with server.client() as client:
        for path, data in ((facts["name"], first), (facts["name"].replace(".jpg", "_candy.jpg"), others["candy"])):
            served = client.get(path)
            assert (served.headers["content-type"], served.content) == ("image/jpeg", data)
        # One job of its owner's, the pictures of which are those.
        (job,) = client.get("/v1/jobs", params={"limit": 1}).json()["jobs"]
        assert (job["kind"], job["priority"]) == ("grid", 9)
        assert f"/storage/{job['id']}.jpg" == facts["name"]
        names = [item["name"] for item in job["items"]]
        assert names[:3] == ["lady-with-fan", "composition-vii", "strawberry-thief"]
        assert client.get(f"/v1/jobs/{job['id']}/result/0").content == others["candy"]
        # And they go with it.
        assert client.delete(f"/v1/jobs/{job['id']}").status_code == 204
    until(lambda: not list(folder.glob(f"{job['id']}*")))
    until(lambda: not list((server.home / "jobs" / "pending_files").glob(f"{job['id']}*")))
    assert replay(server.address, f"GET {facts['name']} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()).status == 404


@pytest.mark.parametrize(
    ("style", "model", "stand_in"),
    [
        *((name, model, None) for name, model in TUTORIAL.items() if model.replace("_", "-") in Gallery()),
        ("the_scream", "the_scream", None),
        ("the-wave", "the_wave", None),
        ("candy", "candy", "lady-with-fan"),
        ("feathers", "feathers", "strawberry-thief"),
        ("la_muse", "la_muse", "tiger"),
        ("mosaic", "mosaic", "metzinger"),
        ("zodiac", None, None),
    ],
)
def test_every_name_is_taken_and_stand_ins_say_so(
    server: Served, style: str, model: str | None, stand_in: str | None
) -> None:
    answer = asked(server, style, picture(6, 32))
    assert answer.status == 200, answer.body
    assert answer.headers.get("impasto-stand-in") == stand_in
    folder, stem = server.home / "shared" / "storage", Path(answer.json()["name"]).stem
    rest = {f"{stem}_{other}.jpg" for other in MODELS if other != model}
    until(lambda: {path.name for path in folder.glob(f"{stem}_*.jpg")} == rest)
    with server.client() as client:
        name = stand_in or style.replace(" ", "-").replace("_", "-").replace("composition-6", "composition-vii")
        same = client.post(
            "/v1/stylize", files={"content": picture(6, 32)}, data={"style": name, "format": "jpeg"}
        ).content
        assert picture_of((folder / f"{stem}.jpg").read_bytes()).tobytes() == picture_of(same).tobytes()


def test_a_style_of_that_very_name_is_no_stand_in(server: Served) -> None:
    with server.client() as client:
        card = Gallery().export("starry-night")
        made = client.post("/v1/styles", files={"picture": ("a.style", card)}, data={"name": "la-muse"})
        assert made.status_code == 201, made.text
        try:
            answer = asked(server, "la_muse", picture(6, 32))
            assert answer.status == 200
            assert "impasto-stand-in" not in answer.headers
            models = {one["modelName"]: one["modelUrl"] for one in client.get("/models").json()["models"]}
            assert models["la_muse"] == "la-muse"
            finished(client, Path(answer.json()["name"]).stem)
        finally:
            assert client.delete("/v1/styles/la-muse").status_code == 204
        assert asked(server, "la_muse", picture(6, 32)).headers["impasto-stand-in"] == "tiger"


def test_what_is_wrong_is_said_as_fastapi_does(server: Served) -> None:
    unknown = asked(server, "starry nigth")
    assert (unknown.status, list(unknown.json())) == (404, ["detail"])
    for name in (*MODELS, "zodiac", "'starry nigth'"):
        assert name in unknown.json()["detail"]
    none = replay(server.address, requests_form("/candy", HOST, {"image": PHOTO}))
    assert none.status == 422
    assert none.json()["detail"][0]["loc"] == ["body", "file"]
    words = asked(server, "candy", b"words")
    assert words.status == 415
    assert "is not a picture that can be read" in words.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/../candy"),
        ("POST", "/%2e%2e"),
        ("POST", "/.."),
        ("POST", "/%2e%2e%2fcandy"),
        ("POST", "/candy%00"),
        ("POST", "/candy/"),
        ("POST", "//candy"),
        ("GET", "/storage/../pending_files"),
        ("GET", "/storage/%2e%2e%2fjobs.sqlite"),
        ("GET", "/storage/..%5cjobs.sqlite"),
        ("GET", "/storage/"),
        ("GET", "/storage/candy.jpg"),
        ("GET", "/storage/00000000-0000-0000-0000-000000000000.jpg"),
        ("GET", "/storage/00000000-0000-0000-0000-000000000000.jpg%0a"),
        ("GET", "/storage/00000000-0000-0000-0000-000000000000_..jpg"),
    ],
)
def test_hostile_names_lead_nowhere(server: Served, method: str, path: str) -> None:
    raw = requests_form(path, HOST, {"file": PHOTO}) if method == "POST" else b""
    answer = replay(server.address, raw or f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    assert answer.status in (404, 405, 307), answer.body
    assert "detail" in answer.json() if answer.status != 307 else not answer.body


def test_a_link_in_the_storage_is_not_followed(server: Served) -> None:
    facts = asked(server, "udnie", picture(6, 32)).json()
    file = server.home / "shared" / "storage" / Path(facts["name"]).name
    secret = server.home / "secret"
    secret.write_bytes(b"secret")
    file.unlink()
    file.symlink_to(secret)
    assert replay(server.address, f"GET {facts['name']} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()).status == 404


def test_other_addresses_are_what_they_were(server: Served) -> None:
    with server.client() as client:
        assert client.get("/healthz").text == "ok\n"
        assert client.get("/v1/styles").json()["styles"]
        assert client.get("/metrics").status_code == 200
        assert client.get("/sw.js").headers["content-type"].startswith("text/javascript")
        problem(client.get("/v1/nothing"), 404, "not_found")
        problem(client.put("/v1/styles"), 405, "method_not_allowed")
        problem(
            client.post("/candy", files={"file": PHOTO}, headers={"Sec-Fetch-Site": "cross-site"}), 403, "forbidden"
        )
        problem(client.post("/candy", files={"file": PHOTO}, headers={"Host": "evil.example"}), 421, "wrong_host")


def test_programs_are_greeted_and_browsers_have_the_studio(server: Served) -> None:
    raw = f"GET / HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: python-requests/2.31.0\r\nAccept: */*\r\n\r\n"
    answer = replay(server.address, raw.encode())
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert list(answer.json()) == ["message"]
    assert "Accept" in answer.headers["vary"]
    with server.client() as client:
        for headers in (
            {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
            {"Accept": "*/*", "Sec-Fetch-Mode": "cors"},
        ):
            page = client.get("/", headers=headers)
            assert page.headers["content-type"].startswith("text/html")
            assert "<title>" in page.text
            assert "Accept" in page.headers["vary"]


def test_the_studio_paints_and_opens_without_a_server(browser: Browser, tmp_path: Path) -> None:
    with (
        Served(tmp_path, "--compat") as server,
        a_studio(browser, server.address, expected="Failed to (load|fetch)|ERR_|NetworkError") as page,
    ):
        page.wait_for_function("() => navigator.serviceWorker.controller?.state === 'activated'")
        bring(page, {"name": "cat.png", "mimeType": "image/png", "buffer": PHOTO})
        painted(page)
        # What the worker kept of the address is the page.
        kept = "async () => (await caches.match('/')).headers.get('content-type')"
        assert page.evaluate(kept).startswith("text/html")


def test_killed_and_started_again_it_keeps_its_promises(tmp_path: Path) -> None:
    with Served(tmp_path, "--compat", "--host-name", "backend") as server:
        folder = tmp_path / "jobs" / "storage"
        names = [
            asked(server, style, picture(60 + i, 128)).json()["name"] for i, style in enumerate(("candy", "zodiac"))
        ]
        server.kill()
        before = {path.name for path in folder.glob("*_*.jpg")}
        assert len(before) < 8 + 9
        firsts = {name: (folder / Path(name).name).read_bytes() for name in names}
        server.start()
        assert set(polled(folder, names[0], "candy")) == set(TUTORIAL) - {"candy"}
        assert set(polled(folder, names[1], "")) == set(TUTORIAL)
        with server.client() as client:
            for name, data in firsts.items():
                assert client.get(name).content == data
        # What is taken out of the folder then is not put there again.
        until(
            lambda: all(
                b'"kept": true' in path.read_bytes() for path in (tmp_path / "jobs" / "pending_files").iterdir()
            )
        )
        taken = folder / Path(names[0]).name.replace(".jpg", "_mosaic.jpg")
        taken.unlink()
        assert server.stop() == 0
        server.start()
        with server.client() as client:
            assert client.get(names[1]).status_code == 200
            wait(client, "/readyz", lambda answer: answer.status_code == 200)
            assert asked(server, "udnie", picture(70, 32)).status == 200
        assert not taken.exists()


def test_with_keys_pictures_are_their_owners(tmp_path: Path) -> None:
    from impasto.server.auth import Keys

    made = {owner: Keys.new(owner) for owner in ("anna", "bert")}
    (tmp_path / "keys.txt").write_text("\n".join(line for _, line in made.values()))
    with Served(tmp_path, "--compat", "--api-key-file", str(tmp_path / "keys.txt")) as server:
        anna, bert = (server.client(headers={"Authorization": f"Bearer {key}"}) for key, _ in made.values())
        with anna, bert, server.client() as nobody:
            stranger = nobody.post("/candy", files={"file": PHOTO})
            assert (stranger.status_code, list(stranger.json())) == (401, ["detail"])
            assert stranger.headers["www-authenticate"] == "Bearer"
            name = anna.post("/candy", files={"file": PHOTO}).json()["name"]
            assert anna.get(name).status_code == 200
            assert bert.get(name).status_code == 404
            assert nobody.get(name).status_code == 401
            assert nobody.get("/").json()["message"]
            finished(anna, Path(name).stem)
            assert bert.get("/v1/jobs").json()["jobs"] == []


def test_the_storage_is_for_the_option(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="give --compat, too"):
        Served(tmp_path, "--storage", str(tmp_path / "storage")).start()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(AssertionError, match="give another folder with --storage"):
        Served(tmp_path, "--compat", "--storage", str(tmp_path / "file" / "storage")).start()


def test_all_nine_are_one_request(tmp_path: Path) -> None:
    with Served(tmp_path, "--compat", "--limit", "requests_per_minute=1", "--host-name", "backend") as server:
        with server.client() as client:
            wait(client, "/readyz", lambda answer: answer.status_code == 200)
        assert asked(server, "candy").status == 200
        assert asked(server, "candy").status == 429

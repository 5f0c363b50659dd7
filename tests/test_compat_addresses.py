"""The addresses of the doors: what is there, what is not, and the page that documents them."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from browser import a_browser
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from replaying import picture_of, replay, requests_form, urlencoded
from serving import Served
from test_server import PAINTING, picture, wait

from impasto.server.compat.style_names import TUTORIAL

HOST = "127.0.0.1:8000"
PHOTO = picture(5, 96, kind="JPEG")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("addresses"), "--compat") as server:
        with server.client() as client:
            wait(client, "/readyz", lambda answer: answer.status_code == 200)
        yield server


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "path", ["/nothing", "/favicon.ico", "/v1", "/redoc", "/predictions", "/storage", "/predictions/nothing", "/a%00b"]
)
def test_what_is_not_there_is_not_found_however_it_is_asked_for(server: Served, method: str, path: str) -> None:
    if (method, path) == ("PUT", "/predictions/nothing"):
        pytest.skip("asks for a pastiche")
    with server.client() as client:
        answer = client.request(method, path)
    assert answer.status_code == 404, answer.text
    assert "allow" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        *(("GET", f"/{name}", {"POST"}) for name in TUTORIAL),
        ("HEAD", "/candy", {"POST"}),
        ("PUT", "/candy", {"POST"}),
        ("DELETE", "/zodiac", {"POST"}),
        ("OPTIONS", "/starry_night", {"POST"}),
        ("PROPFIND", "/candy", {"POST"}),
        ("GET", "/style", {"POST"}),
        ("PUT", "/style", {"POST"}),
        ("DELETE", "/ping", {"GET", "HEAD", "POST"}),
        ("POST", "/models", {"GET", "HEAD"}),
        ("POST", "/docs", {"GET", "HEAD"}),
        ("POST", "/", {"GET", "HEAD"}),
        ("POST", "/metrics", {"GET", "HEAD"}),
        ("PROPFIND", "/metrics", {"GET", "HEAD"}),
        ("POST", "/healthz", {"GET", "HEAD"}),
        ("PUT", "/openapi.json", {"GET", "HEAD"}),
        ("GET", "/predictions/nst", {"POST", "PUT"}),
        ("DELETE", "/predictions/iterative/1.0", {"POST", "PUT"}),
        ("GET", "/predictions/the_wave", {"POST", "PUT"}),
        ("POST", "/storage/x.jpg", {"GET", "HEAD"}),
        ("DELETE", "/v1/styles", {"GET", "HEAD", "POST"}),
    ],
)
def test_what_is_there_says_how_it_may_be_asked_for(server: Served, method: str, path: str, allowed: set[str]) -> None:
    with server.client() as client:
        answer = client.request(method, path)
    assert answer.status_code == 405, answer.text
    named = answer.headers["allow"].split(", ")
    assert (set(named), len(named)) == (allowed, len(allowed))


def test_a_path_of_ours_is_none_of_theirs_though_a_picture_is_sent(server: Served) -> None:
    for path in ("/metrics", "/models", "/healthz"):
        answer = replay(server.address, requests_form(path, HOST, {"file": PHOTO}))
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    for path in ("/predictions", "/storage"):
        assert replay(server.address, requests_form(path, HOST, {"file": PHOTO})).status == 404


def test_with_keys_strangers_hear_the_same_and_owners_of_their_own_styles(tmp_path: Path) -> None:
    from impasto import Gallery
    from impasto.server.auth import Keys

    key, line = Keys.new("anna")
    (tmp_path / "keys.txt").write_text(line)
    with (
        Served(tmp_path, "--compat", "--api-key-file", str(tmp_path / "keys.txt")) as server,
        server.client() as stranger,
        server.client(headers={"Authorization": f"Bearer {key}"}) as anna,
    ):
        card = Gallery().export("starry-night")
        assert anna.post("/v1/styles", files={"picture": ("a.style", card)}, data={"name": "harbour"}).is_success
        for path in ("/candy", "/predictions/candy", "/style"):
            assert [client.get(path).status_code for client in (stranger, anna)] == [405, 405]
        for path in ("/harbour", "/predictions/harbour"):
            assert [client.get(path).status_code for client in (stranger, anna)] == [404, 405]
        assert stranger.get("/nothing").status_code == 404
        assert stranger.get("/docs").status_code == 200


def test_the_schema_has_what_the_doors_take(server: Served) -> None:
    with server.client() as client:
        paths = client.get("/openapi.json").json()["paths"]
    doors = {
        "/": {"get"},
        "/style": {"post"},
        "/{style}": {"post"},
        "/storage/{name}": {"get"},
        "/ping": {"get", "post"},
        "/models": {"get"},
        "/predictions/{model}": {"post", "put"},
    }
    assert {path: set(paths[path]) for path in doors} == doors
    form = paths["/style"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert (set(form["properties"]), set(form["required"])) == (({"content_image", "style_image"},) * 2)
    (ratio,) = paths["/style"]["post"]["parameters"]
    bounds = ratio["schema"]
    assert (ratio["name"], bounds["minimum"], bounds["maximum"], bounds["default"]) == ("blending_ratio", 0, 1, 1)
    for told in ("0 gives the photograph back", "Below 0 and above 1", "refused"):
        assert told in ratio["description"]
    operations = [one["operationId"] for path in paths.values() for one in path.values()]
    assert len(set(operations)) == len(operations)


def test_without_the_option_there_is_no_such_page(served: Served) -> None:
    with served.client() as client:
        assert client.get("/docs").status_code == 404
        assert "/style" not in client.get("/openapi.json").json()["paths"]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with a_browser() as browser:
        yield browser


@pytest.fixture
def docs(chromium: Browser, server: Served) -> Iterator[Page]:
    """The page, which asks nothing of another origin and complains of nothing."""
    context = chromium.new_context()
    context.set_default_timeout(120_000)
    page, foreign, complaints = context.new_page(), list[str](), list[str]()
    page.on("request", lambda asked: foreign.append(asked.url) if not own(asked.url, server.address) else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    # An answer such as 422 is one of what is tried here.
    page.on("console", lambda said: complaints.append(said.text) if "Failed to load" not in said.text else None)
    page.goto(f"{server.address}/docs")
    yield page
    assert (foreign, complaints) == ([], [])
    context.close()


def own(url: str, address: str) -> bool:
    return url.startswith((f"{address}/", "blob:", "data:"))


def test_the_page_shows_every_address_and_asks_nothing_of_others(docs: Page, server: Served) -> None:
    with server.client() as client:
        paths = client.get("/openapi.json").json()["paths"]
        page = client.get("/docs")
    wanted = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    shown = docs.eval_on_selector_all(
        "form[data-path]", "forms => forms.map(form => [form.dataset.method, form.dataset.path])"
    )
    assert {tuple(one) for one in shown} == wanted
    assert not re.search(r"https?://|<script(?! type=\"module\" src=\"docs/)|\son\w+=| style=", page.text)
    assert page.headers["etag"]
    # What docstrings mark as code is shown so.
    assert "``" not in docs.content()
    events = docs.locator("details:has(form[data-path='/v1/events'])")
    events.locator("summary").click()
    events.get_by_role("button", name="Send").click()
    expect(events.locator("output pre")).to_contain_text("no end", timeout=120_000)


def test_the_page_is_for_everyone(docs: Page) -> None:
    for form in ("form[data-path='/style']", "form[data-path='/v1/jobs'][data-method=POST]"):
        docs.locator(f"details:has({form}) summary").click()
    docs.evaluate((files("axe_playwright_python") / "axe.min.js").read_text())
    found = docs.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    assert found["passes"], "nothing was looked at"
    assert [rule["id"] for rule in found["violations"]] == []


def test_two_pictures_are_blended_from_the_page(docs: Page, tmp_path: Path) -> None:
    for name, data in (("photo.jpg", PHOTO), ("monet.jpg", PAINTING)):
        (tmp_path / name).write_bytes(data)
    door = docs.locator("details:has(form[data-path='/style'])")
    door.locator("summary").click()
    door.locator("[name=content_image]").set_input_files(tmp_path / "photo.jpg")
    door.locator("[name=style_image]").set_input_files(tmp_path / "monet.jpg")
    door.locator("[name=blending_ratio]").fill("0.5")
    door.get_by_role("button", name="Send").click()
    expect(door.locator("output img")).to_be_visible(timeout=120_000)
    expect(door.locator("output")).to_contain_text("200")
    size = "image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])"
    assert door.locator("output img").evaluate(size) == [96, 96]
    # What is refused is told there.
    door.locator("[name=blending_ratio]").fill("100")
    door.get_by_role("button", name="Send").click()
    expect(door.locator("output pre")).to_contain_text("less than or equal to 1", timeout=120_000)


def test_a_style_is_asked_for_from_the_page(docs: Page, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(PHOTO)
    door = docs.locator("details:has(form[data-path='/{style}'])")
    door.locator("summary").click()
    door.locator("[data-in=path]").fill("starry night")
    door.locator("[name=file]").set_input_files(tmp_path / "photo.jpg")
    door.get_by_role("button", name="Send").click()
    expect(door.locator("output pre")).to_contain_text('"name":"/storage/', timeout=120_000)
    body = docs.locator("details:has(form[data-method=PUT][data-path='/predictions/{model}'])")
    body.locator("summary").click()
    body.locator("[data-in=path]").fill("udnie")
    body.locator("[data-in=body]").set_input_files(tmp_path / "photo.jpg")
    body.get_by_role("button", name="Send").click()
    expect(body.locator("output img")).to_be_visible(timeout=120_000)


def sized(width: int, height: int, turned: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = turned
    buffer = io.BytesIO()
    picture_of(picture(7)).convert("RGB").resize((width, height)).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def test_a_large_photograph_is_answered_small_enough_for_the_page(server: Served) -> None:
    """Whose image has no size of its own, and its text no bound."""
    for photo, size in (
        (sized(1600, 1200), (512, 384)),
        (sized(600, 1200), (256, 512)),
        (sized(1600, 800, turned=6), (256, 512)),
        (sized(512, 300), (512, 300)),
        (sized(90, 70), (90, 70)),
    ):
        answer = replay(server.address, urlencoded("/predictions/nst", HOST, {"content": photo, "style": PAINTING}))
        assert answer.status == 200, answer.body
        assert picture_of(answer.body).size == size
        assert len(answer.body) < 1 << 20
    style = replay(server.address, requests_form("/predictions/udnie", HOST, {"data": sized(1600, 1200)}))
    assert picture_of(style.body).size == (512, 384)
    # The doors whose clients have room for it answer as large as the photograph is.
    both = {"content_image": sized(1600, 1200), "style_image": PAINTING}
    blended = replay(server.address, requests_form("/style", HOST, both))
    assert picture_of(blended.body).size == (1600, 1200)


def test_another_size_is_that_of_every_door(tmp_path: Path) -> None:
    photo = sized(300, 200)
    with Served(tmp_path, "--compat", "--compat-size", "120") as server, server.client() as client:
        wait(client, "/readyz", lambda answer: answer.status_code == 200)
        pair = {"content": photo, "style": PAINTING}
        for path, fields in (
            ("/predictions/nst", pair),
            ("/predictions/udnie", {"data": photo}),
            ("/style", {"content_image": photo, "style_image": PAINTING}),
        ):
            answer = replay(server.address, requests_form(path, HOST, fields))
            assert answer.status == 200, answer.body
            assert picture_of(answer.body).size == (120, 80), path
        facts = replay(server.address, requests_form("/candy", HOST, {"file": photo})).json()
        assert picture_of(client.get(facts["name"]).content).size == (120, 80)
        wave = facts["name"].replace(".jpg", "_the_wave.jpg")
        found = wait(client, wave, lambda answer: answer.status_code == 200)
        assert picture_of(found.content).size == (120, 80)
        # What the studio and the API make is as large as ever.
        own = client.post("/v1/stylize", files={"content": photo}, data={"style": "udnie"})
        assert picture_of(own.content).size == (300, 200)
        broken = replay(server.address, urlencoded("/predictions/nst", HOST, pair | {"content": b"\xff\xd8\xffno"}))
        assert (broken.status, broken.json()["type"]) == (400, "BadRequestException")
        assert broken.json()["message"].startswith("content: ")


def test_the_size_is_for_the_option(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="give --compat, too"):
        Served(tmp_path, "--compat-size", "300").start()

"""A network for a painting of one's own, in the studio: asked for by keyboard, watched, kept, used, removed."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from browser import a_studio, bring, chosen, file, go, notice, repainting
from pictures import noise
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from serving import Served
from skimage import data
from test_studio_access import wrong
from trainings import a_base

CAT = file("cat.png", data.chelsea()[20:148, 60:188])
PAINTING = file("Rough_sea.png", noise(96, 72, seed=5))
PHOTOS = [file(f"{i}.png", data.chelsea()[i * 40 : i * 40 + 100, 100:240]) for i in range(4)]
PATIENCE = 900_000
"""Milliseconds for what lets everything else on this machine go first."""
TEXTS = files("impasto") / "web" / "static" / "texts"


@pytest.fixture(scope="module")
def sea(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("sea")
    a_base(home / "user")
    with Served(home) as server:
        yield server


def shot(page: Page, name: str) -> None:
    """For who wants to look: written where $IMPASTO_SHOTS says."""
    if folder := os.environ.get("IMPASTO_SHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def ask(page: Page) -> None:
    """Open the dialog for the painting, by keyboard."""
    page.get_by_role("button", name="Train a network for this painting").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()


def add(page: Page) -> None:
    page.set_input_files("style-gallery input[type=file]", [PAINTING])
    expect(page.locator(".thumb[aria-pressed=true] .title")).to_have_text("Rough sea")


def test_a_network_is_asked_for_watched_kept_and_used(browser: Browser, sea: Served) -> None:
    with a_studio(browser, sea.address, expected="409") as page:
        bring(page, CAT)
        with repainting(page):
            add(page)
        ask(page)
        box = page.get_by_role("dialog", name="Train a network for this painting")
        # Without a photograph it does not begin, and says so.
        box.get_by_role("button", name="Start").click()
        expect(box.locator(".trouble")).to_have_text("Choose one photograph or more.")
        box.locator("input[type=file]").set_input_files(PHOTOS)
        expect(box).to_contain_text("4 photographs")
        expect(box.get_by_label("Name of the style")).to_have_value("Rough sea")
        box.get_by_label("Minutes").fill("60")
        shot(page, "dialog")
        box.get_by_label("Minutes").press("Enter")
        expect(box).to_be_hidden()
        notice(page, "The network is learning.").get_by_role("button", name="History").click()
        job = page.locator(".job", has_text="Rough sea")
        expect(job.locator(".state")).to_have_text("Learning")
        expect(job.get_by_alt_text("Photographs, and below")).to_be_visible(timeout=PATIENCE)
        expect(job.locator(".progress-text")).to_contain_text("left")
        assert wrong(page) == []
        shot(page, "running")
        # The name is spoken for meanwhile.
        go(page, "studio")
        ask(page)
        box.locator("input[type=file]").set_input_files(PHOTOS[:2])
        box.get_by_role("button", name="Start").click()
        expect(box.locator(".trouble")).to_contain_text("is being trained")
        page.keyboard.press("Escape")
        expect(box).to_be_hidden()
        go(page, "history")
        job.get_by_role("button", name="Stop here and keep").click()
        expect(job.locator(".state")).to_have_text("Done", timeout=PATIENCE)
        notice(page, "Rough sea has a network of its own now.")
        assert wrong(page) == []
        shot(page, "done")
        with repainting(page):
            job.get_by_role("button", name="Paint with it").click()
        expect(page.locator("#view-studio")).to_be_visible()
        assert chosen(page) == ["Rough sea"]
        mine = page.locator("li", has=page.locator(".thumb[aria-pressed=true]"))
        expect(mine).to_contain_text("Own network")
        expect(page.locator(".caption")).to_contain_text("rough-sea-")
        assert wrong(page) == []
        shot(page, "finished")
        mine.hover()
        mine.get_by_role("button", name="Remove this style").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        # The painting itself stays.
        expect(page.locator(".thumb", has_text="Rough sea")).to_have_count(1)
        expect(page.locator(".thumb", has_text="Rough sea")).not_to_contain_text("Own network")
    with sea.client() as client:
        assert not [model for model in client.get("/v1/models").json()["models"] if "rough-sea" in model["name"]]


@pytest.mark.parametrize(
    ("language", "scheme", "size"),
    [("en", "dark", (360, 640)), ("pt", "light", (320, 568)), ("zh", "dark", (1280, 800))],
)
def test_the_dialog_can_be_read_everywhere(
    browser: Browser, sea: Served, language: str, scheme: str, size: tuple[int, int]
) -> None:
    own = json.loads((TEXTS / f"{language}.json").read_text("utf-8"))
    with a_studio(browser, sea.address, size=size, locale=language, color_scheme=scheme) as page:
        add(page)
        page.get_by_role("button", name=own["train"]).click()
        box = page.get_by_role("dialog", name=own["train"])
        for key in ("train.lead", "train.photos", "train.photos.help", "train.start"):
            expect(box.get_by_text(own[key], exact=True)).to_be_visible()
        place = box.bounding_box()
        assert place is not None
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= size[0]
        assert box.evaluate("e => e.scrollWidth <= e.clientWidth")
        shot(page, f"dialog-{language}")
        assert wrong(page) == []
        box.get_by_role("button", name=own["cancel"]).click()
        expect(box).to_be_hidden()


def test_photographs_are_sent_small(browser: Browser, sea: Served) -> None:
    large = file("large.png", noise(1400, 900))
    with a_studio(browser, sea.address) as page:
        add(page)
        ask(page)
        box = page.get_by_role("dialog")
        box.locator("input[type=file]").set_input_files([large])
        box.get_by_label("Name of the style").fill("Starry night")
        with page.expect_response("**/v1/jobs") as answered:
            box.get_by_role("button", name="Start").click()
        job = answered.value.json()
        assert (job["settings"]["name"], job["settings"]["title"]) == ("starry-night-2", "Starry night")
        with sea.client() as client:
            client.post(f"/v1/jobs/{job['id']}/cancel")
    kept = [path.read_bytes() for path in (sea.home / "jobs" / "blobs").glob("??/*")]
    sizes = [Image.open(io.BytesIO(data)).size for data in kept if data.startswith(b"\xff\xd8\xff")]
    assert (996, 640) in sizes

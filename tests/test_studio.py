"""The studio as visitors use it: Chromium on a real server."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from browser import (
    a_studio,
    bring,
    chosen,
    downloaded,
    file,
    go,
    painted,
    ready,
    repainting,
    unlike,
)
from playwright.sync_api import Browser, Error, Page, Route, expect
from serving import Served
from skimage import data

from impasto.picture.provenance import read_settings

CAT = file("cat.png", data.chelsea())
COFFEE = file("coffee.jpg", data.coffee())  # larger than what is sent while knobs move


def drag(page: Page, slider: str, start: float, end: float) -> None:
    """Drag a slider's thumb between two shares of its width."""
    box = page.locator(slider).bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * start, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * end, y, steps=12)
    page.mouse.up()


def test_a_photograph_is_painted_in_the_style_that_is_clicked(studio: Page, tmp_path: Path) -> None:
    bring(studio, CAT)
    assert chosen(studio) == ["The Starry Night"]
    expect(studio.locator(".caption")).to_contain_text("451 × 300")
    name, night = downloaded(studio, tmp_path)
    assert name == "cat.starry-night.png"
    model = studio.locator(".caption").inner_text().rpartition(" · ")[2]
    assert read_settings(night) == {"model": model, "style": "starry-night"}
    with repainting(studio):
        studio.click(".thumb:has-text('Udnie')")
    assert chosen(studio) == ["Udnie"]
    name, udnie = downloaded(studio, tmp_path)
    assert name == "cat.udnie.png"
    assert unlike(night, udnie) > 5
    assert unlike(CAT["buffer"], udnie) > 5
    expect(studio.locator(".over")).to_have_attribute("alt", "cat.png, painted in the style of Udnie")


def test_strength_is_dragged_and_at_nothing_gives_the_photograph_back(studio: Page, tmp_path: Path) -> None:
    bring(studio, CAT)
    _, full = downloaded(studio, tmp_path)
    with repainting(studio):
        drag(studio, "#knob-strength", 0.98, 0.5)
    strength = float(studio.locator("#knob-strength").input_value())
    assert 0.3 < strength < 0.7
    _, half = downloaded(studio, tmp_path)
    settings = read_settings(half)
    assert settings is not None
    assert settings["strength"] == strength
    with repainting(studio):
        drag(studio, "#knob-strength", strength, 0)
    _, none = downloaded(studio, tmp_path)
    assert unlike(none, CAT["buffer"]) < 1
    assert unlike(none, CAT["buffer"]) < unlike(half, CAT["buffer"]) < unlike(full, CAT["buffer"])


@contextmanager
def holding(browser: Browser, served: Served) -> Iterator[tuple[Page, Route]]:
    """The studio, and a request of its own that is not answered yet; later ones are."""
    # A worker of the page's own would stand between it and what holds its requests here.
    with a_studio(browser, served.address, service_workers="block", expected="blocked by Playwright") as page:
        bring(page, CAT)
        held: list[Route] = []
        page.route("**/v1/stylize", lambda route: route.continue_() if held else held.append(route))
        with page.expect_request("**/v1/stylize"):
            page.locator("#knob-strength").press("ArrowLeft")
        expect(page.locator("picture-stage")).to_have_class("busy")
        yield page, held[0]


def test_a_request_that_is_out_of_date_is_given_up(browser: Browser, served: Served, tmp_path: Path) -> None:
    with holding(browser, served) as (page, held):
        # There is no answer yet, and the knob moves on.
        with repainting(page), page.expect_event("requestfailed") as given_up:
            page.locator("#knob-strength").press("Home")
        assert given_up.value == held.request
        _, last = downloaded(page, tmp_path)
        assert unlike(last, CAT["buffer"]) < 1


def test_a_picture_that_is_out_of_date_is_not_handed_out(browser: Browser, served: Served, tmp_path: Path) -> None:
    with holding(browser, served) as (page, held):
        # From here on no time passes: the knob moves, and the answer of before comes first.
        page.clock.install(time=0)
        page.clock.pause_at(1000)
        page.locator("#knob-strength").press("Home")
        before = page.locator(".over").get_attribute("src") or ""
        held.continue_()
        expect(page.locator(".over")).not_to_have_attribute("src", before)

        def press() -> None:
            page.locator("#tools").get_by_role("button", name="Download").click()
            page.clock.resume()

        _, last = downloaded(page, tmp_path, press)
        assert unlike(last, CAT["buffer"]) < 1


def test_a_large_photograph_is_painted_small_and_then_whole(studio: Page, tmp_path: Path) -> None:
    studio.evaluate("""() => {
      window.shown = [];
      document.querySelector('.over').addEventListener('load', ({ target }) => shown.push(target.naturalWidth));
    }""")
    bring(studio, COFFEE)
    expect(studio.locator(".caption")).to_contain_text("600 × 400")
    studio.wait_for_function("() => shown.at(-1) === 600")
    assert studio.evaluate("() => shown[0]") == 512
    name, painting = downloaded(studio, tmp_path)
    assert name == "coffee.starry-night.jpg"
    assert unlike(painting, COFFEE["buffer"]) > 5


def test_several_styles_are_mixed_by_their_weights(studio: Page, tmp_path: Path) -> None:
    bring(studio, CAT)
    studio.get_by_role("switch", name="Mix several").check()
    with repainting(studio):
        studio.click(".thumb:has-text('Udnie')")
    assert sorted(chosen(studio)) == ["The Starry Night", "Udnie"]
    shares = studio.locator("#mix output")
    expect(shares).to_have_text(["50%", "50%"])
    _, even = downloaded(studio, tmp_path)
    with repainting(studio):
        drag(studio, "#mix .weight:has-text('Udnie') input", 0.98, 0.25)
    first, second = (int(text.rstrip("%")) for text in shares.all_inner_texts())
    assert first + second == 100
    assert first > second
    _, uneven = downloaded(studio, tmp_path)
    assert unlike(even, uneven) > 1
    settings = read_settings(uneven)
    assert settings is not None
    assert isinstance(settings["style"], dict), settings
    with repainting(studio):
        studio.get_by_role("button", name="Take Udnie out of the mix").click()
    assert chosen(studio) == ["The Starry Night"]


def test_photograph_and_painting_are_compared_under_a_line(studio: Page) -> None:
    go(studio, "compare")
    expect(studio.get_by_text("There is nothing to compare yet.")).to_be_visible()
    studio.get_by_role("button", name="To the studio").click()
    bring(studio, CAT)
    go(studio, "compare")
    edge = studio.get_by_label("Edge between photograph and painting")
    box = studio.locator("before-after").bounding_box()
    assert box is not None
    studio.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    studio.mouse.down()
    studio.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2, steps=6)
    studio.mouse.up()
    assert 20 <= float(edge.input_value()) <= 30
    # What is left of the line is the photograph, what is right of it the painting.
    line = studio.locator("before-after .line").bounding_box()
    assert line is not None
    assert abs(line["x"] + line["width"] / 2 - box["x"] - box["width"] * float(edge.input_value()) / 100) < 2
    studio.get_by_role("button", name="Larger").click()
    expect(studio.locator("#lens output")).to_have_text("150%")
    studio.get_by_role("button", name="Whole picture").click()
    expect(studio.locator("#lens output")).to_have_text("100%")
    studio.get_by_role("switch", name="Side by side").check()
    panes = [pane.bounding_box() for pane in studio.locator("before-after .pane").all()]
    assert panes[0] is not None
    assert panes[1] is not None
    assert panes[0]["x"] + panes[0]["width"] <= panes[1]["x"] + 1


def test_a_grid_fills_and_a_cell_is_gone_on_with(studio: Page, tmp_path: Path) -> None:
    bring(studio, CAT)
    go(studio, "grid")
    studio.click("#plan summary")
    studio.locator("#plan").get_by_role("button", name="None").click()
    expect(studio.get_by_role("button", name="Paint the grid")).to_be_disabled()
    for title in ("Udnie", "The Starry Night", "The Scream"):
        studio.locator("#plan").get_by_label(title, exact=True).check()
    studio.get_by_role("button", name="Paint the grid").click()
    cells = studio.locator(".cell[data-state=done]")
    expect(cells).to_have_count(3)
    for cell in cells.all():
        cell.scroll_into_view_if_needed()
        expect(cell.locator("img")).to_have_js_property("complete", True)
        assert cell.locator("img").evaluate("image => image.naturalWidth") == 451
    with studio.expect_download() as waiting:
        studio.get_by_role("link", name="Download all as zip").click()
    waiting.value.save_as(tmp_path / "grid.zip")
    with zipfile.ZipFile(tmp_path / "grid.zip") as archive:
        assert len(archive.namelist()) == 3
        udnie = archive.read(next(name for name in archive.namelist() if "udnie" in name))
    # The grid's own address is enough to find it again.
    assert "#grid/" in studio.url
    studio.reload()
    ready(studio)
    expect(cells).to_have_count(3)
    studio.get_by_role("button", name="Udnie: go on with it in the studio").click()
    expect(studio.locator("#view-studio")).to_be_visible()
    assert chosen(studio) == ["Udnie"]
    painted(studio)
    _, same = downloaded(studio, tmp_path)
    assert unlike(same, udnie) < 1


def test_a_batch_is_painted_and_stands_in_the_history_after_a_reload(studio: Page, tmp_path: Path) -> None:
    bring(studio, CAT, COFFEE)
    expect(studio.locator("#view-history")).to_be_visible()
    expect(studio.locator("#batch")).to_contain_text("2 photographs")
    studio.get_by_role("button", name="Paint them all").click()
    job = studio.locator(".job", has_text="2 photographs · The Starry Night")
    expect(job.locator(".state")).to_have_text("Done")
    studio.reload()
    ready(studio)
    expect(job.locator(".state")).to_have_text("Done")
    expect(job.locator("img")).to_have_count(2)
    with studio.expect_download() as waiting:
        job.get_by_role("link", name="Download all as zip").click()
    waiting.value.save_as(tmp_path / "batch.zip")
    with zipfile.ZipFile(tmp_path / "batch.zip") as archive:
        assert archive.namelist() == ["001-cat.png", "002-coffee.jpg"]
        assert unlike(archive.read("001-cat.png"), CAT["buffer"]) > 5
    studio.locator("#filter select").select_option("failed")
    expect(studio.get_by_text("Nothing here yet.")).to_be_visible()
    studio.locator("#filter select").select_option("done")
    job.get_by_role("button", name="Delete").click()
    studio.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(job).to_have_count(0)
    studio.reload()
    ready(studio)
    expect(job).to_have_count(0)


def test_the_status_tells_of_the_workers(studio: Page) -> None:
    go(studio, "status")
    expect(studio.get_by_text("The server is ready.")).to_be_visible()
    lanes = studio.get_by_role("region", name="Workers").locator("tbody tr")
    expect(lanes).to_have_count(4)
    assert studio.get_by_role("region", name="Models").inner_text().count("instant") >= 1


def test_a_style_is_found_by_what_else_it_is_called_and_tells_of_the_work(studio: Page) -> None:
    shown = studio.locator(".thumb >> visible=true")
    for asked in ("noite estrelada", "Noite  Estrelada", "星夜"):
        studio.get_by_label("Search styles").fill(asked)
        expect(shown).to_have_count(1)
        expect(shown).to_contain_text("The Starry Night")
    expect(shown.locator("img.swatch")).to_have_js_property("naturalWidth", 256)
    tip = shown.get_attribute("title") or ""
    assert tip.splitlines()[0] == "The Starry Night, Vincent van Gogh, 1889"
    assert "Museum of Modern Art, New York" in tip
    expect(studio.locator("#mix")).to_contain_text("Painted in June 1889")
    expect(studio.locator("#mix")).to_contain_text("Museum of Modern Art, New York")


def test_what_was_on_the_easel_is_there_after_a_reload(studio: Page) -> None:
    bring(studio, CAT)
    with repainting(studio):
        studio.click(".thumb:has-text('Udnie')")
    with repainting(studio):
        studio.locator("#knob-strength").press("ArrowLeft")
    studio.reload()
    ready(studio)
    painted(studio)
    assert chosen(studio) == ["Udnie"]
    assert studio.locator("#knob-strength").input_value() == "0.99"
    assert studio.locator(".under").get_attribute("alt") == "Photograph: cat.png"


def test_the_watch_sees_what_it_is_for(browser: Browser, served: Served) -> None:
    def misbehave() -> None:
        with a_studio(browser, served.address) as page:
            page.evaluate("() => document.body.append(document.createElement('style'))")
            page.evaluate("() => { setTimeout(() => { throw new Error('not caught') }) }")
            page.evaluate("() => fetch('/v1/jobs/nobody')")
            with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
                page.goto("http://elsewhere.example/")

    with pytest.raises(AssertionError) as found:
        misbehave()
    for seen in (
        "Content Security Policy",
        "not caught",
        "status of 404",
        "asked elsewhere: http://elsewhere.example/",
    ):
        assert seen in str(found.value)

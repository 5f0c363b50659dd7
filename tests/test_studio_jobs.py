"""Long work in the studio: refined, watched, found again after a reload, a killed server, a lost connection."""

from __future__ import annotations

import io
import re
from pathlib import Path

from browser import a_studio, bring, chosen, downloaded, file, go, notice, painted, ready, repainting, unlike
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect
from serving import Served
from skimage import data

from impasto.picture.provenance import read_settings

CAT = file("cat.png", data.chelsea()[20:148, 60:188])
UNREACHABLE = "Failed to load resource: net::ERR_"
"""What the browser notes of every request to a server that has gone."""


def refine(page: Page, steps: int) -> None:
    """Start refining what stands on the easel, by so many steps on one level."""
    page.click(".more summary")
    for name, value in (("Steps", steps), ("Levels", 1)):
        page.get_by_label(name, exact=True).fill(str(value))
        page.keyboard.press("Tab")
    page.click(".more summary")
    page.get_by_role("button", name="Refine", exact=True).click()


def refining(page: Page) -> Locator:
    return page.locator("#refining")


def step(page: Page) -> int:
    """How far it is, once it is under way."""
    text = page.locator("#refining .progress-text", has_text=re.compile(r"Step [1-9]")).inner_text()
    return int(text.removeprefix("Step ").split()[0].replace(",", ""))


def is_refined(page: Page) -> None:
    expect(page.locator(".caption")).to_have_text("Refined · 128 × 128")
    expect(refining(page)).to_contain_text("Done")


def again(server: Served) -> None:
    """Start it where it was before."""
    server.arguments = ("--port", server.address.rpartition(":")[2])
    server.start()


def test_refining_shows_its_steps_and_losses_and_hands_out_the_result(studio: Page, tmp_path: Path) -> None:
    bring(studio, CAT)
    _, instant = downloaded(studio, tmp_path)
    refine(studio, 60)
    expect(studio.get_by_role("button", name="Refine", exact=True)).to_be_disabled()
    expect(studio.get_by_role("progressbar", name="Progress of refining")).to_be_visible()
    is_refined(studio)
    curve = refining(studio).get_by_role("img", name="Loss")
    expect(curve).to_be_visible()
    last, first = map(float, re.findall(r"\d+\.?\d*", curve.get_attribute("aria-label") or ""))
    assert last < first
    name, refined = downloaded(studio, tmp_path)
    assert name == "cat.starry-night.png"
    settings = read_settings(refined)
    assert settings is not None
    assert (settings["engine"], settings["steps"]) == ("iterative", 60)
    assert unlike(instant, refined) > 1
    # Both are there to choose from.
    studio.get_by_role("radio", name="Instant").check()
    assert downloaded(studio, tmp_path)[1] == instant
    studio.get_by_role("radio", name="Refined").check()
    assert downloaded(studio, tmp_path)[1] == refined


def test_refining_goes_on_over_a_reload_until_it_is_kept(studio: Page, tmp_path: Path) -> None:
    bring(studio, CAT)
    with repainting(studio):
        studio.click(".thumb:has-text('Udnie')")
    refine(studio, 20_000)
    before = step(studio)
    studio.reload()
    ready(studio)
    expect(studio.locator(".caption")).to_have_text("Refining. What you see is not finished.")
    assert step(studio) >= before
    expect(refining(studio).get_by_role("img", name="Loss")).to_be_visible()
    refining(studio).get_by_role("button", name="Stop here and keep").click()
    is_refined(studio)
    _, kept = downloaded(studio, tmp_path)
    assert Image.open(io.BytesIO(kept)).size == (128, 128)
    go(studio, "history")
    job = studio.locator(".job", has_text="cat.png · Udnie")
    expect(job.locator(".state")).to_have_text("Done")
    with studio.expect_download() as waiting:
        job.get_by_role("button", name="Download").click()
    assert waiting.value.path().read_bytes() == kept
    job.get_by_role("button", name="Compare").click()
    expect(studio.locator("before-after")).to_be_visible()
    # The studio is set as it was for that job.
    go(studio, "studio")
    with repainting(studio):
        studio.click(".thumb:has-text('The Scream')")
    go(studio, "history")
    job.get_by_role("button", name="Change and run again").click()
    expect(studio.locator("#view-studio")).to_be_visible()
    assert chosen(studio) == ["Udnie"]
    assert studio.get_by_label("Steps", exact=True).input_value() == "20000"


def test_refining_is_cancelled_and_leaves_the_instant_picture(studio: Page) -> None:
    bring(studio, CAT)
    with repainting(studio):
        studio.click(".thumb:has-text('The Scream')")
    refine(studio, 20_000)
    assert step(studio)
    refining(studio).get_by_role("button", name="Cancel").click()
    expect(refining(studio)).to_be_hidden()
    painted(studio)
    go(studio, "history")
    job = studio.locator(".job", has_text="cat.png · The Scream")
    expect(job.locator(".state")).to_have_text("Cancelled")


def test_a_killed_server_comes_back_and_the_open_page_goes_on(browser: Browser, tmp_path: Path) -> None:
    with Served(tmp_path / "server") as server, a_studio(browser, server.address, expected=UNREACHABLE) as page:
        bring(page, CAT)
        refine(page, 20_000)
        assert step(page)
        server.kill()
        expect(page.locator("#connection")).to_have_text("No word from the server. Trying again.")
        expect(refining(page)).to_contain_text("Step")
        again(server)
        expect(page.locator("#connection")).to_be_empty()
        assert step(page)
        refining(page).get_by_role("button", name="Stop here and keep").click()
        is_refined(page)
        settings = read_settings(downloaded(page, tmp_path)[1])
        assert settings is not None
        assert settings["engine"] == "iterative"
        go(page, "history")
        expect(page.locator(".job")).to_have_count(1)
        expect(page.locator(".job .state")).to_have_text("Done")
        go(page, "studio")
        with repainting(page):
            page.click(".thumb:has-text('Udnie')")


def test_without_a_server_the_shell_opens_and_says_so(browser: Browser, tmp_path: Path) -> None:
    with Served(tmp_path / "server") as server, a_studio(browser, server.address, expected=UNREACHABLE) as page:
        page.wait_for_function("() => navigator.serviceWorker.controller?.state === 'activated'")
        bring(page, CAT)
        settings = page.locator(".more-row").count()
        server.kill()
        expect(page.locator("#connection")).to_have_text("No word from the server. Trying again.")
        page.reload()
        ready(page)
        notice(page, "The server does not answer. See that it is running, then try again; nothing is lost.")
        expect(page.locator("#connection")).to_have_text("No word from the server. Trying again.")
        # What was there is there: the photograph, the gallery, the texts.
        assert page.locator(".under").get_attribute("alt") == "Photograph: cat.png"
        assert page.locator(".thumb").count() > 30
        page.locator("#language").select_option("pt")
        expect(page.get_by_role("link", name="Histórico")).to_be_visible()
        page.locator("#language").select_option("en")
        # And it all works again by itself.
        again(server)
        expect(page.locator("#connection")).to_be_empty()
        painted(page)
        expect(page.locator(".more-row")).to_have_count(settings)
        expect(page.locator(".notice")).to_have_count(0)


def test_offline_the_page_waits_and_then_paints(browser: Browser, served: Served) -> None:
    with a_studio(browser, served.address, expected=UNREACHABLE) as page:
        bring(page, CAT)
        page.context.set_offline(True)
        expect(page.locator("#connection")).to_have_text(
            "You are offline. The studio paints again when the connection is back."
        )
        page.locator("#knob-strength").press("Home")
        notice(page, "You are offline. Connect again; nothing is lost.")
        with repainting(page):
            page.context.set_offline(False)
        expect(page.locator(".notice")).to_have_count(0)
        expect(page.locator("#connection")).to_be_empty()


def test_many_tabs_share_one_stream_and_the_next_one_takes_over(studio: Page, served: Served) -> None:
    listening: list[Page] = []
    context = studio.context
    context.on("request", lambda asked: listening.append(asked.frame.page) if "/v1/events" in asked.url else None)
    # A browser has six connections for a server: with a stream each, the last ones could not even load.
    others = [context.new_page() for _ in range(7)]
    for page in others:
        page.goto(f"{served.address}/#history")
        ready(page)
    assert listening == []
    bring(studio, CAT)
    refine(studio, 20_000)
    for page in others:
        expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_visible()
    # The one that listened for all goes, and one of the others does; what they tell of a job still comes to all.
    studio.goto("about:blank")
    others[-1].get_by_role("button", name="Cancel", exact=True).click()
    for page in others:
        expect(page.get_by_role("listitem").first).to_contain_text("Cancelled")
        expect(page.locator("#connection")).to_be_empty()
    assert len(listening) == 1

"""The studio for everyone: by keyboard alone, read aloud, in three languages, light and dark, on a telephone."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from browser import a_studio, bring, chosen, downloaded, file, go, painted, ready, repainting, unlike
from playwright.sync_api import Browser, Page, Route, expect
from serving import Served
from skimage import data

CAT = file("cat.png", data.chelsea()[::2, ::2])
VIEWS = ("studio", "compare", "grid", "history", "status")
TEXTS = {
    name: json.loads((files("impasto") / f"web/static/texts/{name}.json").read_text()) for name in ("en", "pt", "zh")
}

# axe-core, all rules of WCAG 2.2 A and AA, and what else is good practice.
AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def wrong(page: Page) -> list[str]:
    """What axe finds wrong with what is on show."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE)
    found: Any = page.evaluate("rules => axe.run(document, { runOnly: rules, resultTypes: ['violations'] })", RULES)
    assert found["passes"], "nothing was looked at"
    return [
        f"{rule['id']} ({rule['impact']}): {[node['target'] for node in rule['nodes'][:3]]}"
        for rule in found["violations"]
    ]


_UNSEEN = """() => {
  const now = document.activeElement;
  const ring = (element) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(element);
    return outlineStyle !== 'none' && parseFloat(outlineWidth) > 0;
  };
  // What is invisible itself has somebody to stand for it.
  const marked = now.matches('.segment input') ? ring(now.nextElementSibling)
    : now.matches('.edge') ? getComputedStyle(now.previousElementSibling).backgroundColor !== 'rgb(255, 255, 255)'
      : ring(now);
  const box = now.getBoundingClientRect();
  const inside = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  return marked && inside ? '' : now.outerHTML;
}"""


def tab(page: Page, target: str, *, back: bool = False) -> None:
    """By Tab to an element; wherever it stops on the way, that can be seen."""
    for _ in range(100):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        if not page.evaluate("() => document.hasFocus() && document.activeElement !== document.body"):
            continue  # the browser's own controls lie between the last and the first
        assert page.evaluate(_UNSEEN) == ""
        if page.locator(f"{target} >> visible=true").evaluate_all("found => found.includes(document.activeElement)"):
            return
    pytest.fail(f"Tab does not come to {target}")


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_everything_is_done_by_keyboard_alone(studio: Page, tmp_path: Path) -> None:
    # A photograph, past the skip link.
    press(studio, "Tab")
    expect(studio.locator(".skip")).to_be_focused()
    expect(studio.locator(".skip")).to_be_in_viewport()
    press(studio, "Enter")
    with studio.expect_file_chooser() as chooser:
        tab(studio, "button:has-text('Choose a file')")
        press(studio, "Enter")
    with repainting(studio):
        chooser.value.set_files(CAT)
    # Another style: one stop, arrows inside it.
    tab(studio, ".thumb")
    assert studio.evaluate("() => document.activeElement.getAttribute('aria-pressed')") == "true"
    press(studio, "Home", "ArrowRight", "ArrowDown", "ArrowLeft")
    title = studio.evaluate("() => document.activeElement.querySelector('.title').textContent")
    with repainting(studio):
        press(studio, "Enter")
    assert chosen(studio) == [title]
    _, full = downloaded(studio, tmp_path, lambda: press_download(studio))
    # Less of it.
    tab(studio, "#knob-strength")
    with repainting(studio):
        press(studio, "Home", *["ArrowRight"] * 3)
    expect(studio.locator("#knob-strength")).to_have_attribute("aria-valuetext", "3%")
    # The photograph for as long as a key is held.
    tab(studio, "button:has-text('Hold to compare')", back=True)
    studio.keyboard.down("Space")
    expect(studio.locator(".sheet")).to_have_class(re.compile("held"))
    studio.keyboard.up("Space")
    expect(studio.locator(".sheet")).not_to_have_class(re.compile("held"))
    _, faint = downloaded(studio, tmp_path, lambda: press_download(studio))
    assert unlike(faint, CAT["buffer"]) < unlike(full, CAT["buffer"]) / 5
    # A dab of a mask.
    tab(studio, "button:has-text('Mask')", back=True)
    press(studio, "Enter")
    expect(studio.locator("mask-brush canvas")).to_be_focused()
    with repainting(studio):
        press(studio, "ArrowRight", "Shift+ArrowDown", "Space")
    with repainting(studio):
        press(studio, "Backspace")
    tab(studio, "#brushes button:has-text('Done')")
    press(studio, "Enter")
    expect(studio.get_by_role("button", name="Mask")).to_be_focused()
    # And refined.
    tab(studio, ".more summary")
    press(studio, "Enter")
    for setting in ("#more-steps", "#more-levels"):
        tab(studio, setting)
        press(studio, "1")
    tab(studio, "button:has-text('Refine')", back=True)
    press(studio, "Enter")
    expect(studio.locator(".caption")).to_have_text("Refined · 226 × 150")
    tab(studio, "#refining button:has-text('Close')")
    press(studio, "Enter")
    expect(studio.locator("#refining")).to_be_hidden()


def press_download(page: Page) -> None:
    tab(page, "#tools button:has-text('Download')", back=True)
    press(page, "Enter")


def to(page: Page, view: str) -> None:
    tab(page, f".views a[href='#{view}']", back=True)
    press(page, "Enter")
    expect(page.locator(f"#{view}-heading")).to_be_focused()


def test_every_view_is_used_by_keyboard_alone(studio: Page) -> None:
    bring(studio, CAT)
    tab(studio, ".views a[href='#compare']")
    press(studio, "Enter")
    expect(studio.locator("#compare-heading")).to_be_focused()
    tab(studio, "before-after .edge")
    press(studio, *["ArrowLeft"] * 20)
    expect(studio.locator(".edge")).to_have_attribute("aria-valuetext", "Photograph on 40% of the width")
    tab(studio, "before-after", back=True)
    press(studio, "+", "+", "ArrowLeft")
    expect(studio.locator("#lens output")).to_have_text("225%")
    press(studio, "0")
    expect(studio.locator("#lens output")).to_have_text("100%")

    to(studio, "grid")
    tab(studio, "#plan summary")
    press(studio, "Enter")
    tab(studio, "#plan button:has-text('None')")
    press(studio, "Enter")
    for _ in range(2):
        tab(studio, "#plan .checks input:not(:checked)")
        press(studio, "Space")
    tab(studio, "button:has-text('Paint the grid')")
    press(studio, "Enter")
    expect(studio.locator(".cell[data-state=done]")).to_have_count(2)
    tab(studio, ".cell")
    title = studio.evaluate("() => document.activeElement.querySelector('.title').textContent")
    press(studio, "Enter")
    expect(studio.locator("#studio-heading")).to_be_focused()
    painted(studio)
    assert chosen(studio) == [title]

    to(studio, "history")
    job = studio.locator(".job", has_text="cat.png · 2 styles")
    expect(job.locator(".state")).to_have_text("Done")
    tab(studio, ".job button:has-text('Delete')")
    press(studio, "Enter")
    # What is lost for good is not one Enter away.
    expect(studio.get_by_role("dialog").get_by_role("button", name="Cancel")).to_be_focused()
    press(studio, "Escape")
    expect(studio.get_by_role("dialog")).to_have_count(0)
    expect(job.get_by_role("button", name="Delete")).to_be_focused()
    press(studio, "Enter")
    tab(studio, "dialog button:has-text('Delete')")
    press(studio, "Enter")
    expect(job).to_have_count(0)

    tab(studio, ".views a[href='#status']")
    press(studio, "Enter")
    expect(studio.locator("#status-heading")).to_be_focused()
    tab(studio, "#machine [role=region]")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
def test_axe_finds_nothing_wrong(browser: Browser, served: Served, scheme: str, size: tuple[int, int]) -> None:
    with served.client() as client:
        data = {"kind": "grid", "style": ["udnie", "the-scream"]}
        grid = client.put("/v1/jobs/grid", files={"content": ("cat.png", CAT["buffer"])}, data=data).json()["id"]
    look = {"color_scheme": scheme, "reduced_motion": "reduce"}
    with a_studio(browser, served.address, size=size, **look) as page:
        found = {"empty": wrong(page)}
        bring(page, CAT)
        page.get_by_role("switch", name="Mix several").check()
        with repainting(page):
            page.locator(".thumb[aria-pressed=false]").first.click()
        page.click(".more summary")
        for view in VIEWS:
            go(page, view)
            if view == "grid":
                page.evaluate("id => { location.hash = `grid/${id}` }", grid)
                expect(page.locator(".cell[data-state=done]")).to_have_count(2)
            elif view == "history":
                expect(page.locator(".job .state", has_text="Done").first).to_be_visible()
            elif view == "status":
                expect(page.get_by_role("region", name="Workers")).to_be_visible()
            found[view] = wrong(page)
            # Nothing lies outside of the window, to be scrolled to sideways.
            assert page.evaluate("() => document.documentElement.scrollWidth") <= size[0], view
    assert found == {view: [] for view in ("empty", *VIEWS)}


def test_axe_is_heard_where_something_is_wrong(studio: Page) -> None:
    studio.evaluate("() => document.querySelector('main').append(document.createElement('button'))")
    assert [found.split(" ")[0] for found in wrong(studio)] == ["button-name"]


def test_the_page_speaks_three_languages(studio: Page) -> None:
    bring(studio, CAT)
    pick = studio.locator("#language")
    for language, tag in (("pt", "pt"), ("zh", "zh-Hans"), ("en", "en")):
        pick.select_option(language)
        own = TEXTS[language]
        expect(studio.locator("html")).to_have_attribute("lang", tag)
        expect(studio.locator(".views a")).to_have_text([own[f"view.{view}"] for view in VIEWS])
        for view in VIEWS:
            go(studio, view)
            keys = set(re.findall(r"\b[a-z]+(?:\.[a-z]+)+\b", studio.locator("body").inner_text()))
            assert keys.isdisjoint(TEXTS["en"]), view
        studio.reload()
        ready(studio)
        expect(studio.locator("html")).to_have_attribute("lang", tag)
        assert pick.input_value() == language


@pytest.mark.parametrize(("locale", "language"), [("pt-BR", "pt"), ("zh-CN", "zh"), ("fr-FR", "en")])
def test_it_speaks_the_visitors_own_language_at_once(
    browser: Browser, served: Served, locale: str, language: str
) -> None:
    with a_studio(browser, served.address, locale=locale) as page:
        expect(page.locator(".invitation")).to_have_text(TEXTS[language]["welcome"])


def darkness(page: Page) -> int:
    colour: str = page.evaluate("() => getComputedStyle(document.documentElement).backgroundColor")
    return sum(map(int, re.findall(r"\d+", colour)[:3])) // 3


def test_it_is_dark_where_the_device_is_or_where_that_is_chosen(browser: Browser, served: Served) -> None:
    with a_studio(browser, served.address) as page:
        assert darkness(page) > 200
        page.emulate_media(color_scheme="dark")
        assert darkness(page) < 50
        page.locator("#appearance").select_option("light")
        assert darkness(page) > 200
        page.emulate_media(color_scheme="light")
        page.locator("#appearance").select_option("dark")
        assert darkness(page) < 50
        page.reload()
        ready(page)
        assert darkness(page) < 50


def test_nothing_moves_where_less_motion_is_asked_for(browser: Browser, served: Served) -> None:
    with a_studio(browser, served.address, service_workers="block", expected="blocked by Playwright") as page:
        bring(page, CAT)
        held: list[Route] = []
        page.route("**/v1/stylize", lambda route: held.append(route))
        page.locator("#knob-strength").press("ArrowLeft")
        expect(page.locator("picture-stage")).to_have_class("busy")
        moving = "() => document.getAnimations().filter((each) => each.playState === 'running').length"
        page.wait_for_function(f"() => ({moving})() > 0")
        page.emulate_media(reduced_motion="reduce")
        page.wait_for_function(f"() => ({moving})() === 0")
        with repainting(page):
            held[0].continue_()

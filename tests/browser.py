"""The studio in a real browser: Debian's Chromium, driven by Playwright, and watched."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Locator, Page, Request, expect, sync_playwright

__all__ = [
    "DEADLINE",
    "a_browser",
    "a_studio",
    "bring",
    "chosen",
    "downloaded",
    "file",
    "go",
    "notice",
    "painted",
    "ready",
    "repainting",
    "unlike",
]

DEADLINE = 120_000
"""Milliseconds after which a condition is given up. Long: what takes its time on a busy machine is not wrong."""

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    # The camera shows a test picture, and nobody has to allow it.
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]

expect.set_options(timeout=DEADLINE)


@contextmanager
def a_browser(*names: str) -> Iterator[Browser]:
    """One for a module's tests, closed after them: until then Playwright has its event loop in this thread.

    No name is looked up, whoever asks; ``names`` are this machine's.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no Chromium; on Debian: apt-get install --no-install-recommends chromium")
    known = "".join(f"MAP {name} 127.0.0.1, " for name in names)
    flags = [*_FLAGS, f"--host-resolver-rules={known}MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def a_studio(
    browser: Browser, address: str, *, size: tuple[int, int] = (1280, 800), expected: str = "", **more: Any
) -> Iterator[Page]:
    """The studio as a new visitor has it. It fails where the page complained, or asked anything of another origin.

    ``expected`` is what complaints may match; ``more`` are settings of the browser's context.
    """
    complaints: list[str] = []

    def heard(kind: str, text: str) -> None:
        if not (expected and re.search(expected, text)):
            complaints.append(f"{kind}: {text}")

    def asked(request: Request) -> None:
        if not request.url.startswith((f"{address}/", "blob:", "data:")):
            complaints.append(f"asked elsewhere: {request.url[:100]}")

    settings = {"locale": "en-GB", "viewport": {"width": size[0], "height": size[1]}} | more
    context = browser.new_context(**settings)
    try:
        context.set_default_timeout(DEADLINE)
        context.on("console", lambda said: heard(said.type, said.text) if said.type in ("error", "warning") else None)
        context.on("weberror", lambda error: heard("uncaught", str(error.error)))
        context.on("request", asked)
        page = context.new_page()
        page.goto(f"{address}/")
        ready(page)
        yield page
        page.title()  # once it answers, all that it said before is here
        assert not complaints, "\n".join(complaints)
    finally:
        context.close()


def ready(page: Page) -> None:
    """The studio has started."""
    page.wait_for_selector("body[data-ready]")


_PAINTED = """before => {
  const over = document.querySelector('.over');
  return over.src !== before && !over.hidden && /×/.test(document.querySelector('.caption').textContent)
    && !document.querySelector('picture-stage.busy');
}"""


def painted(page: Page) -> None:
    """What stands on the easel is on show, at full size."""
    page.wait_for_function(_PAINTED, arg="")


@contextmanager
def repainting(page: Page) -> Iterator[None]:
    """What is done in the block has another picture come."""
    before = page.locator(".over").get_attribute("src") or ""
    yield
    page.wait_for_function(_PAINTED, arg=before)


def bring(page: Page, *files: FilePayload) -> None:
    """Give photographs, as the file dialog does; one of them is painted at once."""
    if len(files) > 1:
        page.set_input_files("#tools input[type=file]", files)
        return
    with repainting(page):
        page.set_input_files("#tools input[type=file]", files)


def go(page: Page, view: str) -> None:
    """To one of the five views, by its link."""
    page.click(f".views a[href='#{view}']")
    expect(page.locator(f"#view-{view}")).to_be_visible()


def file(name: str, pixels: np.ndarray[Any, Any]) -> FilePayload:
    """A picture's file, of the kind that its name tells."""
    kind = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "tiff": "TIFF"}[name.rpartition(".")[2]]
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, kind)
    return {"name": name, "mimeType": f"image/{kind.lower()}", "buffer": data.getvalue()}


def downloaded(page: Page, folder: Path, press: Callable[[], None] | None = None) -> tuple[str, bytes]:
    """The picture that the studio hands out: its name, its bytes."""
    with page.expect_download() as waiting:
        (press or page.locator("#tools").get_by_role("button", name="Download").click)()
    name = waiting.value.suggested_filename
    waiting.value.save_as(folder / name)
    return name, (folder / name).read_bytes()


def unlike(first: bytes, second: bytes) -> float:
    """How far two pictures of one size are apart: the mean difference of their pixels' values."""
    one, other = (np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), float) for data in (first, second))
    assert one.shape == other.shape
    return float(np.abs(one - other).mean())


def chosen(page: Page) -> Collection[str]:
    """Titles of the styles that are chosen."""
    return page.locator(".thumb[aria-pressed=true] .title").all_inner_texts()


def notice(page: Page, text: str) -> Locator:
    """A message with that text in it, which is on show."""
    shown = page.locator(".notice", has_text=text)
    expect(shown).to_be_visible()
    return shown

"""Pictures on their way into the studio: the camera, pasted, dropped, and what is none."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from browser import a_studio, bring, chosen, downloaded, file, notice, painted, ready, repainting, unlike
from PIL import Image
from playwright.sync_api import Browser, FilePayload, JSHandle, Page, expect
from serving import Served
from skimage import data

from impasto.picture.provenance import read_settings

CAT = file("cat.png", data.chelsea())
COFFEE = file("coffee.jpg", data.coffee()[:256, :256])
PAINTING = file("My_wall.png", data.coffee()[100:300, 200:400])


def carried(page: Page, given: FilePayload) -> JSHandle:
    """A file in a hand or on a clipboard, for an event to carry."""
    facts = {**given, "buffer": base64.b64encode(given["buffer"]).decode()}
    return page.evaluate_handle(
        """({ name, mimeType, buffer }) => {
          const carried = new DataTransfer();
          const bytes = Uint8Array.from(atob(buffer), (letter) => letter.charCodeAt(0));
          carried.items.add(new File([bytes], name, { type: mimeType }));
          return carried;
        }""",
        facts,
    )


def drop(page: Page, place: str, given: FilePayload) -> None:
    transfer = carried(page, given)
    for kind in ("dragenter", "dragover", "drop"):
        page.dispatch_event(place, kind, {"dataTransfer": transfer})


def paste(page: Page, given: FilePayload) -> None:
    page.evaluate(
        """clipboardData => document.body.dispatchEvent(
          new ClipboardEvent('paste', { bubbles: true, cancelable: true, clipboardData }))""",
        carried(page, given),
    )


def asarray(picture: bytes) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"), float)


def photograph(page: Page) -> str | None:
    return page.locator(".under").get_attribute("alt")


def test_the_camera_takes_a_photograph_and_it_is_painted(studio: Page, tmp_path: Path) -> None:
    studio.get_by_role("button", name="Camera").click()
    dialog = studio.get_by_role("dialog", name="Camera")
    shutter = dialog.get_by_role("button", name="Take the photograph")
    expect(shutter).to_be_focused()
    width, height = dialog.locator("video").evaluate("video => [video.videoWidth, video.videoHeight]")
    stream = dialog.locator("video").evaluate_handle("video => video.srcObject")
    with repainting(studio):
        shutter.click()
    assert photograph(studio) == "Photograph: camera.jpg"
    assert stream.evaluate("stream => stream.active") is False
    name, painting = downloaded(studio, tmp_path)
    assert name == "camera.starry-night.jpg"
    assert Image.open(io.BytesIO(painting)).size == (width, height)
    # Nothing is taken where the dialog is left.
    studio.locator("#tools").get_by_role("button", name="Camera").click()
    expect(shutter).to_be_focused()
    studio.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_without_a_camera_there_is_another_way(browser: Browser, served: Served) -> None:
    with a_studio(browser, served.address) as page:
        page.evaluate("() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no')) }")
        page.get_by_role("button", name="Camera").click()
        dialog = page.get_by_role("dialog", name="Camera")
        expect(dialog).to_contain_text("The camera cannot be used here.")
        with page.expect_file_chooser() as chooser:
            dialog.get_by_role("button", name="Open the device's camera").click()
        with repainting(page):
            chooser.value.set_files(CAT)
        assert photograph(page) == "Photograph: cat.png"


def test_photographs_are_dropped_and_pasted(studio: Page, tmp_path: Path) -> None:
    with repainting(studio):
        drop(studio, "picture-stage", CAT)
    assert photograph(studio) == "Photograph: cat.png"
    with repainting(studio):
        paste(studio, COFFEE)
    assert photograph(studio) == "Photograph: coffee.jpg"
    _, painting = downloaded(studio, tmp_path)
    assert Image.open(io.BytesIO(painting)).size == (256, 256)


def test_our_photograph_is_there_for_who_has_none(studio: Page) -> None:
    with repainting(studio):
        studio.get_by_role("button", name="Try ours").click()
    assert photograph(studio) == "Photograph: astronaut.webp"


def test_what_is_no_picture_is_told_with_a_way_out(browser: Browser, served: Served) -> None:
    # The browser notes every answer that is an error.
    with a_studio(browser, served.address, expected="status of 4(15|22)") as page:
        give = page.locator("#tools input[type=file]")
        give.set_input_files({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"hello"})
        told = notice(page, "notes.txt is not a picture. Choose a JPEG, PNG, WebP, TIFF, GIF, BMP, AVIF or HEIC file.")
        with page.expect_file_chooser() as chooser:
            told.get_by_role("button", name="Choose another photograph").click()
        chooser.value.set_files({"name": "torn.jpg", "mimeType": "image/jpeg", "buffer": COFFEE["buffer"][:300]})
        told = notice(page, "Choose another picture.")
        with page.expect_file_chooser() as chooser:
            told.get_by_role("button", name="Choose another photograph").click()
        with repainting(page):
            chooser.value.set_files(CAT)
        expect(page.locator(".notice")).to_have_count(0)


def test_what_the_browser_cannot_decode_the_server_develops(studio: Page, tmp_path: Path) -> None:
    scan = file("scan.tiff", data.chelsea())
    bring(studio, scan)
    assert studio.locator(".under").evaluate("image => [image.naturalWidth, image.naturalHeight]") == [451, 300]
    name, painting = downloaded(studio, tmp_path)
    assert name == "scan.starry-night.tiff"
    assert unlike(painting, scan["buffer"]) > 5


def test_a_mask_keeps_the_style_where_it_was_brushed(studio: Page, tmp_path: Path) -> None:
    bring(studio, CAT)
    studio.get_by_role("button", name="Mask").click()
    box = studio.locator("mask-brush canvas").bounding_box()
    assert box is not None
    x, width = box["x"], box["width"]
    with repainting(studio):
        studio.mouse.move(x + width * 0.1, box["y"] + box["height"] / 2)
        studio.mouse.down()
        studio.mouse.move(x + width * 0.3, box["y"] + box["height"] / 2, steps=5)
        studio.mouse.up()
    studio.locator("#brushes").get_by_role("button", name="Done").click()
    _, painting = downloaded(studio, tmp_path)
    change = abs(asarray(painting) - asarray(CAT["buffer"])).mean(axis=2)
    assert change[140:160, 60:120].mean() > 5
    assert change[:, 300:].mean() < 1
    # The mask outlives a reload, and goes with "Clear".
    studio.reload()
    ready(studio)
    painted(studio)
    studio.get_by_role("button", name="Mask").click()
    with repainting(studio):
        studio.locator("#brushes").get_by_role("button", name="Clear").click()
    _, painting = downloaded(studio, tmp_path)
    change = abs(asarray(painting) - asarray(CAT["buffer"])).mean(axis=2)
    assert change[:, 300:].mean() > 5


def test_a_painting_of_ones_own_is_a_style_until_it_is_removed(studio: Page, tmp_path: Path) -> None:
    bring(studio, CAT)
    with repainting(studio):
        drop(studio, ".shelf", PAINTING)
    assert chosen(studio) == ["My wall"]
    name, painting = downloaded(studio, tmp_path)
    assert name == "cat.my-wall.png"
    settings = read_settings(painting)
    assert settings is not None
    assert settings["style"] != "starry-night"
    studio.reload()
    ready(studio)
    painted(studio)
    assert chosen(studio) == ["My wall"]
    studio.hover("li:has(.thumb[aria-pressed=true])")
    with repainting(studio):
        studio.get_by_role("button", name="Remove this style").click()
        studio.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(studio.locator(".thumb", has_text="My wall")).to_have_count(0)
    assert chosen(studio) == ["The Starry Night"]


def test_a_painting_of_ones_own_is_kept_in_the_gallery(browser: Browser, served: Served, tmp_path: Path) -> None:
    with a_studio(browser, served.address) as page:
        bring(page, CAT)
        with repainting(page):
            drop(page, ".shelf", PAINTING)
        _, before = downloaded(page, tmp_path)
        page.hover("li:has(.thumb[aria-pressed=true])")
        with repainting(page):
            page.get_by_role("button", name="Keep in the gallery of this server").click()
            notice(page, "My wall goes into the gallery. This takes a few seconds.")
        notice(page, "My wall is in the gallery now.")
        assert chosen(page) == ["My wall"]
        expect(page.locator(".thumb", has_text="My wall")).to_have_count(1)
        name, after = downloaded(page, tmp_path)
        assert name == "cat.my-wall.png"
        settings = read_settings(after)
        assert settings is not None
        assert settings["style"] == "my-wall"
        assert unlike(before, after) < 2
    # Another visitor has it as well, and can take it away again.
    with a_studio(browser, served.address) as page:
        bring(page, CAT)
        with repainting(page):
            page.click(".thumb:has-text('My wall')")
        assert page.locator(".thumb[aria-pressed=true] img").evaluate(
            "image => image.decode().then(() => image.naturalWidth)"
        )
        page.hover("li:has(.thumb[aria-pressed=true])")
        with repainting(page):
            page.get_by_role("button", name="Remove this style").click()
            page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(page.locator(".thumb", has_text="My wall")).to_have_count(0)
        with served.client() as client:
            assert "my-wall" not in [style["name"] for style in client.get("/v1/styles").json()["styles"]]

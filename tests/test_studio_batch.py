"""The studio's batch: a file that is not a picture, broken or gone does not harm the others."""

from __future__ import annotations

import io
import zipfile

from browser import a_studio, bring, file, go, notice
from playwright.sync_api import Browser, FilePayload, Locator, Page, expect
from serving import Served
from skimage import data

CAT = file("cat.png", data.chelsea()[:128, :128])
COFFEE = file("coffee.jpg", data.coffee()[:128, :128])
TORN: FilePayload = {"name": "torn.jpg", "mimeType": "image/jpeg", "buffer": COFFEE["buffer"][:300]}
NOTES: FilePayload = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"hello"}


def listed(page: Page) -> Locator:
    return page.get_by_role("list", name="Files of the batch").get_by_role("listitem")


def paint(page: Page) -> None:
    page.get_by_role("button", name="Paint them all").click()


def test_a_broken_photograph_fails_alone(studio: Page) -> None:
    bring(studio, CAT, NOTES, TORN, COFFEE)
    notice(studio, "1 file that is not a photograph was left out: notes.txt.")
    expect(listed(studio)).to_have_count(3)
    paint(studio)
    notice(studio, "2 photographs are on their way. Not painted, for they cannot be read: torn.jpg.")
    expect(listed(studio)).to_have_count(0)
    job = studio.locator(".job", has_text="3 photographs")
    expect(job.locator(".state")).to_have_text("Done in part")
    expect(job.locator("img")).to_have_count(2)
    expect(job.locator(".trouble")).to_contain_text("torn.jpg")


def test_a_file_is_taken_out_of_the_list(studio: Page) -> None:
    bring(studio, CAT, TORN, COFFEE)
    studio.get_by_role("button", name="Take torn.jpg out of the list").click()
    expect(listed(studio)).to_have_text(["cat.png", "coffee.jpg"])
    expect(studio.locator("#batch")).to_contain_text("2 photographs")
    paint(studio)
    notice(studio, "2 photographs are on their way.")
    expect(studio.locator(".job", has_text="2 photographs").locator(".state")).to_have_text("Done")


def test_where_all_are_broken_the_list_stays_and_says_so(browser: Browser, served: Served) -> None:
    # The browser notes every answer that is an error.
    with a_studio(browser, served.address, expected="status of 4(15|22)") as page:
        bring(page, TORN, TORN)
        paint(page)
        notice(page, "torn.jpg")
        expect(listed(page)).to_have_count(2)


def test_a_photograph_that_is_gone_stays_in_the_list_with_the_reason(studio: Page) -> None:
    studio.evaluate(
        """() => {
          const read = Blob.prototype.arrayBuffer;
          Blob.prototype.arrayBuffer = function () {
            return this.name === 'cat.png' ? Promise.reject(new DOMException('gone')) : read.call(this);
          };
        }"""
    )
    bring(studio, CAT, COFFEE)
    paint(studio)
    notice(studio, "1 photograph is on its way.")
    expect(listed(studio)).to_have_text(["cat.pngcat.png can no longer be read."])


def test_a_zip_is_painted_without_what_is_no_picture(studio: Page) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in (("Thumbs.db", b"x"), ("a/cat.png", CAT["buffer"]), ("a/cat.png.json", b"{}")):
            archive.writestr(name, content)
    go(studio, "history")
    give = studio.locator("#batch input[type=file]")
    give.set_input_files({"name": "all.zip", "mimeType": "application/zip", "buffer": buffer.getvalue()})
    paint(studio)
    notice(studio, "2 files that are not photographs were left out: Thumbs.db, a/cat.png.json.")
    job = studio.locator(".job", has_text="1 photograph").first
    expect(job.locator(".state")).to_have_text("Done")

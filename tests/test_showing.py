"""How pictures and results show themselves in a notebook."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from browser import a_browser
from PIL import Image

from impasto import Picture, Request, Result, Stylizer
from impasto.picture.notebook_display import LONGEST, Comparison
from impasto.picture.raster import Metadata
from impasto.styles import Style


def noise(width: int, height: int, channels: int = 3, seed: int = 0) -> Picture:
    random = np.random.default_rng(seed)
    return Picture.from_array(random.integers(0, 256, (height, width, channels), np.uint8))


def result(content: Picture, pastiche: Picture) -> Result:
    return Result(pastiche, Request(content=content, style=Style.of(noise(8, 8))), "instant@9", 1.5)


class Elements(HTMLParser):
    """What a page is made of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("deep", [False, True])
def test_a_picture_shows_itself_small(channels: int, deep: bool) -> None:
    picture = replace(noise(1200, 300, channels), metadata=Metadata(exif=b"Exif\0\0secret place"))
    picture = picture.as_type(np.dtype(np.uint16)) if deep else picture
    data = picture._repr_png_()
    with Image.open(BytesIO(data)) as image:
        assert image.format == "PNG"
        assert image.size == (LONGEST, LONGEST // 4)
        assert image.mode == ("RGB" if channels == 3 else "RGBA")
    assert b"secret" not in data
    assert len(data) < 1 << 20


def test_a_small_picture_is_not_enlarged() -> None:
    picture = noise(20, 10)
    with Image.open(BytesIO(picture._repr_png_())) as image:
        assert np.array_equal(np.asarray(image), picture.pixels)


def test_a_result_shows_its_pastiche() -> None:
    painted = result(noise(40, 30), noise(40, 30, seed=1))
    assert painted._repr_png_() == painted.pastiche._repr_png_()
    assert painted._repr_png_() != painted.request.content._repr_png_()


def test_in_words_they_are_short() -> None:
    photo = replace(noise(40, 30), format="jpeg", metadata=Metadata(exif=b"x" * 10_000))
    assert repr(photo) == "<Picture 40 x 30, RGB, 8 bits, jpeg>"
    assert repr(noise(4, 3, 4).as_type(np.dtype(np.uint16))) == "<Picture 4 x 3, RGBA, 16 bits>"
    painted = result(photo, noise(40, 30))
    assert repr(painted) == "<Result 40 x 30 by instant@9, 1.50 s>"
    assert repr(replace(painted, complete=False)).endswith("1.50 s, ended before its time>")


def test_before_and_after_lie_under_a_slider_without_any_network() -> None:
    before, after = noise(2000, 1000), noise(1500, 750, 4, seed=1)
    page = result(before, after).compare()._repr_html_()
    elements = Elements(page)
    assert not elements.open
    images = [attributes for tag, attributes in elements.found if tag == "img"]
    assert [image["alt"] for image in images] == ["after", "before"]
    modes = []
    for image in images:
        source = image["src"] or ""
        assert source.startswith("data:image/webp;base64,")
        with Image.open(BytesIO(base64.b64decode(source.partition(",")[2]))) as shown:
            assert shown.size == (1024, 512)
            modes.append(shown.mode)
    assert modes == ["RGBA", "RGB"]
    ((_, slider),) = [element for element in elements.found if element[0] == "input"]
    assert (slider["type"], slider["value"], slider["aria-label"]) == ("range", "50", "before | after")
    assert "--at" in (slider["oninput"] or "")
    assert not re.search(r"https?:|//|<script|<link|@import", re.sub(r"base64,[\w+/=]+", "", page))


def test_labels_of_a_slider_are_text() -> None:
    hostile = Comparison(noise(4, 4), noise(4, 4), ('"><script>alert(1)</script>', "{later}&"))
    elements = Elements(hostile.to_html())
    assert [tag for tag, _ in elements.found] == ["div", "div", "img", "img", "input", "div", "span", "span"]
    assert elements.found[3][1]["alt"] == '"><script>alert(1)</script>'
    assert elements.found[2][1]["alt"] == "{later}&"


def test_what_a_stylizer_gives_can_be_compared(stylizer: Stylizer) -> None:
    painted = stylizer.stylize(noise(48, 32), "udnie", resize=24)
    assert painted.compare("antes", "depois").labels == ("antes", "depois")
    assert 'width="24" height="16"' in painted.compare().to_html()


@pytest.mark.browser
def test_both_lie_in_the_same_place_and_the_slider_below() -> None:
    picture = Picture.from_array(np.zeros((60, 90, 3), np.uint8))
    with a_browser() as browser:
        page = browser.new_page()
        page.set_content(Comparison(picture, picture).to_html())
        before, after, slider = (
            page.locator(part).bounding_box() for part in ("img >> nth=1", "img >> nth=0", "input")
        )
    assert before == after
    assert after is not None
    assert slider is not None
    assert slider["y"] >= after["y"] + after["height"]

"""Skin: found in every tone, kept as light as it is, and nothing else touched."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from impasto import Picture, Stylizer
from impasto.engines import strips
from impasto.engines.skin import keep_skin, skin
from impasto.metrics import light
from impasto.picture.picture import Pixels

TONES = [(255, 224, 196), (240, 200, 180), (230, 188, 152), (198, 134, 80), (141, 85, 46), (96, 65, 50), (60, 38, 26)]
"""From fair to very dark."""
OTHERS = [(128, 128, 128), (90, 130, 230), (60, 140, 60), (200, 30, 30), (250, 250, 250), (0, 0, 0), (230, 220, 40)]
"""Wall, sky, leaf, rose, paper, night and lemon."""
FACE = (slice(80, 160), slice(100, 180))


def with_face(
    tone: tuple[int, int, int], around: tuple[int, int, int] = (90, 130, 230), dtype: type = np.uint8
) -> Picture:
    pixels: Pixels = np.tile(np.array(around, dtype), (240, 320, 1))
    pixels[60:180, 80:200] = tone
    return Picture(pixels * dtype(257) if dtype is np.uint16 else pixels)


@pytest.mark.parametrize("tone", TONES)
def test_skin_of_every_tone_is_found(tone: tuple[int, int, int]) -> None:
    where = skin(with_face(tone))
    assert where.shape == (96, 128)
    assert where[32:64, 40:72].min() > 0.95
    assert where[:, 100:].max() == 0


@pytest.mark.parametrize("color", OTHERS)
def test_other_colors_are_none(color: tuple[int, int, int]) -> None:
    assert not skin(with_face(color)).any()


def test_a_highlight_on_skin_is_skin() -> None:
    pixels = with_face((96, 65, 50)).pixels.copy()
    pixels[110:130, 130:150] = 250
    assert skin(Picture(pixels))[32:64, 40:72].min() > 0.95


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("tone", "ground"), [((96, 65, 50), 230), ((240, 200, 180), 20), ((198, 134, 80), 150)])
def test_its_light_moves_no_further_than_people_accept(tone: tuple[int, int, int], ground: int, dtype: type) -> None:
    photograph = with_face(tone, dtype=dtype)
    painted = with_face((ground, ground, ground), (ground, ground, ground), dtype)
    kept = keep_skin(painted, photograph)
    assert kept.pixels.dtype == dtype
    scale = photograph.peak / 255
    moved = (light(kept.pixels, FACE) - light(photograph.pixels, FACE)) / scale
    wanted = ground - light(photograph.pixels, FACE) / scale
    assert moved == pytest.approx(np.clip(wanted, -20, 20), abs=1.5)
    # What is beside it is as the painting has it.
    assert (kept.pixels[:, 260:] == painted.pixels[:, 260:]).all()


def test_strokes_and_hues_stay() -> None:
    photograph = with_face((96, 65, 50))
    strokes = np.random.default_rng(0).integers(120, 250, (240, 320, 3)).astype(np.uint8)
    kept = keep_skin(Picture(strokes), photograph).pixels[FACE].astype(float)
    before = strokes[FACE].astype(float)
    assert np.corrcoef(kept.ravel(), before.ravel())[0, 1] > 0.98
    share = kept.sum((0, 1)) / before.sum((0, 1))
    assert share.max() - share.min() < 0.01, "one factor for all three colours"


def test_what_did_not_move_is_not_touched() -> None:
    photograph = Picture(data.astronaut())
    assert skin(photograph).any()
    assert (keep_skin(photograph, photograph).pixels == photograph.pixels).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (37, 41), (600, 333)])
def test_any_size_and_in_strips_the_same(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    photograph = Picture(data.astronaut()).resized(size)
    pale = Picture(np.full_like(photograph.pixels, 220))
    whole = keep_skin(pale, photograph).pixels
    assert whole.shape == photograph.pixels.shape
    monkeypatch.setattr(strips, "_STRIP", 7)
    assert np.abs(keep_skin(pale, photograph).pixels.astype(int) - whole).max() <= 1


def test_every_engine_keeps_it_unless_asked_to_leave_it_to_the_style() -> None:
    dark = Picture((data.astronaut() * 0.5).astype(np.uint8))
    face = (slice(60, 170), slice(180, 260))
    before = light(dark.pixels, face)
    stylizer = Stylizer()
    kept, free = (light(stylizer.stylize(dark, "the-wave", skin=s).pastiche.pixels, face) for s in ("keep", "free"))
    assert free - before > 40
    assert abs(kept - before) < 26
    pytest.importorskip("torch")
    slow = Stylizer("iterative")
    small = dark.resized((96, 96))
    where = tuple(slice(s.start * 96 // 512, s.stop * 96 // 512) for s in face)
    made = {s: slow.stylize(small, "the-wave", skin=s, steps=3).pastiche.pixels for s in ("keep", "free")}
    far = {
        s: abs(light(pixels, (where[0], where[1])) - light(small.pixels, (where[0], where[1])))
        for s, pixels in made.items()
    }
    assert far["keep"] < min(25, far["free"])

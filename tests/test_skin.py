"""Skin: found in every tone where there is a face, kept as light as it is, and nothing else touched."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from impasto import Picture, Stylizer
from impasto.evaluation.metrics import mean_luma
from impasto.instant.faces import find_faces
from impasto.instant.skin_tone import keep_skin, skin_mask
from impasto.picture import row_strips
from impasto.picture.raster import Pixels

TONES = [(255, 224, 196), (240, 200, 180), (230, 188, 152), (198, 134, 80), (141, 85, 46), (96, 65, 50), (60, 38, 26)]
"""From fair to very dark."""
FACE = (slice(85, 160), slice(185, 265))
"""Within the astronaut's face."""
CELLS = (slice(24, 38), slice(48, 64))
BESIDE = (slice(None), slice(440, None))
"""Far from her."""
WOOD = (150, 100, 60)


def with_face(tone: tuple[int, int, int], dtype: type = np.uint8) -> Picture:
    """The astronaut with a face of that tone and half the contrast; all else of her picture has its hue as well."""
    grey = data.astronaut() @ np.array([0.2126, 0.7152, 0.0722])
    pixels = ((1 + grey[..., None] / grey[FACE].mean()) / 2 * np.array(tone)).clip(0, 255).astype(np.uint8)
    return Picture(pixels * dtype(257) if dtype is np.uint16 else pixels)


def flat(level: int, like: Picture) -> Picture:
    return Picture(np.full_like(like.pixels, level * (like.peak // 255)))


@pytest.mark.parametrize("tone", TONES)
def test_skin_of_every_tone_is_found(tone: tuple[int, int, int]) -> None:
    where = skin_mask(with_face(tone))
    assert where.shape == (128, 128)
    assert where[CELLS].min() > 0.9
    assert where[:, 118:].max() < 0.02
    assert where[124:].max() < 0.02


@pytest.mark.parametrize("picture", [data.camera(), data.astronaut()[..., 1]], ids=["camera", "astronaut"])
def test_a_photograph_without_colour_has_skin(picture: Pixels) -> None:
    where = skin_mask(Picture.from_array(picture))
    (face,) = find_faces(Picture.from_array(picture))
    middle = round((face.top + face.bottom) * 64), round((face.left + face.right) * 64)
    assert where[middle] > 0.95
    assert 0.005 < where.mean() < 0.1


@pytest.mark.parametrize("colour", [*TONES, WOOD])
def test_what_has_the_hue_of_skin_is_none_where_there_is_no_face(colour: tuple[int, int, int]) -> None:
    pixels = np.tile(np.array([90, 130, 230], np.uint8), (240, 320, 1))
    pixels[60:180, 80:200] = colour
    photograph = Picture(pixels)
    assert not skin_mask(photograph).any()
    painted = flat(230, photograph)
    assert keep_skin(painted, photograph) is painted


@pytest.mark.parametrize("name", ["coffee", "chelsea", "rocket", "brick"])
def test_photographs_without_people_are_painted_whole(name: str) -> None:
    assert not skin_mask(Picture.from_array(getattr(data, name)())).any()


def test_wood_behind_somebody_is_painted() -> None:
    pixels: Pixels = data.astronaut().copy()
    pixels[:, 380:] = WOOD
    photograph = Picture(pixels)
    kept = keep_skin(flat(230, photograph), photograph).pixels
    assert mean_luma(kept, FACE) < 215
    assert (kept[:, 400:] == 230).all()


def test_what_hangs_together_with_a_face_and_has_its_hue_is_skin() -> None:
    """A shoulder below the chin of the face's own colour, or of another one, or of that one beyond a gap."""
    photograph = data.astronaut()
    tone = photograph[FACE].mean((0, 1))
    shoulder = slice(175, 260), slice(185, 265)

    def with_shoulder(colour: object, top: int = 175) -> float:
        pixels = photograph.copy()
        pixels[shoulder] = (30, 90, 200)
        pixels[top:260, 185:265] = colour
        return float(skin_mask(Picture(pixels))[52:60, 50:62].mean())

    assert with_shoulder(tone) > 0.9
    assert with_shoulder(tone[::-1]) < 0.1
    assert with_shoulder(tone, top=205) < 0.1


def test_dark_hair_beside_a_face_stays_dark() -> None:
    pixels = data.astronaut().copy()
    pixels[20:175, 265:300] = 20
    pixels[300:450, 265:300] = 20
    where = skin_mask(Picture(pixels))
    assert where[20:35, 68:72].min() > 0.8
    assert where[80:110, 68:72].max() == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("tone", "ground"), [((96, 65, 50), 230), ((240, 200, 180), 20), ((198, 134, 80), 150)])
def test_its_light_moves_no_further_than_people_accept(tone: tuple[int, int, int], ground: int, dtype: type) -> None:
    photograph = with_face(tone, dtype)
    painted = flat(ground, photograph)
    kept = keep_skin(painted, photograph)
    assert kept.pixels.dtype == dtype
    scale = photograph.peak / 255
    moved = (mean_luma(kept.pixels, FACE) - mean_luma(photograph.pixels, FACE)) / scale
    wanted = ground - mean_luma(photograph.pixels, FACE) / scale
    assert moved == pytest.approx(np.clip(wanted, -20, 20), abs=5)
    # What is beside it is as the painting has it.
    assert (kept.pixels[BESIDE] == painted.pixels[BESIDE]).all()


def test_a_face_keeps_its_drawing_where_the_paint_has_none() -> None:
    photograph = Picture.from_array(data.astronaut())
    kept = keep_skin(flat(200, photograph), photograph)
    was, now = (picture.pixels[FACE].mean(2) for picture in (photograph, kept))
    assert np.corrcoef(was.ravel(), now.ravel())[0, 1] > 0.8
    assert now.std() > 0.4 * was.std()
    assert (kept.pixels[BESIDE] == 200).all()
    # What has a drawing of its own gets no other.
    drawn = Picture(photograph.pixels[..., ::-1])
    assert np.abs(keep_skin(drawn, photograph).pixels.astype(int) - drawn.pixels).mean() < 1


def test_strokes_and_hues_stay() -> None:
    photograph = with_face((96, 65, 50))
    strokes: Pixels = np.random.default_rng(0).integers(120, 250, photograph.pixels.shape, np.uint8)
    pixels = keep_skin(Picture(strokes), photograph).pixels
    assert mean_luma(pixels, FACE) < mean_luma(strokes, FACE) - 60
    kept, before = (each[FACE].astype(float) for each in (pixels, strokes))
    share = kept.sum(0) / before.sum(0)
    assert np.ptp(share, axis=1).max() < 0.02, "one factor for all three colours"


def test_what_did_not_move_is_not_touched() -> None:
    photograph = Picture(data.astronaut())
    assert skin_mask(photograph).any()
    assert (keep_skin(photograph, photograph).pixels == photograph.pixels).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (37, 41), (600, 333)])
def test_any_size_and_in_strips_the_same(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    photograph = Picture(data.astronaut()).resized(size)
    pale = Picture(np.full_like(photograph.pixels, 220))
    whole = keep_skin(pale, photograph).pixels
    assert whole.shape == photograph.pixels.shape
    monkeypatch.setattr(row_strips, "_STRIP", 7)
    assert np.abs(keep_skin(pale, photograph).pixels.astype(int) - whole).max() <= 1


def test_every_engine_keeps_it_unless_asked_to_leave_it_to_the_style() -> None:
    dark = Picture((data.astronaut() * 0.5).astype(np.uint8))
    face = (slice(60, 170), slice(180, 260))
    before = mean_luma(dark.pixels, face)
    stylizer = Stylizer()
    kept, free = (mean_luma(stylizer.stylize(dark, "the-wave", skin=s).pastiche.pixels, face) for s in ("keep", "free"))
    assert free - before > 40
    assert abs(kept - before) < 26
    pytest.importorskip("torch")
    slow = Stylizer("iterative")
    small = dark.resized((96, 96))
    where = tuple(slice(s.start * 96 // 512, s.stop * 96 // 512) for s in face)
    made = {s: slow.stylize(small, "the-wave", skin=s, steps=3).pastiche.pixels for s in ("keep", "free")}
    far = {
        s: abs(mean_luma(pixels, (where[0], where[1])) - mean_luma(small.pixels, (where[0], where[1])))
        for s, pixels in made.items()
    }
    assert far["keep"] < min(25, far["free"])

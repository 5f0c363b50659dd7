"""Faces in photographs: found in every light and size, and nothing else taken for one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from impasto import Picture
from impasto.errors import ModelError
from impasto.instant import faces as module
from impasto.instant.faces import Face, find_faces
from impasto.models import Model, find
from impasto.models.store import shipped
from impasto.picture.raster import Pixels

ASTRONAUT = Picture(data.astronaut())
WHERE = Face(0.33, 0.13, 0.55, 0.35)


def grey(picture: Picture) -> Picture:
    return Picture.from_array(np.asarray(picture.to_pil().convert("L")))


def large(small: Picture, left: int, top: int) -> Picture:
    """A picture of 2000x1500 with another one somewhere in it."""
    pixels = np.full((1500, 2000, 3), 120, np.uint8)
    pixels[top : top + small.height, left : left + small.width] = small.pixels
    return Picture(pixels)


@pytest.mark.parametrize("side", [64, 150, 512, 1100, 2100])
def test_a_face_is_found_at_any_size_with_colour_or_without(side: int) -> None:
    picture = ASTRONAUT.resized((side, side))
    for version in (picture, grey(picture), picture.as_type(np.dtype(np.uint16))):
        (face,) = find_faces(version)
        assert face == pytest.approx(WHERE, abs=0.03)
    assert find_faces(picture) == find_faces(picture)


@pytest.mark.parametrize(("left", "top"), [(0, 0), (1800, 1300), (900, 700), (430, 1000)])
def test_a_small_face_in_a_large_picture_is_found(left: int, top: int) -> None:
    (face,) = find_faces(large(ASTRONAUT.resized((200, 200)), left, top))
    middle = (face.left + face.right) / 2 * 2000 - left, (face.top + face.bottom) / 2 * 1500 - top
    assert middle == pytest.approx((88, 48), abs=5)


def test_every_face_counts_once() -> None:
    pixels = ASTRONAUT.pixels
    first, second, *others = sorted(find_faces(Picture(np.concatenate([pixels, pixels[:, ::-1]], 1))))
    assert not others
    assert first.left == pytest.approx(WHERE.left / 2, abs=0.02)
    assert second.right == pytest.approx(1 - WHERE.left / 2, abs=0.02)


@pytest.mark.parametrize(("width", "height"), [(1800, 400), (400, 1800)])
def test_a_face_in_a_long_picture_is_found(width: int, height: int) -> None:
    pixels = np.full((height, width, 3), 200, np.uint8)
    pixels[-400:, -400:] = ASTRONAUT.resized((400, 400)).pixels
    assert len(find_faces(Picture(pixels))) == 1


def test_faces_of_many_people_are_found_and_what_is_none_is_not() -> None:
    """Grey squares of 25 pixels: a hundred with a face, cut at its edges, a hundred without."""
    faces, others = (
        sum(bool(find_faces(framed(square))) for square in part) for part in np.split(data.lfw_subset(), 2)
    )
    assert faces >= 75
    assert others <= 3


def framed(square: Pixels) -> Picture:
    image = Image.fromarray((square * 255).astype(np.uint8)).resize((100, 100), Image.Resampling.BICUBIC)
    pixels = np.full((200, 200), 128, np.uint8)
    pixels[50:150, 50:150] = np.asarray(image)
    return Picture.from_array(pixels)


@pytest.mark.parametrize("name", ["coffee", "chelsea", "rocket", "brick", "grass", "coins", "moon", "page", "horse"])
def test_nothing_else_is_a_face(name: str) -> None:
    assert find_faces(Picture.from_array(getattr(data, name)())) == ()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (4000, 2), (37, 41)])
def test_any_size_is_looked_at(size: tuple[int, int]) -> None:
    assert find_faces(Picture(np.full((size[1], size[0], 3), 90, np.uint8))) == ()


def test_what_is_hidden_is_no_face() -> None:
    hidden = Picture(ASTRONAUT.pixels, np.zeros((512, 512), np.uint8))
    assert find_faces(hidden) == ()
    assert len(find_faces(Picture(ASTRONAUT.pixels, np.full((512, 512), 255, np.uint8)))) == 1


def test_the_network_is_a_model_that_ships_with_its_licence() -> None:
    model = find("blazeface", kind="detector")
    assert model in shipped()
    assert (model.licence, "MediaPipe" in model.source) == ("Apache-2.0", True)
    assert "Google" in (model.path / "MODEL_CARD.md").read_text()


@pytest.fixture
def _other_network() -> Iterator[None]:
    """As in a process that has not looked for a face yet."""
    module._network.cache_clear()
    yield
    module._network.cache_clear()


@pytest.mark.usefixtures("_other_network")
def test_a_network_that_is_altered_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "blazeface"
    shutil.copytree(find("blazeface").path, folder)
    (folder / "network.tflite").write_bytes(b"\x00TFL3")
    monkeypatch.setattr(module, "shipped", lambda name: [Model.read(folder)])
    with pytest.raises(ModelError, match=r"network\.tflite of blazeface@1 has sha256 .*; reinstall impasto"):
        find_faces(ASTRONAUT)

"""Suffixes: one list says at every door which files of a folder are pictures."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from pictures import noise, saved
from PIL import Image

from impasto.cli.stylize.photos import find
from impasto.client.training_photos import load_training_photos
from impasto.errors import MissingExtra, PictureError, RequestError
from impasto.evaluation.contestant import FromFolder
from impasto.picture.files import SUFFIXES, is_picture_name, pictures_in
from impasto.picture.reading import READABLE
from impasto.picture.writing import WRITABLE, format_of
from impasto.training.data.dataset import read_picture, training_files

NAMES = [f"photo{suffix}" for suffix in SUFFIXES]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One file of every suffix, in both cases, beside what is not a picture by its name."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in (*NAMES, "IMG_1.HEIC", "._photo.jpg", "index.json", "notes.txt", "Thumbs.db", "raw.dng"):
        (folder / name).write_bytes(b"?")
    (folder / "album.jpg").mkdir()
    return folder


def test_every_format_that_is_read_has_a_suffix_and_every_one_that_is_written() -> None:
    assert set(SUFFIXES.values()) == set(READABLE)
    assert {format_of(name) for name in NAMES if SUFFIXES[Path(name).suffix] in WRITABLE} == set(WRITABLE)


def test_every_door_finds_the_same_files_in_a_folder(folder: Path) -> None:
    expected = sorted([*NAMES, "IMG_1.HEIC"])
    assert [file.name for file in pictures_in(folder)] == expected
    assert [photo.path.name for photo in find([str(folder)]) if photo.path] == expected
    assert [photo.path.name for photo in find([f"{folder}/*"]) if photo.path] == expected
    assert [file.name for file in training_files(folder)] == expected


@pytest.mark.parametrize("name", [name for name in NAMES if SUFFIXES[Path(name).suffix] != "heif"])
def test_a_picture_of_any_suffix_is_taken(tmp_path: Path, name: str) -> None:
    image = Image.fromarray(noise(40, 30))
    (tmp_path / name).write_bytes(saved(image, SUFFIXES[Path(name).suffix]))
    assert [upload.name for upload in load_training_photos(tmp_path)] == ["photo.jpg"]
    assert FromFolder("theirs", tmp_path)._file("photo") == tmp_path / name
    (file,) = training_files(tmp_path)
    found = read_picture(file, 20)
    assert (found.mode, found.size) == ("RGB", (27, 20))


def test_heif_is_taken_and_says_what_its_reader_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    (file,) = training_files(tmp_path)
    with pytest.raises(MissingExtra, match=r"impasto\[heif\]"):
        read_picture(file, 20)


def test_what_is_transparent_teaches_no_hidden_colours(tmp_path: Path) -> None:
    pixels = np.full((16, 16, 4), 255, np.uint8)
    pixels[4:12, 4:12] = (255, 0, 0, 0)
    Image.fromarray(pixels).save(tmp_path / "cut.png")
    assert np.asarray(read_picture(tmp_path / "cut.png", 64)).min() == 255


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1, null]",
        '{"photos": []}',
        '[{"split": "val"}]',
        '[{"file": 3, "split": "val"}]',
        "\udcff",
        "[" * 9999,
    ],
)
@pytest.mark.parametrize("place", [".", ".."])
def test_an_index_of_somebody_else_says_nothing_of_photographs(tmp_path: Path, text: str, place: str) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.jpg").touch()
    (folder / place / "index.json").write_text(text, "utf-8", "surrogateescape")
    assert training_files(folder) == [folder / "a.jpg"]


def test_a_folder_that_teaches_nothing_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (tmp_path / "index.json").write_text('[{"file": "photos/a.jpg", "split": "val"}]')
    for given, message in (
        (folder, "photos holds no picture"),
        (tmp_path / "gone", "gone cannot be read: No such file"),
    ):
        with pytest.raises(RequestError, match=message):
            training_files(given)
    (folder / "a.jpg").touch()
    with pytest.raises(RequestError, match=r"index\.json keeps all 1 of them from training"):
        training_files(folder)
    with pytest.raises(RequestError, match=r"a\.jpg cannot be read: Not a directory; give a folder"):
        training_files(folder / "a.jpg")


def test_the_studio_knows_the_same_suffixes() -> None:
    script = (Path(__file__).parents[1] / "src/impasto/web/static/photograph.js").read_text("utf-8")
    (pattern,) = re.findall(r"^const PICTURE = /(.*)/i;$", script, re.MULTILINE)
    assert [name for name in NAMES if not re.search(pattern, name)] == []
    assert not any(re.search(pattern, name) for name in ("index.json", "raw.dng", "photo.jpg.txt"))


def test_names_that_are_no_pictures() -> None:
    assert is_picture_name("a/b.JPG")
    assert not any(map(is_picture_name, ("a/.b.jpg", "b.json", "jpg", ".jpg", "b.jpg.txt", "")))


def test_a_photograph_that_cannot_be_read_is_left_out_of_an_album_and_told(tmp_path: Path) -> None:
    whole = saved(Image.fromarray(noise(40, 30)), "png")
    (tmp_path / "torn.png").write_bytes(whole[:300])
    with pytest.raises(PictureError, match=r"torn\.png: "):
        load_training_photos(tmp_path)
    (tmp_path / "whole.png").write_bytes(whole)
    with pytest.warns(UserWarning, match=r"a photograph is left out: torn\.png: "):
        assert [upload.name for upload in load_training_photos(tmp_path)] == ["whole.jpg"]

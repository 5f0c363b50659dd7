"""What the command line makes of its arguments, before any picture is read."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from impasto.cli.options.parsers import parse_region, parse_style, style_label, style_weights
from impasto.cli.stylize.output_paths import plan
from impasto.cli.stylize.photos import Photo, find
from impasto.cli.stylize.style_inputs import Sources
from impasto.request import options

DEFAULTS: dict[str, Any] = {option.name: option.default for option in options()}

names = st.text(min_size=1).filter(lambda text: text.strip() != "")
weights = st.floats(min_value=0.001, max_value=1e6)
unhurried = hypothesis_settings(deadline=None)


def nothing(_: str) -> bool:
    return False


# STYLE[:WEIGHT]


@unhurried
@given(names, weights)
def test_a_number_after_the_last_colon_is_the_weight(name: str, weight: float) -> None:
    style, found = parse_style(f"{name}:{weight:f}", nothing)
    assert style == name
    assert found == pytest.approx(weight, abs=1e-6)


@unhurried
@given(st.text(min_size=1).filter(lambda text: text.strip() != ""))
def test_what_exists_as_given_is_never_split(text: str) -> None:
    assert parse_style(text, lambda candidate: candidate == text) == (text, 1.0)


@unhurried
@given(names, st.text(alphabet="abcxyz /\\._-", min_size=0))
def test_only_a_number_is_a_weight(name: str, tail: str) -> None:
    assert parse_style(f"{name}:{tail}", nothing) == (f"{name}:{tail}", 1.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("monet", ("monet", 1.0)),
        ("monet:2", ("monet", 2.0)),
        ("monet:.5", ("monet", 0.5)),
        ("C:\\art\\monet.jpg", ("C:\\art\\monet.jpg", 1.0)),
        ("C:\\art\\monet.jpg:0.5", ("C:\\art\\monet.jpg", 0.5)),
        ("night: two.jpg", ("night: two.jpg", 1.0)),
        ("12:30.jpg:3", ("12:30.jpg", 3.0)),
        (":2", (":2", 1.0)),
        ("monet:nan", ("monet:nan", 1.0)),
        ("monet:1e3", ("monet:1e3", 1.0)),
    ],
)
def test_styles_and_weights(text: str, expected: tuple[str, float]) -> None:
    assert parse_style(text, nothing) == expected


@pytest.mark.parametrize("text", ["monet:0", "monet:-1", "monet:-0.5", f"monet:{'9' * 400}"])
def test_a_weight_is_greater_than_zero(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"the weight of 'monet' is .*; give a number greater than 0"):
        parse_style(text, nothing)


def test_an_empty_style_is_told() -> None:
    with pytest.raises(click.BadParameter, match="the style is empty"):
        parse_style(" ", nothing)


def test_a_style_given_twice_counts_twice() -> None:
    assert style_weights(["a:1", "b", "a:2.5"], nothing) == {"a": 3.5, "b": 1.0}


def test_a_style_is_labelled_by_its_name_or_its_file() -> None:
    assert style_label("st.ives", ["st.ives"]) == "st.ives"
    assert style_label("art/monet.large.jpg", ["st.ives"]) == "monet.large"


# MAP=STYLE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sky.png=monet", ("sky.png", "monet")),
        ("sky.png=my=art.png", ("sky.png", "my=art.png")),
        ("a=b.png=monet", ("a=b.png", "monet")),
        ("a=b.png=c=d", ("a=b.png", "c=d")),
        ("sky.png=a=b.png", ("sky.png=a", "b.png")),
    ],
)
def test_a_region_is_split_behind_a_file(text: str, expected: tuple[str, str]) -> None:
    files = {"sky.png", "a=b.png"} | {expected[0]}
    assert parse_region(text, files.__contains__) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sky.png", "'sky.png', which has no ="),
        ("gone.png=monet", "'gone.png=monet', but there is no file gone.png"),
        ("sky.png=", "'sky.png=', which names no style"),
        ("=monet", "but there is no file"),
    ],
)
def test_a_region_that_is_none_is_told(text: str, message: str) -> None:
    with pytest.raises(click.BadParameter, match=re.escape(message)):
        parse_region(text, lambda file: file == "sky.png")


def test_labels_are_of_all_styles_once() -> None:
    sources = Sources({"sea": 1.0}, regions=(("m.png", "art/hill.jpg"), ("n.png", "sea")))
    assert sources.labels(["sea"]) == ["sea", "hill"]


# Photos


@pytest.fixture
def album(tmp_path: Path) -> Path:
    for name in ("b.jpg", "a.PNG", "notes.txt", ".hidden.jpg", "deep/c.webp", "deep/deeper/d.jpg", "odd[1].jpg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (tmp_path / "folder.jpg").mkdir()
    return tmp_path


def relative(photos: list[Photo], root: Path) -> list[str]:
    return [photo.path.relative_to(root).as_posix() for photo in photos if photo.path]


def test_a_folder_gives_its_own_pictures_sorted(album: Path) -> None:
    photos = find([str(album)])
    assert relative(photos, album) == ["a.PNG", "b.jpg", "odd[1].jpg"]
    assert all(photo.found for photo in photos)


def test_patterns_are_expanded(album: Path) -> None:
    assert relative(find([f"{album}/*.jpg"]), album) == ["b.jpg", "odd[1].jpg"]
    assert relative(find([f"{album}/**/*"]), album) == [
        *("a.PNG", "b.jpg", "deep/c.webp", "deep/deeper/d.jpg", "odd[1].jpg")
    ]


def test_a_file_that_looks_like_a_pattern_is_a_file(album: Path) -> None:
    (photo,) = find([str(album / "odd[1].jpg")])
    assert (photo.path, photo.found) == (album / "odd[1].jpg", False)


def test_each_photo_is_taken_once(album: Path) -> None:
    b = str(album / "b.jpg")
    assert relative(find([b, str(album), b, "-", "-"]), album) == ["b.jpg", "a.PNG", "odd[1].jpg"]


@pytest.mark.parametrize("argument", ["*.bmp", "deep/nothing?.jpg", "folder.jpg"])
def test_what_names_no_picture_is_told(album: Path, argument: str) -> None:
    (photo,) = find([str(album / argument)])
    assert photo.problem is not None
    assert argument in str(photo.problem)


def test_paths_that_lead_nowhere_are_told_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = tmp_path / "loop.jpg"
    loop.symlink_to(loop)
    long = "x" * 300
    photos = find([str(loop), long, f"{long}*", "~nosuchuser/*.jpg"])
    assert [photo.name for photo in photos] == [str(loop), long, f"{long}*", "~nosuchuser/*.jpg"]
    assert [photo.problem is None for photo in photos] == [True, True, False, False]
    tasks = plan(photos, None, ["monet"], DEFAULTS)
    assert plan(photos, long, ["monet"], DEFAULTS)[0].output == Path(long) / "loop.monet.jpg"
    assert tasks[0].output == tmp_path / "loop.monet.jpg"


def test_a_locked_folder_is_told(album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", locked)
    (photo,) = find([str(album)])
    assert f"{album} cannot be read: Permission denied" in str(photo.problem)


# Outputs


def outputs(photos: list[str], target: str | None = None, style: str = "monet", **changed: Any) -> list[str]:
    tasks = plan([Photo(Path(p)) for p in photos], target, [style], {**DEFAULTS, **changed})
    return ["-" if task.output is None else task.output.as_posix() for task in tasks]


def test_the_pastiche_goes_beside_the_photo() -> None:
    assert outputs(["trip/a.b.JPG", "c.jpeg"]) == ["trip/a.b.monet.JPG", "c.monet.jpeg"]


def test_a_format_that_cannot_be_written_becomes_png() -> None:
    assert outputs(["a.heic", "b.gif", "c"]) == ["a.heic.monet.png", "b.gif.monet.png", "c.monet.png"]


def test_format_and_depth_decide_the_suffix() -> None:
    assert outputs(["a.png"], format="jpeg") == ["a.png.monet.jpg"]
    assert outputs(["a.jpg"], format="jpeg") == ["a.monet.jpg"]
    assert outputs(["a.jpg", "b.tif"], bits=16) == ["a.jpg.monet.png", "b.monet.tif"]


def test_one_photo_may_name_its_file(tmp_path: Path) -> None:
    assert outputs(["a.jpg"], "b.png") == ["b.png"]
    assert outputs(["a.jpg"], f"{tmp_path}") == [f"{tmp_path.as_posix()}/a.monet.jpg"]
    assert outputs(["a.jpg"], "new/") == ["new/a.monet.jpg"]
    assert outputs(["a.jpg"], "-") == ["-"]


def test_outputs_never_meet_each_other_or_a_photo() -> None:
    first, second, third = outputs(["x/a.jpg", "y/a.jpg", "y/A.JPG"], "out")
    assert re.fullmatch(r"out/a-[0-9a-f]{8}\.monet\.jpg", first)
    assert re.fullmatch(r"out/a-[0-9a-f]{8}\.monet\.jpg", second)
    assert third == second.replace("out/a", "out/A").replace(".jpg", ".JPG")
    assert first != second
    assert outputs(["a.jpg", "a.monet.jpg"]) == ["a-2.monet.jpg", "a.monet.monet.jpg"]


@pytest.mark.parametrize("photo", ["a.jpg", f"{'ä' * 120}.jpg", f"{'x' * 250}.jpg"])
def test_a_name_that_would_be_too_long_is_cut(photo: str, tmp_path: Path) -> None:
    tasks = plan([Photo(tmp_path / photo)] * 2, None, ["harbour-at-dawn"] * 25, DEFAULTS)
    for output in [task.output for task in tasks]:
        assert output is not None
        assert ".harbour-at-dawn+harbour-" in output.name
        output.touch()
    assert len(set(tmp_path.iterdir())) == 2


def test_one_picture_of_a_folder_may_go_to_standard_output() -> None:
    (task,) = plan([Photo(Path("one/a.jpg"), found=True)], "-", ["monet"], DEFAULTS)
    assert task.output is None


def test_standard_input_goes_to_standard_output() -> None:
    (task,) = plan([Photo(None)], None, ["monet"], DEFAULTS)
    assert task.output is None
    (task,) = plan([Photo(None)], "out/", ["monet"], DEFAULTS)
    assert task.output == Path("out/stdin.monet.png")


@pytest.mark.parametrize(
    ("photos", "target", "changed", "message"),
    [
        (["a.jpg", "b.jpg"], "-", {}, "standard output takes one pastiche, but there are 2 photos"),
        (["a.jpg", "b.jpg"], "out.jpg", {}, "-o is out.jpg, a file, but there may be several"),
        (["a.jpg"], "out.jpg", {"format": "png"}, "-o is out.jpg, but --format is png"),
        (["a.jpg"], "out.jpg", {"bits": 16}, "-o is out.jpg, but jpeg cannot hold --bits 16; choose png or tiff"),
        (["a.jpg"], "out.xyz", {}, "-o is out.xyz has the suffix .xyz; give one of .png"),
    ],
)
def test_outputs_that_cannot_be(photos: list[str], target: str, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(click.UsageError, match=message):
        outputs(photos, target, **changed)


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(click.UsageError, match="give a folder"):
        outputs(["a.jpg", "b.jpg"], os.fspath(tmp_path / "taken"))

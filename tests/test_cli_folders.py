"""``impasto stylize`` on folders that grow, twice at once, on pipes, and on paths as people write them."""

from __future__ import annotations

import io
import itertools
import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from impasto import stylizer as stylizer_module
from impasto.cli.main import cli
from impasto.cli.stylize import output_paths as outputs_module
from impasto.cli.stylize.output_paths import plan
from impasto.cli.stylize.photos import Photo, find
from impasto.picture.files import SUFFIXES
from impasto.request import options
from impasto.stylizer import Stylizer

DEFAULTS: dict[str, Any] = {option.name: option.default for option in options()}


@pytest.fixture(scope="module")
def shared() -> Stylizer:
    return Stylizer()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: Stylizer) -> Path:
    """A folder to work in, with the painting ``sea.png``; the model is opened once."""
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stylizer_module, "Stylizer", lambda *_, **__: shared)
    paint("sea.png", 3)
    return tmp_path


def paint(name: str, seed: int) -> bytes:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    spots = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), np.uint8)
    Image.fromarray(spots).resize((48, 32)).save(path)
    return path.read_bytes()


def impasto(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["stylize", *arguments])


def fate(result: Result) -> dict[str, str]:
    """The output of each photograph, by its own name; "" where it was skipped."""
    assert result.exit_code == 0, result.stdout + result.stderr
    records = map(json.loads, result.stdout.splitlines())
    return {record["photo"]: "" if record["skipped"] else record["output"] for record in records}


def outputs(photos: list[str], target: str | None = None, **changed: Any) -> list[str]:
    tasks = plan([Photo(Path(photo)) for photo in photos], target, ["sea"], {**DEFAULTS, **changed})
    return [str(task.output) for task in tasks]


# A folder that grows


@pytest.mark.parametrize(
    ("first", "later"),
    [
        ("photo.png", "photo.bmp"),
        ("photo.bmp", "photo.png"),
        ("photo.gif", "photo.bmp"),
        ("photo.jpg", "photo.JPG"),
        ("photo.JPG", "photo.jpg"),
        ("photo.jpeg", "photo.jpg"),
        ("photo.bmp", "photo.bmp.png"),
        ("photo.bmp.png", "photo.bmp"),
    ],
)
@pytest.mark.parametrize("target", [[], ["-o", "out/"], ["-o", "out/", "--format", "png"]])
def test_what_is_new_in_a_folder_is_painted_and_nothing_else(
    desk: Path, first: str, later: str, target: list[str]
) -> None:
    paint(f"trip/{first}", 1)
    again = ["trip", "-s", "sea.png", "--skip-existing", "--json", *target]
    painted = fate(impasto(*again))
    paint(f"trip/{later}", 2)
    grown = fate(impasto(*again))
    assert grown.pop(f"trip/{first}") == ""
    assert list(grown) == [f"trip/{later}"]
    assert not set(painted.values()) & set(grown.values())
    assert set(fate(impasto(*again)).values()) == {""}


def test_folders_of_a_pattern_that_grow(desk: Path) -> None:
    paint("trip/b/1.png", 1)
    again = ["trip/**/*.png", "-s", "sea.png", "-o", "out", "--skip-existing", "--json"]
    assert fate(impasto(*again)) == {"trip/b/1.png": "out/b/1.sea.png"}
    for name in ("trip/a/1.png", "trip/c/1.png", "trip/1.png"):
        paint(name, 2)
    assert fate(impasto(*again)) == {
        "trip/1.png": "out/1.sea.png",
        "trip/a/1.png": "out/a/1.sea.png",
        "trip/b/1.png": "",
        "trip/c/1.png": "out/c/1.sea.png",
    }


def test_several_folders_that_grow(desk: Path) -> None:
    for name in ("spring/1.png", "autumn/2.png"):
        paint(name, 1)
    again = ["spring", "autumn", "-s", "sea.png", "-o", "out", "--skip-existing", "--json"]
    painted = fate(impasto(*again))
    paint("autumn/1.png", 2)
    grown = fate(impasto(*again))
    assert {photo: output for photo, output in grown.items() if output} == {"autumn/1.png": grown["autumn/1.png"]}
    assert grown["autumn/1.png"] not in painted.values()
    assert set(fate(impasto(*again)).values()) == {""}


def test_photographs_of_one_name_are_told_apart_by_their_folders_whatever_there_is_besides(tmp_path: Path) -> None:
    names = [str(tmp_path / folder / "a.jpg") for folder in "bcd"]
    known = dict(zip(names, outputs(names, "out"), strict=True))
    assert len(set(known.values())) == 3
    more = [str(tmp_path / "a" / "a.jpg"), *reversed(names)]
    assert outputs(more, "out")[1:] == [known[name] for name in more[1:]]


stems = st.sampled_from(["a", "b", "a.bmp", "a.png", "a.sea", "ä" * 120, "x" * 240, "x" * 241])
suffixes = st.sampled_from([*SUFFIXES, ".JPG", ".Png"])
photo_names = st.builds(str.__add__, stems, suffixes)


@given(st.sets(photo_names, max_size=8), photo_names, st.sampled_from([None, "png", "jpeg"]), st.sampled_from([8, 16]))
def test_a_name_depends_on_the_photograph_alone(others: set[str], own: str, format_: str | None, bits: int) -> None:
    if bits == 16 and format_ == "jpeg":
        format_ = None
    folder = sorted({*others, own})
    given = outputs(folder, "out/", format=format_, bits=bits)
    assert len(set(given)) == len(folder)
    assert given[folder.index(own)] == outputs([own], "out/", format=format_, bits=bits)[0]


def test_a_photograph_that_is_called_like_a_pastiche_is_never_replaced(desk: Path) -> None:
    paint("a.png", 1)
    mine = paint("a.sea.png", 2)
    result = impasto("*.png", "-s", "sea.png", "--overwrite")
    assert result.exit_code == 0, result.stderr
    assert Path("a.sea.png").read_bytes() == mine
    assert Path("a-2.sea.png").is_file()


def test_a_pastiche_that_is_there_is_found_though_pastiches_are_taken_in(desk: Path) -> None:
    paint("trip/a.png", 1)
    assert impasto("trip", "-s", "sea.png").exit_code == 0
    again = impasto("trip", "-s", "sea.png", "--skip-existing", "--include-pastiches", "--json")
    assert fate(again) == {"trip/a.png": "", "trip/a.sea.png": "trip/a.sea.sea.png"}


@pytest.mark.parametrize("photos", [["a.jpg"] * 400, [f"{i}/a.jpg" for i in range(400)]])
def test_planning_takes_one_name_after_another(monkeypatch: pytest.MonkeyPatch, photos: list[str]) -> None:
    named, name = itertools.count(), outputs_module._name

    def counted(*arguments: Any) -> Path:
        next(named)
        return name(*arguments)

    monkeypatch.setattr(outputs_module, "_name", counted)
    assert len(set(outputs(photos, "out"))) == 400
    assert next(named) <= 800


# One folder, two processes


@pytest.mark.parametrize("target", [[], ["-o", "out"]])
def test_what_appears_meanwhile_is_skipped(
    desk: Path, monkeypatch: pytest.MonkeyPatch, shared: Stylizer, target: list[str]
) -> None:
    for i in range(3):
        paint(f"trip/{i}.png", i)
    run, other = shared.run, list[Result]()

    def overtaken(request: Any, **more: Any) -> Any:
        if not other:
            monkeypatch.setattr(shared, "run", run)
            other.append(impasto("trip", "-s", "sea.png", "--skip-existing", "--json", *target))
        return (yield from run(request, **more))

    monkeypatch.setattr(shared, "run", overtaken)
    result = impasto("trip", "-s", "sea.png", "--skip-existing", "--json", *target)
    assert len([output for output in fate(other[0]).values() if output]) == 3
    assert set(fate(result).values()) == {""}


def test_without_skip_existing_what_appears_meanwhile_is_an_error(
    desk: Path, monkeypatch: pytest.MonkeyPatch, shared: Stylizer
) -> None:
    paint("a.png", 1)
    run = shared.run

    def overtaken(request: Any, **more: Any) -> Any:
        Path("a.sea.png").write_bytes(b"theirs")
        return (yield from run(request, **more))

    monkeypatch.setattr(shared, "run", overtaken)
    assert impasto("a.png", "-s", "sea.png").exit_code == 1
    assert Path("a.sea.png").read_bytes() == b"theirs"


# Pipes


@pytest.fixture
def piped() -> Iterator[Any]:
    """Makes a pipe with a name of bytes, as a shell does of ``<(command)``: they can be read once."""
    held, writers = list[int](), list[threading.Thread]()

    def pipe(data: bytes) -> str:
        end, start = os.pipe()
        held.append(end)

        def write() -> None:
            # Of a command that refuses it, nobody may read it.
            with suppress(BrokenPipeError), os.fdopen(start, "wb") as stream:
                stream.write(data)

        writers.append(threading.Thread(target=write))
        writers[-1].start()
        return f"/dev/fd/{end}"

    yield pipe
    for end in held:
        os.close(end)
    for writer in writers:
        writer.join()


needs_fd = pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="no /dev/fd")


@needs_fd
def test_several_photographs_from_pipes(desk: Path, piped: Any) -> None:
    pipes = [piped(paint("a.png", 1)), piped(paint("b.jpg", 2))]
    result = impasto(*pipes, "-s", "sea.png", "-o", "out", "--json")
    assert fate(result) == {pipe: f"out/{Path(pipe).name}.sea.png" for pipe in pipes}
    assert {file.name for file in Path("out").iterdir()} == {f"{Path(pipe).name}.sea.png" for pipe in pipes}


@needs_fd
def test_a_pipe_goes_to_standard_output_as_standard_input_does(desk: Path, piped: Any) -> None:
    result = impasto(piped(paint("a.png", 1)), "-s", "sea.png")
    assert result.exit_code == 0, result.stderr
    assert Image.open(io.BytesIO(result.stdout_bytes)).size == (48, 32)
    several = impasto(piped(paint("a.png", 1)), "a.png", "-s", "sea.png")
    assert (several.exit_code, "give a folder with -o FOLDER" in several.stderr) == (2, True)


@needs_fd
@pytest.mark.parametrize("weight", ["", ":2"])
def test_a_style_from_a_pipe(desk: Path, piped: Any, weight: str) -> None:
    paint("a.png", 1)
    plain = impasto("a.png", "-s", "sea.png", "-o", "plain.png")
    result = impasto("a.png", "-s", piped(Path("sea.png").read_bytes()) + weight, "--json")
    assert (plain.exit_code, fate(result)) == (0, {"a.png": "a.picture.png"})
    assert np.array_equal(np.asarray(Image.open("plain.png")), np.asarray(Image.open("a.picture.png")))


@needs_fd
def test_a_card_and_a_mask_from_pipes(desk: Path, piped: Any, shared: Stylizer) -> None:
    paint("a.png", 1)
    white = io.BytesIO()
    Image.new("L", (8, 8), 0).save(white, "PNG")
    card = piped(shared.gallery.export("udnie"))
    result = impasto("a.png", "-s", card, "--mask", piped(white.getvalue()), "-o", "out.png")
    assert result.exit_code == 0, result.stderr
    assert np.array_equal(np.asarray(Image.open("out.png")), np.asarray(Image.open("a.png")))


@needs_fd
@pytest.mark.parametrize("data", [b"", b"no picture"])
def test_a_pipe_of_no_picture_is_one_line(desk: Path, piped: Any, data: bytes) -> None:
    paint("a.png", 1)
    for arguments in ([piped(data), "-s", "sea.png", "-o", "x.png"], ["a.png", "-s", piped(data)]):
        result = impasto(*arguments)
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert result.stderr.startswith("error: ")


@needs_fd
def test_a_training_refuses_what_it_could_read_once_only(desk: Path, piped: Any) -> None:
    pipe = piped(paint("a.png", 1))
    result = CliRunner().invoke(cli, ["train", "style", pipe, "--photos", ".", "--name", "sea"])
    assert (result.exit_code, f"{pipe} is a pipe" in result.stderr) == (2, True)


# Paths and numbers as people write them


def test_the_home_folder_is_put_where_the_shell_does_not(desk: Path) -> None:
    paint("a.png", 1)
    Image.new("L", (8, 8), 255).save("all.png")
    for number, arguments in enumerate(
        (
            ["~/a.png", "--style=~/sea.png:2", "--output=~/1.png"],
            ["a.png", "-s~/sea.png", "-o~/2.png", "--mask=~/all.png"],
        ),
        1,
    ):
        result = impasto(*arguments)
        assert result.exit_code == 0, result.stderr
        assert (desk / f"{number}.png").is_file()


def test_a_file_that_really_is_called_so_is_that_file(desk: Path) -> None:
    paint("a.png", 1)
    paint("~/odd.png", 2)
    result = impasto("a.png", "--style=~/odd.png", "--json")
    assert fate(result) == {"a.png": "a.odd.png"}


def test_the_style_of_a_region_may_be_at_home(desk: Path) -> None:
    from impasto.cli.options.parsers import parse_region

    assert parse_region("sky.png=~/sea.png", lambda file: file == "sky.png") == ("sky.png", str(desk / "sea.png"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--strength", "0,5"], "strength is '0,5'; give a number, with a point before its decimals"),
        (["--strength", ",5"], "with a point before its decimals"),
        (["--steps", "1,000"], "steps is '1,000'; give a whole number without commas"),
        (["--strength", "half"], "strength is 'half'; give a number\n"),
        (["--seed", "9" * 400], "seed is 999"),
        (["-s", "sea.png:0,5"], "the weight of 'sea.png' is 0,5; give a number with a point"),
    ],
)
def test_a_number_that_is_none_is_told(desk: Path, arguments: list[str], message: str) -> None:
    paint("a.png", 1)
    result = impasto("a.png", "-s", "sea.png", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_one_that_is_found_is_seen_from_where_its_pattern_begins(desk: Path) -> None:
    paint("trip/x/1.png", 1)
    within = {str(photo.path): str(photo.within) for photo in find(["trip/*/*.png", "trip/x", "sea.png", "./s*.png"])}
    assert within == {"trip/x/1.png": "x", "sea.png": "."}

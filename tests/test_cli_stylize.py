"""``impasto stylize``, with the real engine: what it writes, says, and answers."""

from __future__ import annotations

import io
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from impasto import stylizer as stylizer_module
from impasto.cli.main import cli
from impasto.picture import Picture
from impasto.picture.provenance import read_settings
from impasto.request import Progress, Request
from impasto.request import Result as Pastiche
from impasto.stylizer import Stylizer


@pytest.fixture(scope="module")
def shared() -> Stylizer:
    return Stylizer()


@pytest.fixture
def album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: Stylizer) -> Path:
    """A folder to work in, with ``a.jpg``, ``b.png`` and the painting ``art/sea.png``; the model is opened once."""
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stylizer_module, "Stylizer", lambda *_, **__: shared)
    paint("a.jpg", 1)
    paint("b.png", 2)
    paint("art/sea.png", 3)
    return tmp_path


def paint(name: str, seed: int, size: tuple[int, int] = (96, 64)) -> Path:
    """A small picture with soft shapes, the same for the same seed."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    spots = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), np.uint8)
    Image.fromarray(spots).resize(size, Image.Resampling.BICUBIC).save(path)
    return path


def impasto(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(cli, ["stylize", *arguments], input=stdin)


def records(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def files(folder: str = ".") -> set[str]:
    return {path.name for path in Path(folder).iterdir() if path.is_file()}


def test_the_pastiche_is_written_beside_the_photo_and_named(album: Path) -> None:
    result = impasto("a.jpg", "--style", "art/sea.png")
    assert (result.exit_code, result.stdout) == (0, "a.sea.jpg\n")
    assert Picture.open("a.sea.jpg").size == (96, 64)
    settings = read_settings("a.sea.jpg")
    assert settings is not None
    assert settings["style"] == "sea"


def test_settings_reach_the_engine(album: Path) -> None:
    result = impasto(
        "a.jpg", "-s", "art/sea.png", "-o", "out.png", "--resize", "48", "--strength", "0.5", "--keep-colors"
    )
    assert result.exit_code == 0, result.stderr
    assert Picture.open("out.png").size == (48, 32)
    settings = read_settings("out.png")
    assert settings is not None
    assert (settings["strength"], settings["colors"], settings["resize"]) == (0.5, "keep", 48)


def test_styles_are_mixed_by_weight(album: Path) -> None:
    paint("art/hill:2.png", 4)
    result = impasto("a.jpg", "-s", "art/sea.png:3", "-s", "art/hill:2.png", "--json")
    (record,) = records(result)
    assert record["output"] == "a.sea+hill:2.jpg"
    assert record["settings"]["style"] == {"sea": 0.75, "hill:2": 0.25}


def test_a_mask_keeps_the_photograph_where_it_is_black(album: Path) -> None:
    Image.new("L", (10, 10), 0).save("mask.png")
    assert impasto("b.png", "-s", "art/sea.png", "-o", "out.png", "--mask", "mask.png").exit_code == 0
    difference = Picture.open("out.png").pixels.astype(int) - Picture.open("b.png").pixels.astype(int)
    assert np.abs(difference).max() <= 1


def test_a_batch_goes_on_after_a_failure_and_counts_them(album: Path) -> None:
    Path("broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    result = impasto("broken.jpg", "a.jpg", "gone.jpg", "b.png", "*.bmp", "-s", "art/sea.png", "-o", "new/out")
    assert result.exit_code == 3
    assert files("new/out") == {"a.sea.jpg", "b.sea.png"}
    assert result.stdout.split() == [str(Path("new/out/a.sea.jpg")), str(Path("new/out/b.sea.png"))]
    errors = result.stderr.splitlines()
    assert len(errors) == 4
    assert all(line.startswith("error: ") for line in errors[:3])
    assert [name in line for name, line in zip(("broken.jpg", "gone.jpg", "*.bmp"), errors, strict=False)] == [True] * 3
    assert errors[-1] == "3 of 5 failed"


def test_what_the_runtime_gives_up_on_costs_a_batch_one_picture(
    album: Path, monkeypatch: pytest.MonkeyPatch, shared: Stylizer
) -> None:
    run = shared.run

    def failing(request: Request, **more: Any) -> Generator[Progress, None, Pastiche]:
        if request.content.format == "jpeg":
            raise RuntimeError("out of scratchpads")
        return (yield from run(request, **more))

    monkeypatch.setattr(shared, "run", failing)
    result = impasto("a.jpg", "b.png", "-s", "art/sea.png")
    assert (result.exit_code, result.stdout) == (1, "b.sea.png\n")
    assert result.stderr.splitlines()[0] == "error: a.jpg: it failed: out of scratchpads"
    alone = impasto("a.jpg", "-s", "art/sea.png")
    assert (alone.exit_code, alone.stderr) == (1, "error: a.jpg: it failed: out of scratchpads\n")


@pytest.mark.parametrize("problem", [MemoryError(), OSError(28, "No space left"), RuntimeError("two\nlines")])
def test_what_fails_while_a_photo_is_opened_costs_one_picture(
    album: Path, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    opened = Picture.open

    def failing(source: Any, **more: Any) -> Picture:
        if Path(source).name == "a.jpg":
            raise problem
        return opened(source, **more)

    monkeypatch.setattr(Picture, "open", failing)
    result = impasto("a.jpg", "b.png", "-s", "art/sea.png")
    assert (result.exit_code, result.stdout) == (1, "b.sea.png\n")
    assert result.stderr.startswith("error: a.jpg: it failed: ")
    assert result.stderr.count("\n") == 2


def test_paths_that_lead_nowhere_cost_a_batch_one_picture_each(album: Path) -> None:
    Path("loop.jpg").symlink_to("loop.jpg")
    result = impasto("loop.jpg", "x" * 300, "~nosuchuser/*.jpg", "b.png", "-s", "art/sea.png")
    assert (result.exit_code, result.stdout) == (3, "b.sea.png\n")
    assert [line.startswith("error: ") for line in result.stderr.splitlines()] == [True] * 3 + [False]
    long = impasto("a.jpg", "-s", "art/sea.png", "-o", "x" * 300)
    assert (long.exit_code, long.stderr.count("\n")) == (1, 1)


def test_standard_input_is_read_no_further_than_a_picture_may_be(album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("impasto.picture.reading._MAX_BYTES", 2**16)
    for arguments in (["stylize", "-", "-s", "art/sea.png"], ["show", "-"]):
        result = CliRunner().invoke(cli, arguments, input=bytes(2**17))
        assert result.exit_code == 1
        assert "is larger than" in result.stderr
        assert "sea.png" not in result.stderr


def test_json_gives_one_record_for_each_picture(album: Path, shared: Stylizer) -> None:
    result = impasto("a.jpg", "gone.jpg", "-s", "art/sea.png", "--json")
    made, failed = records(result)
    assert (result.exit_code, result.stderr) == (1, "")
    assert made["seconds"] > 0
    assert made | {"seconds": 0} == {
        "photo": "a.jpg",
        "output": "a.sea.jpg",
        "ok": True,
        "skipped": False,
        "error": None,
        "complete": True,
        "seconds": 0,
        "size": [96, 64],
        "settings": {"style": "sea"},
        "model": shared.model,
    }
    assert (failed["ok"], failed["error"]["code"], failed["size"]) == (False, "broken_picture", None)
    assert "gone.jpg" in failed["error"]["message"]


def test_what_exists_is_never_overwritten_silently(album: Path) -> None:
    Path("a.sea.jpg").write_bytes(b"mine")
    result = impasto("a.jpg", "-s", "art/sea.png")
    assert result.exit_code == 1
    assert "a.sea.jpg already exists; add --overwrite or --skip-existing" in result.stderr
    skipped = impasto("a.jpg", "-s", "art/sea.png", "--skip-existing", "--json")
    assert (skipped.exit_code, records(skipped)[0]["skipped"]) == (0, True)
    assert Path("a.sea.jpg").read_bytes() == b"mine"
    assert impasto("a.jpg", "-s", "art/sea.png", "--overwrite").exit_code == 0
    assert Path("a.sea.jpg").read_bytes() != b"mine"


def test_the_photo_itself_is_replaced_only_when_it_is_named(album: Path) -> None:
    before = Path("a.jpg").read_bytes()
    assert impasto("a.jpg", "-s", "art/sea.png", "-o", "a.jpg").exit_code == 1
    assert Path("a.jpg").read_bytes() == before
    assert impasto("a.jpg", "-s", "art/sea.png", "-o", "a.jpg", "--overwrite").exit_code == 0
    assert read_settings("a.jpg") is not None


def test_a_second_run_repaints_no_pastiches(album: Path) -> None:
    assert impasto(".", "-s", "art/sea.png").exit_code == 0
    assert files() == {"a.jpg", "a.sea.jpg", "b.png", "b.sea.png"}
    again = impasto(".", "-s", "art/sea.png", "--skip-existing")
    assert again.exit_code == 0
    assert files() == {"a.jpg", "a.sea.jpg", "b.png", "b.sea.png"}
    assert again.stderr.splitlines()[0] == "left out 2 pictures that Impasto made; --include-pastiches takes them in"
    assert again.stderr.splitlines()[-1] == "2 of 2 skipped"


def test_pastiches_can_be_repainted_on_purpose(album: Path) -> None:
    assert impasto("a.jpg", "-s", "art/sea.png", "-o", "p.png").exit_code == 0
    assert impasto("p.png", "-s", "art/sea.png").exit_code == 0
    assert impasto("p*.png", "-s", "art/sea.png").exit_code == 2
    assert impasto("p*.png", "-s", "art/sea.png", "-o", "again", "--include-pastiches").exit_code == 0
    assert files("again") == {"p.sea.png", "p.sea.sea.png"}


def test_a_photo_is_piped_through(album: Path) -> None:
    result = impasto("-", "-s", "art/sea.png", stdin=Path("a.jpg").read_bytes())
    assert (result.exit_code, result.stderr) == (0, "")
    image = Image.open(io.BytesIO(result.stdout_bytes))
    assert (image.format, image.size) == ("JPEG", (96, 64))


def test_broken_standard_input_is_one_line(album: Path) -> None:
    result = impasto("-", "-s", "art/sea.png", stdin=b"no picture")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.jpg", "-s", "art/sea.png", "-o", "-", "--json"], "both go to standard output"),
        (["a.jpg", "-s", "art/sea.png", "--deterministic", "--precision", "bf16"], "deterministic needs f32"),
        (["a.jpg", "-s", "art/sea.png", "--bits", "12"], "bits is 12; give 8 or 16"),
        (["a.jpg", "-s", "art/sea.png:0"], "greater than 0"),
        (["a.jpg", "-s", "art/sea.png", "-o", "out.gif"], "out.gif"),
        (["a.jpg", "-s", "art/sea.png", "-o", "out.jpg", "--bits", "16"], "cannot hold --bits 16"),
        (["a.jpg"], "Missing option"),
    ],
)
def test_wrong_usage_exits_with_2(album: Path, arguments: list[str], message: str) -> None:
    result = impasto(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert files() == {"a.jpg", "b.png"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.jpg", "-s", "nobody-painted-this"], "nobody-painted-this"),
        (["a.jpg", "-s", "art/sea.png", "--mask", "gone.png"], "gone.png"),
        (["a.jpg", "-s", "art/sea.png", "-o", "b.png/out.png"], "b.png"),
    ],
)
def test_what_cannot_be_is_one_line(album: Path, arguments: list[str], message: str) -> None:
    result = impasto(*arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_quiet_says_nothing_but_errors(album: Path) -> None:
    result = impasto("a.jpg", "gone.jpg", "-s", "art/sea.png", "-q")
    assert result.stdout == ""
    assert result.stderr.splitlines()[1:] == ["1 of 2 failed"]


def test_an_interrupt_says_how_many_are_done(album: Path, monkeypatch: pytest.MonkeyPatch, shared: Stylizer) -> None:
    run, count = shared.run, iter(range(9))

    def interrupted(request: Request, **more: Any) -> Generator[Progress, None, Pastiche]:
        if next(count) == 1:
            raise KeyboardInterrupt
        return (yield from run(request, **more))

    monkeypatch.setattr(shared, "run", interrupted)
    paint("c.jpg", 5)
    result = impasto(".", "-s", "art/sea.png")
    assert result.exit_code == 130
    assert result.stderr == "stopped: 1 of 3 pictures done\n"
    assert files() == {"a.jpg", "a.sea.jpg", "b.png", "c.jpg"}

"""``impasto plot``."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from impasto.cli.main import cli
from impasto.plots import TraceWriter


@pytest.fixture(autouse=True)
def _desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("weak.jsonl", "strong.jsonl"):
        with TraceWriter(name) as trace:
            trace.begin("harbour.jpg", "pocket@2", {"style_weight": len(name)})
            for number in range(1, 20):
                trace.step(number, level=0, size=(64, 48), seconds=number, loss=1 / number, terms={"gram": 1 / number})


def plot(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ("plot", *arguments))


def test_a_trace_is_drawn_beside_it() -> None:
    result = plot("weak.jsonl")
    assert (result.exit_code, result.stdout) == (0, "weak.png\n"), result.stderr
    with Image.open("weak.png") as image:
        assert (image.format, image.width) == ("PNG", 1600)


def test_several_are_drawn_in_one_picture() -> None:
    assert plot("weak.jsonl", "strong.jsonl", "-o", "Both.PNG").stdout == "Both.PNG\n"
    assert plot("weak.jsonl").exit_code == 0
    with Image.open("Both.PNG") as both, Image.open("weak.png") as one:
        assert both.height == 2 * one.height


def test_nothing_is_overwritten_unless_asked() -> None:
    Path("weak.png").write_bytes(b"mine")
    result = plot("weak.jsonl")
    assert result.exit_code == 1
    assert "weak.png exists" in result.stderr
    assert Path("weak.png").read_bytes() == b"mine"
    assert plot("weak.jsonl", "--overwrite").exit_code == 0
    assert Path("weak.png").read_bytes() != b"mine"


def test_it_goes_to_standard_output_too() -> None:
    with Image.open(BytesIO(plot("weak.jsonl", "-o", "-").stdout_bytes)) as image:
        assert image.format == "PNG"
    assert not Path("weak.png").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ((), 2, "Missing argument 'TRACE...'"),
        (("weak.jsonl", "-o", "chart.jpg"), 2, "-o is chart.jpg, but a chart is a PNG"),
        (("gone.jsonl",), 2, "gone.jsonl cannot be read: No such file"),
        (("weak.jsonl", "-o", "gone/chart.png"), 1, "the folder gone does not exist"),
    ],
)
def test_what_is_wrong_is_told(arguments: tuple[str, ...], status: int, message: str) -> None:
    result = plot(*arguments)
    assert result.exit_code == status
    assert message in result.stderr


def test_no_trace_is_ever_replaced_by_its_chart() -> None:
    Path("weak.jsonl").rename("run.png")
    before = Path("run.png").read_bytes()
    for arguments in (("run.png",), ("strong.jsonl", "run.png", "-o", "./run.png")):
        result = plot(*arguments, "--overwrite")
        assert result.exit_code == 2
        assert "the chart would replace the trace run.png" in result.stderr
    assert Path("run.png").read_bytes() == before


def test_a_broken_trace_is_one_line() -> None:
    lines = Path("weak.jsonl").read_text().splitlines()
    Path("weak.jsonl").write_text("\n".join([*lines[:4], "{torn", *lines[4:]]))
    result = plot("weak.jsonl")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: weak.jsonl is broken in line 5: ")
    assert result.stderr.count("\n") == 1

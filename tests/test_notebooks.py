"""The notebooks among the examples run from top to bottom, in every language."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from painting import photograph, vgg_file

from impasto import Picture, Result
from impasto.picture.notebook_display import Comparison
from impasto.plots import Trace

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = sorted((EXAMPLES / "notebooks").glob("*.ipynb"))
ENCODERS = {"gatys_adam": ("vgg19", "torchvision"), "gatys_lbfgs_tv": ("vgg16", "caffe")}
SETTINGS: dict[str, dict[str, Any]] = {
    "gatys_adam": {"SIZE": 48, "STEPS": 6, "SHOW_EVERY": 2},
    "gatys_lbfgs_tv": {"SIZE": 64, "STEPS": 5},
}


def read(file: Path) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(file.read_text("utf-8"))["cells"]
    return cells


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def executed(file: Path, **parameters: object) -> tuple[dict[str, Any], list[object]]:
    """The names that are left when all cells have run, and what was shown, as Jupyter shows the last expression.

    ``parameters`` take the place of those in the cell that is tagged so.
    """
    shown: list[object] = []
    names: dict[str, Any] = {"display": shown.append}
    for cell in read(file):
        if cell["cell_type"] != "code":
            continue
        tree = ast.parse(source(cell))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, file.name, "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), file.name, "eval"), names)
            shown += [] if value is None else [value]
        if "parameters" in cell["metadata"].get("tags", ()):
            assert parameters.keys() <= names.keys()
            names |= parameters
    return names, shown


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.name)
def test_a_notebook_runs(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    photo, painting = photograph(64, 48, seed=1), photograph(60, 60, seed=2)
    photo.to_pil().save("photo.png")
    painting.to_pil().save("painting.png")
    which = file.name.partition(".")[0]
    given = {"PHOTO": "photo.png", "PAINTING": "painting.png", "ENCODER": vgg_file(tmp_path, *ENCODERS[which])}
    names, shown = executed(file, **given, **SETTINGS[which])

    (trace_file,) = Path().glob("*.jsonl")
    trace = Trace.read(trace_file)
    assert [step.step for step in trace.steps] == list(range(1, SETTINGS[which]["STEPS"] + 1))
    assert trace.steps[-1].loss < trace.steps[0].loss
    assert set(trace.terms) == {"content", "gram", *(["variation"] if which == "gatys_lbfgs_tv" else [])}
    # Every step that is shown is printed with its total, as it is in the trace.
    totals = {step.step: step.loss for step in trace.steps}
    printed = re.findall(r"^ *(\d+)  \D+: (\S+)$", capsys.readouterr().out, re.MULTILINE)
    assert [int(step) for step, _ in printed] == ([2, 4, 6] if which == "gatys_adam" else [1, 2, 3, 4, 5])
    assert [float(loss) for _, loss in printed] == pytest.approx([totals[int(step)] for step, _ in printed], rel=1e-4)

    result = names["result"]
    assert isinstance(result, Result)
    assert result.pastiche.size == (64, 48)
    assert np.abs(result.pastiche.pixels.astype(int) - photo.pixels).mean() > 0.3
    assert len([page for page in shown if isinstance(page, Picture)]) == 2 + 3  # photo, painting, three on the way
    (plot,) = (page for page in shown if type(page).__name__ == "Image")
    assert plot.width == 1600  # type: ignore[attr-defined]
    (comparison,) = (page for page in shown if isinstance(page, Comparison))
    assert comparison.after is result.pastiche
    (saved,) = Path().glob("gatys*.png")
    assert np.array_equal(Picture.open(saved).pixels, result.pastiche.pixels)


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.name)
def test_a_notebook_is_small_and_holds_no_outputs(file: Path) -> None:
    assert file.stat().st_size < 10_000
    notebook = json.loads(file.read_text("utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    cells = notebook["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    for cell in cells:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
            assert not re.search(r"^\s*[%!]|impasto\.perceptual|impasto\.engines", source(cell), re.MULTILINE)
    assert notebook["metadata"]["kernelspec"]["language"] == "python"


def meaning(file: Path, blank: Callable[[ast.AST], None]) -> list[str]:
    """What the cells say to Python, without the words that are translated."""
    trees = [ast.parse(source(cell)) for cell in read(file) if cell["cell_type"] == "code"]
    for tree in trees:
        for node in ast.walk(tree):
            blank(node)
    return [ast.dump(tree) for tree in trees]


def test_every_language_says_the_same() -> None:
    def blank(node: ast.AST) -> None:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and not node.value.isascii():
            node.value = "words"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "compare":
            node.args = []
        if isinstance(node, ast.JoinedStr):
            node.values = [value for value in node.values if isinstance(value, ast.FormattedValue)]

    languages = {file.name: meaning(file, blank) for file in NOTEBOOKS}
    assert set(languages) == {
        *(f"gatys_adam.{language}.ipynb" for language in ("en", "pt")),
        *(f"gatys_lbfgs_tv.{language}.ipynb" for language in ("en", "pt", "zh")),
    }
    for name, cells in languages.items():
        english = f"{name.partition('.')[0]}.en.ipynb"
        assert cells == languages[english], name
        kinds, expected = ([cell["cell_type"] for cell in read(NOTEBOOKS[0].with_name(x))] for x in (name, english))
        assert kinds == expected, name


def test_every_notebook_is_in_the_examples_list() -> None:
    text = (EXAMPLES / "README.md").read_text("utf-8")
    assert set(re.findall(r"\(notebooks/([\w.]+\.ipynb)\)", text)) == {file.name for file in NOTEBOOKS}

"""Whole evaluations through VGG19, against the scripts that the bars of a painted picture were set with."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from impasto.cli.main import cli
from impasto.evaluation.inputs import read_square
from impasto.evaluation.metrics.scorer import open_scorer
from impasto.evaluation.pairs import Pair, read_pairs

MEASURES = ("style", "content", "drawing", "coarse", "deep", "lattice")


@pytest.fixture(scope="module")
def painterly(shared: Path) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(shared / "tools"), *sys.path])
        yield importlib.import_module("painterly")


@pytest.fixture(scope="module")
def pairs(shared: Path) -> list[Pair]:
    """One of a photograph with flat areas, and one without."""
    known = {pair.id: pair for pair in read_pairs(shared / "quality" / "pairs.json")}
    return [known["kodak_19_1"], known["kodak_11_0"]]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, pairs: list[Pair]) -> Path:
    """A list of the pairs, and pictures of them that are a little of both, with some noise and some stamped dots."""
    desk = tmp_path_factory.mktemp("desk")
    entries = [{"id": p.id, "content": str(p.content.resolve()), "style": str(p.style.resolve())} for p in pairs]
    (desk / "pairs.json").write_text(json.dumps(entries))
    random = np.random.default_rng(0)
    (desk / "made").mkdir()
    for pair in pairs:
        content, style = read_square(pair.content), read_square(pair.style)
        made = 0.5 * content + 0.4 * style[::-1] + random.normal(0, 4, content.shape)
        made[::8, ::8] += 30
        Image.fromarray(made.clip(0, 255).astype(np.uint8)).save(desk / "made" / f"{pair.id}.png")
    return desk


def test_a_report_has_the_figures_of_the_script(
    desk: Path, shared: Path, painterly: ModuleType, pairs: list[Pair], capsys: pytest.CaptureFixture[str]
) -> None:
    painterly.main([{"id": p.id, "content": p.content, "style": p.style} for p in pairs], desk / "made")
    theirs = json.loads(capsys.readouterr().out)
    arguments = ["--pairs", desk / "pairs.json", "--report", desk / "report", "--pictures", f"made={desk / 'made'}"]
    arguments += ["--vgg19", shared / "weights" / "vgg19.npz", "--json"]
    result = CliRunner().invoke(cli, ["evaluate", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["encoder"]["note"] == ""
    ours = next(c for c in report["contestants"] if c["name"] == "made")
    # Theirs are rounded to four digits.
    assert {m: ours[m]["mean"] for m in MEASURES} == {m: pytest.approx(theirs[m], abs=3e-4) for m in MEASURES}
    assert ours["flat"] == theirs["flat"] == 1
    assert theirs["lattice"] > 0.1


def test_what_recall_compares_is_what_the_script_compares(
    desk: Path, shared: Path, painterly: ModuleType, pairs: list[Pair]
) -> None:
    picture = desk / "made" / f"{pairs[0].id}.png"
    scorer, weights = open_scorer(shared / "weights" / "vgg19.npz"), painterly.quality.weights()
    with torch.inference_mode():
        found, _ = painterly.described(painterly.quality.square(picture), weights)
    keys = [(side, tap) for side in painterly.SCALES for tap in painterly.TAPS]
    theirs = torch.cat([value for key in keys for value in found[key]]).numpy()
    assert scorer.statistics(read_square(picture)) == pytest.approx(theirs, rel=1e-3, abs=1e-3)

"""``impasto evaluate``, seen through an encoder of random weights."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from encoders import random_pocket
from PIL import Image

from impasto.cli.main import cli
from impasto.errors import ModelError
from impasto.evaluation import evaluation
from impasto.evaluation.contact_sheet import Sheet
from impasto.evaluation.contestant import FromEngine
from impasto.evaluation.engine_trials import Seams
from impasto.evaluation.inputs import SIDE, read_square
from impasto.evaluation.metrics import sharpness
from impasto.evaluation.metrics.scorer import open_scorer
from impasto.instant.painter import Painter
from impasto.models import find


def impasto(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["evaluate", *arguments])


def fails(result: Result, message: str, status: int) -> None:
    assert result.exit_code == status, result.output
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two photographs, a painting, a list of two pairs, another program's pictures of them, and an encoder."""
    desk = tmp_path_factory.mktemp("desk")
    random = np.random.default_rng(0)
    for name, (width, height) in {"one": (90, 60), "two": (50, 70), "painting": (64, 64)}.items():
        small = Image.fromarray(random.integers(0, 256, (6, 6, 3), np.uint8))
        small.resize((width, height), Image.Resampling.BICUBIC).save(desk / f"{name}.png")
    (desk / "theirs").mkdir()
    Image.open(desk / "one.png").rotate(180).save(desk / "theirs" / "one.jpg")
    Image.open(desk / "two.png").resize((SIDE, SIDE)).save(desk / "theirs" / "two.webp", lossless=True)
    pairs = [{"id": name, "content": f"{name}.png", "style": "painting.png"} for name in ("one", "two")]
    (desk / "pairs.json").write_text(json.dumps(pairs))
    Image.open(desk / "one.png").resize((720, 600)).save(desk / "holiday.png")
    (desk / "faces.json").write_text('{"one.png": [[0.5, 0.5, 0.75, 0.75], [0.3, 0.1, 0.4, 0.2]]}')
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("IMPASTO_VGG19", raising=False)
        patch.setattr(evaluation, "_TRIED", 1)
        patch.chdir(desk)
        random_pocket(desk / "pocket", patch)
        yield desk


@pytest.fixture(scope="module")
def run(desk: Path) -> Result:
    """One run of everything."""
    extras = ("--large", "holiday.png", "--faces", "faces.json")
    base = ("--pairs", "pairs.json", "--report", "report", "--engine", "instant", "--pictures", "other=theirs")
    return impasto(*base, *extras)


@pytest.fixture(scope="module")
def report(desk: Path, run: Result) -> Any:
    assert run.exit_code == 0, run.output
    return json.loads((desk / "report" / "report.json").read_text())


def standing(report: Any, name: str) -> Any:
    return next(c for c in report["contestants"] if c["name"] == name)


def test_everyone_stands_beside_the_controls(report: Any) -> None:
    kinds = [(c["name"], c["kind"]) for c in report["contestants"]]
    assert kinds == [
        ("photograph", "control"), ("painting", "control"), ("instant", "engine"), ("other", "folder")
    ]  # fmt: skip
    assert [row["id"] for row in report["rows"]] == ["one", "two"]
    for measure in ("style", "gram", "content", "cfsd", "coarse", "lattice", "drawing", "recall"):
        for name, _ in kinds:
            found = standing(report, name)[measure]
            values = [row["scores"][name][measure] for row in report["rows"]]
            assert found["mean"] == pytest.approx(np.mean(values))
            assert min(values) <= found["low"] <= found["mean"] <= found["high"] <= max(values)
    assert standing(report, "photograph")["style"]["mean"] == 1
    assert standing(report, "painting")["gram"]["mean"] == 0
    assert 0 < standing(report, "instant")["content"]["mean"] < standing(report, "painting")["content"]["mean"]
    assert standing(report, "photograph")["coarse"]["mean"] == 1
    assert standing(report, "painting")["recall"]["mean"] == 1
    assert standing(report, "instant")["drawing"]["mean"] < standing(report, "painting")["drawing"]["mean"]
    styles = [row["scores"]["other"]["style"] for row in report["rows"]]
    assert standing(report, "other")["median_style"] == pytest.approx(np.median(styles))


def test_an_encoder_without_relu5_1_has_no_deep_and_says_so(report: Any, run: Result) -> None:
    assert all(c["deep"] is None for c in report["contestants"])
    assert all(row["scores"]["other"]["deep"] is None for row in report["rows"])
    assert "there is no deep" in report["encoder"]["note"]
    assert "there is no deep" in " ".join(run.stdout.split())


def test_the_light_of_faces_is_told_by_pair_and_in_sum(desk: Path, report: Any) -> None:
    first, second = (row["scores"] for row in report["rows"])
    assert second["other"]["light"] == []
    assert first["photograph"]["light"] == [0, 0]
    # The square of 90x60 begins 15 pixels from the left.
    box = (slice(256, 384), slice(256, 448))
    luma = [0.2126, 0.7152, 0.0722]
    before, after = ((read_square(file)[box] @ luma).mean() for file in (desk / "one.png", desk / "theirs" / "one.jpg"))
    assert first["other"]["light"][0] == pytest.approx(after - before, abs=1e-3)
    found = standing(report, "other")["light"]
    far = [abs(move) for move in first["other"]["light"]]
    assert found == {
        "faces": 2, "mean": pytest.approx(np.mean(far)), "largest": max(far), "within": np.mean([f <= 25 for f in far])
    }  # fmt: skip


def test_a_large_photograph_is_painted_beside_the_small_one(desk: Path, report: Any) -> None:
    (found,) = report["large"]["instant"]
    assert (found["photograph"], found["pair"], found["width"], found["height"]) == ("holiday.png", "one", 720, 600)
    assert set(found["large"]) == set(found["small"]) == {"style", "coarse", "content"}
    painted = np.asarray(Image.open(desk / "report" / "large" / "instant" / "holiday.png"))
    assert painted.shape == (600, 720, 3)
    own = np.asarray(Image.open(desk / "holiday.png").convert("RGB"))
    assert found["sharpness"] == pytest.approx(sharpness(painted) / sharpness(own))
    scorer, content, style = open_scorer(), read_square(desk / "holiday.png"), read_square(desk / "painting.png")
    score = scorer.score(read_square(desk / "report" / "large" / "instant" / "holiday.png"), content, style)
    assert found["large"] == {"style": score.style, "coarse": score.coarse, "content": score.content}
    assert found["small"] != found["large"]
    sheet = np.asarray(Image.open(desk / "report" / "large.png"))
    assert sheet.shape[1] == 6 * 260 + 4


def test_large_pictures_of_others_are_measured_alike(desk: Path, report: Any) -> None:
    assert set(report["large"]) == {"instant"}, "the others have no picture of it"
    result = impasto("--pairs", "pairs.json", "--large", "holiday.png", "--inputs", "given")
    assert result.exit_code == 0, result.output
    assert "wrote the inputs of 2 pairs and 1 large photograph to given" in result.stderr
    assert (np.asarray(Image.open("given/holiday.large.png")) == np.asarray(Image.open("holiday.png"))).all()
    shutil.copytree(desk / "report" / "pictures" / "instant", desk / "peers")
    shutil.copy(desk / "report" / "large" / "instant" / "holiday.png", desk / "peers" / "holiday.large.png")
    small = FromEngine("instant", find("instant"), "auto").paint(
        *(np.asarray(Image.open(f"given/holiday.{kind}.png")) for kind in ("small", "style"))
    )
    Image.fromarray(small).save(desk / "peers" / "holiday.small.png")
    arguments = ("--pairs", "pairs.json", "--report", "peering", "--large", "holiday.png")
    found = json.loads(impasto(*arguments, "--pictures", "p=peers", "--pictures", "other=theirs", "--json").stdout)
    assert found["large"] == {"p": report["large"]["instant"]}

    Image.open("peers/holiday.large.png").resize((360, 300)).save(desk / "peers" / "holiday.large.png")
    found = json.loads(impasto(*arguments, "--pictures", "p=peers", "--overwrite", "--json").stdout)
    ours, theirs = report["large"]["instant"][0], found["large"]["p"][0]
    assert (theirs["width"], theirs["small"]) == (720, ours["small"])
    assert theirs["sharpness"] < ours["sharpness"], "what is enlarged is less sharp at 100 %"


def test_recall_asks_for_the_own_painting_among_all(desk: Path, report: Any) -> None:
    shutil.copy(desk / "two.png", desk / "another.png")
    pairs = [
        {"id": "one", "content": "one.png", "style": "painting.png"},
        {"id": "two", "content": "one.png", "style": "another.png"},
    ]
    (desk / "two.json").write_text(json.dumps(pairs))
    (desk / "mixed").mkdir()
    for name in ("one", "two"):
        shutil.copy(desk / "painting.png", desk / "mixed" / f"{name}.png")
    result = impasto("--pairs", "two.json", "--report", "mixing", "--pictures", "mixed=mixed", "--json")
    found = json.loads(result.stdout)
    assert [row["scores"]["mixed"]["recall"] for row in found["rows"]] == [1, 0]
    assert standing(found, "mixed")["recall"]["mean"] == 0.5
    assert standing(found, "painting")["recall"]["mean"] == 1
    assert standing(found, "photograph")["light"] is None, "faces of these photographs are not known"


def test_it_says_what_was_measured_with_what(desk: Path, report: Any) -> None:
    assert report["encoder"]["name"] == "pocket@0"
    assert "not comparable" in report["encoder"]["note"]
    instant = find("instant")
    assert report["engine"]["model"] == instant.identity
    assert report["engine"]["files"] == {part: file["sha256"] for part, file in instant.files.items()}
    assert report["engine"]["precision"] in ("bf16", "f32")
    assert report["settings"] == {"pairs": 2, "side": SIDE, "confidence": 0.95, "resamples": 2000, "seed": 0}
    assert {"python", "impasto", "torch", "numpy"} <= set(report["versions"])
    assert str(desk) not in json.dumps(report)


def test_the_engine_is_tried(report: Any) -> None:
    curve = report["strength"]
    assert curve["strengths"] == [0, 0.25, 0.5, 0.75, 1]
    assert curve["shares"][0] == pytest.approx(0, abs=1e-4)
    assert curve["shares"][-1] == 1
    assert 0 < curve["departure"] == max(
        abs(a - b) for a, b in zip(curve["shares"], curve["strengths"], strict=True)
    )  # fmt: skip
    assert report["seams"]["ratio"] == pytest.approx(1, abs=0.02)


def test_table_and_terminal_show_the_same_figures(desk: Path, run: Result, report: Any) -> None:
    table = (desk / "report" / "table.md").read_text()
    rows = [line for line in table.splitlines() if re.match(r"\| (?!as it is|painted|light|large)", line)]
    names = [c["name"] for c in report["contestants"]]
    assert [row.split("|")[1].strip() for row in rows] == [*names, *names, *names, "instant"]
    heads = [line for line in table.splitlines() if line.startswith(("| as it is", "| painted"))]
    columns = [name.strip() for head in heads for name in head.split("|")[2:-1]]
    assert columns == [
        "style", "median", "gram", "content", "cfsd", "coarse", "deep", "lattice", "drawing", "recall"
    ]  # fmt: skip
    for number in re.findall(r"\d+\.\d+", "".join(rows)):
        assert number in run.stdout
    assert f"{standing(report, 'instant')['style']['mean']:.3f} (" in rows[2]
    assert f"{standing(report, 'instant')['coarse']['mean']:.3f} (" in rows[6]
    for text in (table, " ".join(run.stdout.split())):
        assert "figures are pocket's" in text
        assert "not comparable with VGG19's" in text
        assert "Seam ratio 1.00" in text
    assert all(len(line) <= 80 for line in run.stdout.splitlines())
    assert run.stderr == "written to report\n"


def test_its_pictures_score_the_same_from_their_folder(desk: Path, report: Any) -> None:
    shutil.copytree(desk / "report" / "pictures" / "instant", desk / "again")
    result = impasto(
        "--pairs", "pairs.json", "--report", "second", "--pictures", "again=again", "--faces", "faces.json", "--json"
    )
    assert result.exit_code == 0, result.output
    second = json.loads(result.stdout)
    assert second == json.loads((desk / "second" / "report.json").read_text())
    assert (second["engine"], second["strength"], second["seams"], second["large"]) == (None, None, None, {})
    assert [c["name"] for c in second["contestants"]] == ["photograph", "painting", "again"]
    expected = {k: v for k, v in standing(report, "instant").items() if k not in ("name", "kind")}
    assert expected.items() <= standing(second, "again").items()


def test_the_sheet_has_a_column_for_each(desk: Path, report: Any) -> None:
    sheet = np.asarray(Image.open(desk / "report" / "sheet.png"))
    width = sheet.shape[1] // 4
    for column in range(4):
        assert sheet[40:250, column * width + 20 : (column + 1) * width - 20].std() > 5
    names = ["photograph", "a name that is much too long for one column of this sheet, really"]
    empty = Sheet(names, 1).pixels
    assert empty.shape[1] == 2 * 260 + 4
    assert (empty[:, -4:] == 255).all(), "a long name stays in its column"


def test_pictures_are_cut_and_scaled_as_inputs_are(desk: Path, report: Any) -> None:
    (desk / "cut").mkdir()
    for name, file in (("one", "one.png"), ("two", "two.png")):
        Image.fromarray(read_square(desk / file)).save(desk / "cut" / f"{name}.png")
    shutil.copytree(desk / "cut", desk / "raw")
    shutil.copy(desk / "one.png", desk / "raw" / "one.png")
    result = impasto(
        "--pairs", "pairs.json", "--report", "cuts", "--pictures", "cut=cut", "--pictures", "raw=raw", "--json"
    )
    found = json.loads(result.stdout)
    for row in found["rows"]:
        assert row["scores"]["raw"] == row["scores"]["cut"] == row["scores"]["photograph"]


def test_inputs_are_written_for_others_without_torch(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "impasto.evaluation.metrics.scorer", None)
    result = impasto("--pairs", "pairs.json", "--inputs", "in/puts")
    assert result.exit_code == 0, result.output
    names = [f"{i}.{kind}.png" for i in ("one", "two") for kind in ("content", "style")]
    assert sorted(f.name for f in Path("in/puts").iterdir()) == names
    assert (np.asarray(Image.open("in/puts/two.content.png")) == read_square(desk / "two.png")).all()
    fails(impasto("--pairs", "pairs.json", "--inputs", "in/puts"), "exists", 1)
    assert impasto("--pairs", "pairs.json", "--inputs", "in/puts", "--overwrite").exit_code == 0
    fails(impasto("--pairs", "pairs.json", "--report", "none"), "pip install 'impasto[evaluate]'", 1)
    assert not Path("none").exists()


def test_a_report_is_not_overwritten_unasked(desk: Path, report: Any) -> None:
    again = ("--pairs", "pairs.json", "--report", "report", "--pictures", "other=theirs")
    before = (desk / "report" / "report.json").read_bytes()
    fails(impasto(*again), "report.json exists", 1)
    assert (desk / "report" / "report.json").read_bytes() == before


def test_what_is_missing_is_named_before_any_work(desk: Path) -> None:
    (desk / "half").mkdir()
    shutil.copy(desk / "one.png", desk / "half" / "one.png")
    (desk / "empty").mkdir()
    base = ("--pairs", "pairs.json", "--report", "missing")
    fails(impasto(*base, "--pictures", "half=half"), "half has no picture of two; name one two.png", 2)
    fails(impasto(*base, "--pictures", "e=empty"), "empty has no picture of one and 1 more", 2)
    assert not Path("missing").exists()


@pytest.mark.parametrize(
    ("arguments", "message", "status"),
    [
        ((), "there is nothing to do; give --report DIR, or --inputs DIR", 2),
        (("--inputs", "in", "--json"), "pictures are scored for a report", 2),
        (("--inputs", "in", "--faces", "faces.json"), "pictures are scored for a report", 2),
        (("--report", "bad", "--pictures", "other=theirs", "--large", "one.png"), "nobody has painted one.png", 2),
        (("--report", "bad", "--large", "one.png", "--large", "./one.png"), "two large photographs", 2),
        (("--report", "bad", "--faces", "pairs.json"), "not a list of faces", 2),
        (("--report", "bad", "--pictures", "theirs"), "'theirs' is not NAME=FOLDER", 2),
        (("--report", "bad", "--pictures", "=theirs"), "'=theirs' is not NAME=FOLDER", 2),
        (("--report", "bad", "--pictures", "other=gone"), "'gone' is not a folder", 2),
        (("--report", "bad", "--pictures", "painting=theirs"), "two contestants are called 'painting'", 2),
        (("--report", "bad", "--pictures", "instant=theirs", "--engine", "instant"), "are called 'instant'", 2),
        (("--report", "bad", "--model", "./pocket"), "pocket@0 is a model of kind encoder", 1),
        (("--report", "bad", "--model", "gone"), "there is no model 'gone'", 1),
        (("--report", "bad", "--pictures", "other=theirs", "--vgg19", "one.png"), "holds no weights of VGG19", 1),
        (("--report", "one.png"), "is a file", 2),
    ],
)
def test_what_cannot_be_done_is_told(desk: Path, arguments: tuple[str, ...], message: str, status: int) -> None:
    fails(impasto("--pairs", "pairs.json", *arguments), message, status)
    assert not Path("bad").exists()


def test_the_environment_names_vgg19(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPASTO_VGG19", "painting.png")
    result = impasto("--pairs", "pairs.json", "--report", "bad", "--pictures", "other=theirs")
    fails(result, "painting.png holds no weights of VGG19", 1)


def test_a_pair_of_one_picture_is_named(desk: Path) -> None:
    (desk / "same.json").write_text('[{"id": "one", "content": "one.png", "style": "one.png"}]')
    result = impasto("--pairs", "same.json", "--report", "same", "--pictures", "other=theirs")
    fails(result, "pair one: photograph and painting look alike", 2)


def test_a_small_window_makes_tiles_and_none_does_not() -> None:
    model = find("instant")
    assert len(Painter(model, "f32").plan(1024, 1024)) == 1
    first, other = (Painter(model, "f32", window=window).plan(1024, 1024) for window in (512, 608))
    assert len(first) == 9
    borders = [{tile.keep[0].start for tile in plan} - {0} for plan in (first, other)]
    assert borders[0]
    assert borders[1]
    assert not borders[0] & borders[1], "a seam of one would be compared with a seam of the other"


def test_the_worst_seam_is_the_farthest_from_1_on_either_side() -> None:
    assert Seams.of([1.25, 0.5, 1.25]) == Seams(1.0, 0.5)
    assert Seams.of([1.5, 0.75]) == Seams(1.125, 1.5)


def test_the_iterative_engine_is_a_contestant_too(report: Any) -> None:
    from impasto.cli.commands.evaluate import _contestants
    from impasto.evaluation.pairs import Pair

    (found,) = _contestants("iterative", None, (), "f32")
    assert (found.name, found.kind) == ("iterative", "engine")
    content, style = (np.random.default_rng(i).integers(0, 256, (64, 64, 3), np.uint8) for i in range(2))
    made = found.picture(Pair("one", Path("one.png"), Path("painting.png")), content, style)
    assert made.shape == content.shape
    assert made.dtype == np.uint8
    assert (made != content).any()
    with pytest.raises(ModelError, match="nowhere"):
        _contestants("iterative", "nowhere", (), "f32")

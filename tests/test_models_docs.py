"""Every command and the example of docs/models.md run, and its tables say what there is."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch7_files import Nets, checkpoint, t7

from impasto.models.published import PUBLISHED

PAGE = (Path(__file__).parents[1] / "docs" / "models.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "home"))
    for width, name in enumerate(("my_night.t7", "newer.t7"), 2):
        (tmp_path / name).write_bytes(t7(checkpoint(Nets(width=width, blocks=1).build())))
    pixels = np.random.default_rng(0).integers(0, 256, (64, 80, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.jpg")
    return tmp_path


@pytest.mark.slow
def test_the_commands_run_one_after_the_other(desk: Path) -> None:
    (block,) = blocks("sh")
    for line in block.splitlines():
        words = shlex.split(line, comments=True)
        ran = subprocess.run(
            [sys.executable, "-m", "impasto.cli", *words[1:]], cwd=desk, capture_output=True, text=True, check=False
        )
        assert (words[0], ran.returncode) == ("impasto", 0), f"{line}\n{ran.stderr}"
        assert ran.stdout or ran.stderr


def test_the_example_runs(desk: Path) -> None:
    (block,) = blocks("python")
    ran = subprocess.run([sys.executable, "-c", block], cwd=desk, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[0] == "my-night@1 per-style Torch7"


def test_all_that_is_published_is_named() -> None:
    named = set()
    for row in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE):
        names = re.findall("`([^`]+)`", row)
        prefix = names[0].partition("-")[0]
        named |= {f"{prefix}{name}" if name.startswith("-") else name for name in names}
    assert set(PUBLISHED) <= named

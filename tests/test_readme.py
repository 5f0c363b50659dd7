"""Every command and every example in the README runs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from serving import Served
from torch7_files import Nets, checkpoint, t7

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


COMMANDS = [line for block in blocks("sh") for line in block.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the README's reader has: photographs, a mask, a painting, and a list of pairs."""
    desk = tmp_path_factory.mktemp("desk")
    y, x = np.mgrid[0:120, 0:160]
    photo = Image.fromarray(np.stack([x, y * 2, 255 - x], 2).astype(np.uint8))
    photo.save(desk / "photo.jpg")
    photo.rotate(90).save(desk / "painting.jpg")
    Image.fromarray(((x > 80) * 255).astype(np.uint8)).save(desk / "mask.png")
    (desk / "holiday").mkdir()
    photo.save(desk / "holiday" / "one.jpg")
    photo.rotate(180).save(desk / "holiday" / "two.png")
    (desk / "pairs.json").write_text('[{"id": "one", "content": "photo.jpg", "style": "painting.jpg"}]')
    (desk / "candy.t7").write_bytes(t7(checkpoint(Nets().build())))
    (desk / "theirs").mkdir()
    photo.rotate(45).save(desk / "theirs" / "one.jpg")
    return desk


@pytest.mark.parametrize("command", COMMANDS)
def test_command(command: str, desk: Path) -> None:
    words = shlex.split(command, comments=True)
    if words[0] == "make":
        # Too long for a test of its own; the same line is typed on every fresh clone.
        assert " ".join(words) in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
        return
    if words[:2] == ["pip", "install"]:
        pytest.skip("installs from the network")
    assert words[0] == "impasto", command
    if words[1] == "train":
        words[words.index("--minutes") + 1] = "0.05"  # all the same but for the time
    if words[1] == "serve":
        with Served(desk / "served", *words[2:]) as server, server.client() as client:
            assert "Impasto" in client.get("/").text
            assert server.stop() == 0
        return
    environment = {**os.environ, "IMPASTO_HOME": str(desk / "home")}
    before = set(desk.rglob("*"))
    arguments = [sys.executable, "-m", "impasto.cli", *words[1:]]
    run = subprocess.run(arguments, cwd=desk, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    if words[1] == "show":
        assert f"```text\n{run.stdout}```" in README
    if words[1] == "stylize":
        made = {p for p in set(desk.rglob("*")) - before if p.suffix in (".jpg", ".png")}
        assert made, run.stdout + run.stderr


@pytest.mark.parametrize("code", blocks("python"))
def test_python(code: str, desk: Path) -> None:
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=desk, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert f"```text\n{run.stdout}```" in README


def test_files_it_shows_are_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    for link in links:
        if not link.startswith("http"):
            assert (ROOT / link).exists(), link

"""The marks by which an inner loop leaves tests out, and failures that are told when they happen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from marking import marks, marks_of

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("file", "marks"),
    [
        ("test_color.py", set()),
        ("test_server.py", {"slow"}),
        ("test_pool.py", {"slow"}),
        ("test_losses.py", {"torch"}),
        # By a helper that imports it.
        ("test_server_training.py", {"slow", "torch"}),
    ],
)
def test_they_follow_from_imports(file: str, marks: set[str]) -> None:
    assert marks_of(HERE / file) == marks


def test_what_uses_the_browser_is_marked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    item = request.node
    assert marks(item) == set()
    monkeypatch.setattr(item, "fixturenames", [*item.fixturenames, "browser"])
    assert marks(item) == {"browser"}


TESTS = """
def test_first():
    assert "one" == "other"

def test_second():
    print("the second begins")
"""
CONFTEST = """
from failing import Failing

def pytest_configure(config):
    config.pluginmanager.register(Failing(config))
"""


@pytest.mark.slow
def test_a_failure_is_told_before_the_next_test_begins(tmp_path: Path) -> None:
    (tmp_path / "test_two.py").write_text(TESTS)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider", str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    before, _, _ = run.stdout.partition("the second begins")
    assert "test_two.py::test_first (call)" in before
    assert "'one' == 'other'" in before

"""What ``impasto bench serve`` measures where only the package is there, without the source code."""

from __future__ import annotations

from pathlib import Path

import pytest

from impasto.bench import server_speed


def test_the_tutorial_server_comes_with_the_source_code_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert server_speed.TUTORIAL.is_file()
    assert "checkout" not in server_speed._unavailable(tmp_path)
    monkeypatch.setattr(server_speed, "TUTORIAL", tmp_path / "tutorial_server.py")
    assert "measure from a checkout" in server_speed._unavailable(tmp_path)

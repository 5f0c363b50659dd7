"""The server and its workers killed at random while jobs arrive: a short form of scripts/kills.py."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "kills.py"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_and_nothing_published_twice(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--kills", "8", "--jobs", "16", "--port", str(free_port())]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "IMPASTO_HOME": str(tmp_path / "user")}
    run = subprocess.run(
        [*command, "--home", str(tmp_path / "jobs")], capture_output=True, text=True, timeout=900, env=environment
    )
    assert run.returncode == 0, run.stdout + run.stderr
    first, second = (json.loads(line) for line in run.stdout.splitlines()[-2:])
    assert first["acknowledged"] == first["states"]["done"] == 16
    assert sum(first["kills"].values()) == 8
    assert first["lost"] == second["published twice"] == []
    assert second["items"] >= 16

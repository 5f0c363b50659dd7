"""Requests that nobody would think of: whatever comes, the server answers, and never with a failure of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from serving import Served
from test_server import wait


def test_no_request_makes_the_server_fail(tmp_path: Path) -> None:
    with Served(tmp_path) as server, server.client() as client:
        wait(client, "/readyz", lambda answer: answer.status_code == 200)
        command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{server.address}/openapi.json"]
        # The stream of events does not end.
        command += ["--exclude-path", "/v1/events", "--checks", "not_a_server_error", "--max-examples", "8"]
        command += ["--phases", "coverage,fuzzing", "--seed", "1", "--no-color"]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
        assert run.returncode == 0, run.stdout[-4000:]
        found = re.search(r"(\d+) generated, (\d+) passed", run.stdout)
        assert found is not None
        assert int(found[1]) == int(found[2]) > 300
        assert not any(worker["restarts"] for worker in client.get("/v1/status").json()["workers"])
        assert client.get("/readyz").status_code == 200


def test_no_request_makes_the_doors_of_other_programs_fail(tmp_path: Path) -> None:
    with Served(tmp_path, "--compat") as server, server.client() as client:
        wait(client, "/readyz", lambda answer: answer.status_code == 200)
        command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{server.address}/openapi.json"]
        command += ["--exclude-path-regex", "^/(v1|healthz|readyz)", "--checks", "not_a_server_error"]
        command += ["--max-examples", "8", "--phases", "coverage,fuzzing", "--seed", "1", "--no-color"]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
        assert run.returncode == 0, run.stdout[-4000:]
        found = re.search(r"(\d+) generated, (\d+) passed", run.stdout)
        assert found is not None
        assert int(found[1]) == int(found[2]) > 80
        assert client.get("/readyz").status_code == 200

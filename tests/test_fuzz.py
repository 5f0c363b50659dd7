"""Requests that nobody would think of: whatever comes, the server answers as it is documented, and never with a failure
of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi import FastAPI

from impasto.server.routes import jobs

SCRIPT = Path(__file__).parents[1] / "scripts" / "fuzz_server.py"


@pytest.mark.slow
@pytest.mark.parametrize(("doors", "least"), [([], 300), (["--compat"], 80)])
def test_no_request_makes_the_server_fail_or_answer_what_is_not_documented(
    tmp_path: Path, doors: list[str], least: int
) -> None:
    command = [sys.executable, str(SCRIPT), "--examples", "8", "--home", str(tmp_path), *doors]
    run = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=600)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-1000:]
    found = re.search(r"(\d+) generated, (\d+) passed", run.stdout)
    assert found is not None
    assert int(found[1]) == int(found[2]) > least
    assert '"workers lost": 0' in run.stdout
    # And not all is refused at once.
    painting = "POST /v1/jobs 202" if not doors else "POST /predictions/"
    assert painting in (tmp_path / "said.txt").read_text("utf-8", "replace")


def test_both_successes_of_a_job_that_is_put_are_documented() -> None:
    app = FastAPI()
    app.include_router(jobs.router)
    assert {"200", "201"} <= set(app.openapi()["paths"]["/v1/jobs/{id}"]["put"]["responses"])

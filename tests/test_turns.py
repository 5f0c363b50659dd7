"""Turns: torch's threads give up their core soon, unless the environment says otherwise."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="there, torch brings another OpenMP")
@pytest.mark.parametrize(
    "module", ["impasto.engines.iterative", "impasto.perceptual.encoder", "impasto.training.network"]
)
@pytest.mark.parametrize(
    ("said", "spins"), [({}, "2000"), ({"GOMP_SPINCOUNT": "77"}, "77"), ({"OMP_WAIT_POLICY": "PASSIVE"}, "0")]
)
def test_torch_hears_of_it(module: str, said: dict[str, str], spins: str) -> None:
    kept = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    run = subprocess.run(
        [sys.executable, "-c", f"import {module}, torch"],
        env={**kept, **said, "OMP_DISPLAY_ENV": "VERBOSE"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert f"GOMP_SPINCOUNT = '{spins}'" in run.stderr

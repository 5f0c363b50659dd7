"""Turns: in the command and in workers, torch's threads give up their core soon; other programs are left alone."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

PRINTED = "; import os; print(os.environ.get('GOMP_SPINCOUNT'))"
COMMAND = """
import sys
from contextlib import suppress
from impasto.cli.main import main
sys.argv[1:] = ["--version"]
with suppress(SystemExit):
    main()
"""
WORKER = """
import json, os, socket, sys
from impasto.jobs.workers.main import main
ours, theirs = socket.socketpair()
ours.close()
facts = {"connection": theirs.detach(), "parent": os.getppid(), "nice": 0, "home": None, "memory": None, "warm": False}
sys.argv[1:] = [json.dumps(facts)]
main()
"""


def ran(code: str, **said: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    run = subprocess.run([sys.executable, "-c", code], env=kept | said, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run


@pytest.mark.skipif(sys.platform != "linux", reason="there, torch brings another OpenMP")
@pytest.mark.parametrize(
    ("said", "spins"), [({}, "2000"), ({"GOMP_SPINCOUNT": "77"}, "77"), ({"OMP_WAIT_POLICY": "PASSIVE"}, "0")]
)
def test_torchs_openmp_hears_of_it(said: dict[str, str], spins: str) -> None:
    torch = importlib.util.find_spec("torch")
    assert torch is not None
    assert torch.submodule_search_locations is not None
    # Alone it is there in a moment, and says what it heard.
    (library,) = Path(torch.submodule_search_locations[0], "lib").glob("libgomp*")
    code = f"import ctypes, impasto; impasto.take_turns(); ctypes.CDLL({str(library)!r})"
    assert f"GOMP_SPINCOUNT = '{spins}'" in ran(code, OMP_DISPLAY_ENV="VERBOSE", **said).stderr


@pytest.mark.parametrize("code", [COMMAND, WORKER], ids=["command", "worker"])
def test_our_own_processes_take_turns(code: str) -> None:
    assert ran(code.rstrip() + PRINTED.replace("; ", "\n", 1)).stdout.splitlines()[-1] == "2000"


def test_a_program_that_uses_the_library_is_left_as_it_is() -> None:
    assert (
        ran("import impasto, impasto.stylizer, impasto.jobs.workers.main, impasto.cli.main" + PRINTED).stdout
        == "None\n"
    )

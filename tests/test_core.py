"""One core for the process: who drops a stylizer leaves the process able to take a signal."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import impasto

ROOT = Path(impasto.__file__).parent

DROPPED = """
import ctypes, gc
import impasto

class Stack(ctypes.Structure):
    _fields_ = [("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]

def is_there():
    stack = Stack()
    ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack))
    spans = [line.split()[0].split("-") for line in open("/proc/self/maps")]
    return not stack.start or any(int(a, 16) <= stack.start < int(b, 16) for a, b in spans)

stylizers = [impasto.Stylizer() for _ in range(3)]
for stylizer in stylizers:
    stylizer.stylize(PHOTO, "starry-night")
del stylizer
while stylizers:
    del stylizers[0]
    gc.collect()
    print(is_there())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_signal_finds_its_stack_when_stylizers_were_dropped() -> None:
    code = DROPPED.replace("PHOTO", repr(str(ROOT / "styles" / "sample.webp")))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["True"] * 3


def test_nobody_else_makes_one() -> None:
    made = []
    for file in [*ROOT.rglob("*.py"), *Path(__file__).parent.glob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("Core", "compile_model"):
                owner = ast.unparse(node.value)
                if owner in ("ov", "openvino"):
                    made.append(file.name)
    assert set(made) == {"openvino_core.py"}

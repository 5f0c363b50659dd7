"""How threads wait for each other."""

from __future__ import annotations

import os

__all__ = ["take_turns"]

_SPINS = "2000"


def take_turns() -> None:
    """Have threads of OpenMP that wait for each other give up their core after some microseconds.

    It sets ``GOMP_SPINCOUNT`` in this process's environment, for this process and those that it starts. The command,
    and the server's workers, do so; a program that uses the library may, before torch is imported: torch's libgomp
    looks at it once, when it is loaded.

    By default each spins for milliseconds. Where another program has one of two cores, the system may leave the other
    one to both threads, and either spins while the other one should work: a training was 40 times slower, where this
    makes it 3 times slower; undisturbed both are as fast. What the environment says already is left as it is.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)

"""Process: a worker's process as its pool sees it, and the connection to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from impasto.jobs.workers.transport import MessageSocket

__all__ = ["Process", "WorkerPlan"]

_LEAVE_SECONDS = 2.0
_KILL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """How workers of a lane are started.

    ``threads`` is how many threads compute, ``home`` the folder of the user's styles, ``memory`` the bytes that one may
    take; ``warm`` ones open their model at once, and ``nice`` ones, up to 19, let others go first. Those that serve
    ``once`` are started when there is a call, and end after it.
    """

    threads: int
    home: Path | None = None
    memory: int | None = None
    warm: bool = True
    nice: int = 0
    once: bool = False


class Process:
    """Started when it is made. It ends with the thread that made it, whatever ends that."""

    def __init__(self, plan: WorkerPlan) -> None:
        """Raises :class:`OSError` where no process can be started."""
        ours, theirs = socket.socketpair()
        facts = {
            "connection": theirs.fileno(),
            "parent": os.getpid(),
            "nice": plan.nice,
            "home": None if plan.home is None else str(plan.home.absolute()),
            "memory": plan.memory,
            "warm": plan.warm,
        }
        try:
            self._popen = subprocess.Popen(  # noqa: S603 - of nothing but what this house says
                [sys.executable, "-P", "-m", "impasto.jobs.workers.main", json.dumps(facts)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                # What the operator says goes first.
                env={"OMP_NUM_THREADS": str(plan.threads), **os.environ},
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self.pid, self.threads = self._popen.pid, plan.threads
        self.connection = MessageSocket(ours, blocks=False)

    @property
    def rss(self) -> int:
        """Resident memory in bytes; 0 where it is gone."""
        with suppress(psutil.Error):
            return int(psutil.Process(self.pid).memory_info().rss)
        return 0

    @property
    def cpu_seconds(self) -> float:
        """Seconds of processor time since it was started; 0 where it is gone."""
        with suppress(psutil.Error):
            times = psutil.Process(self.pid).cpu_times()
            return float(times.user + times.system)
        return 0.0

    def end(self) -> None:
        """Let it go, if it has nothing to do; kill it if it stays."""
        self.connection.close()
        try:
            self._popen.wait(_LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(_KILL_SECONDS)

    def kill(self) -> None:
        """End it now, whatever it does."""
        self._popen.kill()
        self.end()

    def reap(self) -> str:
        """Its connection broke: see to it that it is dead, and tell in words of what."""
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(_LEAVE_SECONDS)
        words = _describe_exit(self._popen.poll())
        self.kill()
        return words


def _describe_exit(code: int | None) -> str:
    if code is None:
        return "it closed its connection"
    if code >= 0:
        return f"it ended with status {code}"
    try:
        return f"it ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"it ended by signal {-code}"

"""A real server for tests: a process of its own, at a free port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

import httpx

__all__ = ["COMMAND", "Served"]

COMMAND = "import sys; from impasto.cli.main import main; sys.argv[0] = 'impasto'; main()"


class Served:
    """``impasto serve`` on a folder; it can be killed and started again there."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.home, self.arguments = home, arguments
        self.process: subprocess.Popen[str] | None = None
        self.address = ""

    def start(self) -> Self:
        environment = os.environ | {"IMPASTO_HOME": str(self.home / "user"), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", COMMAND, "serve", "--port", "0", "--home", str(self.home / "jobs")]
        self.process = subprocess.Popen(
            [*command, "--workers", "1", *self.arguments], env=environment, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        lines = []
        for line in self.process.stderr:
            lines.append(line)
            if "http://" in line:
                self.address = "http://" + line.partition("http://")[2].split()[0]
                break
        if not self.address:
            self.process.wait(30)
            self.process.stderr.close()
        assert self.address, "".join(lines)
        # Somebody has to read on, or it would wait for a full pipe one day.
        self.reader = threading.Thread(target=self.process.stderr.read, daemon=True)
        self.reader.start()
        return self

    def client(self, **settings: object) -> httpx.Client:
        return httpx.Client(base_url=self.address, timeout=60, **settings)  # type: ignore[arg-type]

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self._ended()

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self._ended()

    def _ended(self) -> int:
        assert self.process is not None
        code = self.process.wait(30)
        self.reader.join(30)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()

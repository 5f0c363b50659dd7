"""A real server for tests: a process of its own, at a free port."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import httpx
from waiting import WAIT

__all__ = ["COMMAND", "Served"]

COMMAND = "import sys; from impasto.cli.main import main; sys.argv[0] = 'impasto'; main()"


class Served:
    """``impasto serve`` on a folder; it can be killed and started again there."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.home, self.arguments = home, arguments
        self.process: subprocess.Popen[bytes] | None = None
        self.address = ""

    def start(self) -> Self:
        environment = os.environ | {"IMPASTO_HOME": str(self.home / "user"), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", COMMAND, "serve", "--port", "0", "--home", str(self.home / "jobs")]
        said = self.home / "said.txt"
        self.home.mkdir(parents=True, exist_ok=True)
        # A file, not a pipe: nobody has to read on, or waits for who else may hold it.
        with said.open("wb") as stream:
            self.process = subprocess.Popen(
                [*command, "--workers", "1", *self.arguments], env=environment, stderr=stream
            )
        try:
            self.address = self._told(said)
        except BaseException:
            self.kill()
            raise
        return self

    def _told(self, said: Path) -> str:
        """The address that it tells once it listens."""
        assert self.process is not None
        deadline = time.monotonic() + WAIT
        while True:
            is_over = self.process.poll() is not None
            text = said.read_text("utf-8", "replace")
            if found := re.search(r"http://\S+(?=\s)", text):
                return found[0]
            assert not is_over, text
            assert time.monotonic() < deadline, f"it does not listen after {WAIT:g} seconds: {text}"
            time.sleep(0.02)

    def client(self, **settings: object) -> httpx.Client:
        return httpx.Client(base_url=self.address, timeout=WAIT, **settings)  # type: ignore[arg-type]

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(WAIT)

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()

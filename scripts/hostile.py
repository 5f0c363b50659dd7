"""Send a server all that means harm, one after the other and at once, and watch how it lives meanwhile.

usage: hostile.py [--rounds 2] [--home FOLDER]

Every answer has to be 4xx, the worst answer of /healthz below half a second, and the server's memory afterwards at most
a fifth above what it was after the first, warming round. The uploads are those of tests/test_hostile.py.
"""

from __future__ import annotations

import argparse
import collections
import json
import multiprocessing
import os
import sys
import tempfile
import time
from bisect import bisect
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from hostile_zips import hostile_zips, many
from serving import Served
from test_hostile import HOSTILE
from test_server import PAINTING, PHOTO, STYLE, wait

_SLOWEST, _MORE = 0.5, 1.2
_AT_ONCE = 6


class Health:
    """Asks for it again and again, from a process of its own: to pack large forms, this one needs its own time."""

    def __init__(self, address: str) -> None:
        self._beside = [(0.0, "nothing")]
        self._pipe, theirs = multiprocessing.Pipe()
        multiprocessing.get_context("spawn").Process(target=_asking, args=(address, theirs), daemon=True).start()
        assert self._pipe.recv() == "begun"

    def beside(self, what: str) -> None:
        """From now on it asks beside that."""
        self._beside.append((time.monotonic(), what))

    def worst(self) -> list[tuple[float, str]]:
        """The worst three answers since this was last asked: their seconds, and beside what they were asked for."""
        self._pipe.send("tell")
        taken: list[tuple[float, float]] = self._pipe.recv()
        found = sorted(taken)[:-4:-1]
        return [(round(seconds, 3), self._beside[bisect(self._beside, (at, "~")) - 1][1]) for seconds, at in found]

    def end(self) -> None:
        self._pipe.send("end")


def _asking(address: str, pipe: Connection) -> None:
    taken = []
    with httpx.Client(base_url=address, timeout=60) as client:
        client.get("/healthz")
        pipe.send("begun")
        while True:
            if pipe.poll(0.02):
                if pipe.recv() == "end":
                    return
                pipe.send(taken)
                taken = []
            began = time.monotonic()
            status = client.get("/healthz").status_code
            taken.append((time.monotonic() - began if status == 200 else float("inf"), began))


def held(pid: int) -> int:
    """MB of memory that a process has."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) >> 10


def uploads() -> Iterator[tuple[str, str, list[tuple[str, tuple[str, bytes]]], dict[str, str]]]:
    """Each as a name, a path, files and fields."""
    for name, data in (hostile_zips() | {"a million files": many(1_000_000)}).items():
        content = ("content", (f"{name}.zip", data))
        yield name, "/v1/jobs", [content], {"kind": "batch", **STYLE}
        yield name, "/v1/jobs", [content, ("style", ("b.png", PAINTING))], {"kind": "train-style", "name": "mine"}
    for name, data in HOSTILE.items():
        photo = ("content", ("a.png", PHOTO))
        for path in ("/v1/stylize", "/v1/jobs"):
            yield name, path, [("content", (name, data))], dict(STYLE)
            yield name, path, [photo, ("style", (name, data))], {}
            yield name, path, [photo, ("mask", (name, data))], dict(STYLE)
        yield name, "/v1/styles", [("picture", (name, data))], {"name": "mine"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--home", type=Path)
    given = parser.parse_args()
    sent, amiss = list(uploads()), list[str]()
    codes: collections.Counter[int] = collections.Counter()

    def send(
        client: httpx.Client, upload: tuple[str, str, list[tuple[str, tuple[str, bytes]]], dict[str, str]]
    ) -> None:
        name, path, files, fields = upload
        answer = client.post(path, files=files, data=fields)
        codes[answer.status_code] += 1
        if not 400 <= answer.status_code < 500:
            amiss.append(f"{name} to {path}: {answer.status_code} {answer.text[:200]}")

    home = given.home or Path(tempfile.mkdtemp(prefix="impasto-hostile-"))
    with Served(home) as server, server.client() as client:
        wait(client, "/readyz", lambda answer: answer.status_code == 200)
        assert server.process is not None
        pid = server.process.pid
        health = Health(server.address)
        memory, slowest = [held(pid)], 0.0
        for number in range(given.rounds):
            for upload in sent:
                health.beside(f"{upload[0]} to {upload[1]}")
                send(client, upload)
            health.beside(f"{_AT_ONCE} at once")
            with ThreadPoolExecutor(_AT_ONCE) as several:
                list(several.map(lambda upload: send(client, upload), sent))
            health.beside("nothing")
            memory.append(held(pid))
            worst = health.worst()
            slowest = max(slowest, worst[0][0])
            line = {"round": number + 1, "answers": dict(codes), "healthz": worst, "MB": memory}
            print(json.dumps(line | {"load": round(os.getloadavg()[0], 1)}), flush=True)
        health.end()
        lost = sum(worker["restarts"] for worker in client.get("/v1/status").json()["workers"])
    is_back = memory[-1] <= _MORE * memory[1]
    print(json.dumps({"uploads": len(sent), "amiss": amiss, "slowest": slowest, "MB": memory, "workers lost": lost}))
    sys.exit(bool(amiss or slowest > _SLOWEST or not is_back))


if __name__ == "__main__":
    main()

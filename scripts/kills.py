"""Kill the server and its workers again and again while jobs arrive, and count what is lost and what came twice.

usage: kills.py [--kills 300] [--jobs 600] [--home FOLDER] [--seed 0] [--postgresql]

With --postgresql the jobs are kept in a PostgreSQL of its own, which is killed as well. A server that ends by itself is
started again, as systemd would.

Jobs of all kinds are made under ids of their own; one counts as acknowledged when its answer arrived. In the end every
acknowledged job has to be done, every pastiche to be there, and every item to have been published once.
"""

from __future__ import annotations

import argparse
import collections
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
COMMAND = "import sys; from impasto.cli.main import main; sys.argv[0] = 'impasto'; main()"


def picture(seed: int, side: int = 48) -> bytes:
    small = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8))
    buffer = io.BytesIO()
    small.resize((side, side), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return buffer.getvalue()


class Server:
    def __init__(self, home: Path, port: int) -> None:
        self.home, self.address, self.port = home, f"http://127.0.0.1:{port}", port
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    def start(self) -> None:
        command = [sys.executable, "-c", COMMAND, "serve", "--port", str(self.port), "--home", str(self.home)]
        log = (self.home / "log.txt").open("ab")
        self.process = subprocess.Popen([*command, "--workers", "1"], stderr=log)
        self.starts += 1

    def keep(self) -> bool:
        """Start it again where it ended by itself; whether it had."""
        assert self.process is not None
        ended = self.process.poll() is not None
        if ended:
            print(f"the server ended with status {self.process.returncode}", flush=True)
            self.start()
        return ended

    def answers(self) -> None:
        """Wait until it does, or has ended."""
        while self.process is not None and self.process.poll() is None:
            try:
                if httpx.get(f"{self.address}/healthz", timeout=2).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def workers(self) -> list[int]:
        try:
            status = httpx.get(f"{self.address}/v1/status", timeout=2).json()
        except httpx.HTTPError:
            return []
        return [worker["pid"] for worker in status["workers"] if worker["pid"]]


def form(number: int, random_: random.Random) -> dict[str, object]:
    content = ("content", ("photo.png", picture(number)))
    roll = random_.random()
    if roll < 0.7:
        return {"files": [content], "data": {"style": "starry-night"}}
    if roll < 0.85:
        return {"files": [content], "data": {"kind": "grid", "style": ["starry-night", "the-wave", "udnie"]}}
    if roll < 0.95:
        contents = [("content", (f"{i}.png", picture(number * 1000 + i))) for i in range(4)]
        return {"files": contents, "data": {"kind": "batch", "style": "the-wave"}}
    data = {"style": "udnie", "engine": "iterative", "steps": "30", "levels": "1", "start": "content"}
    return {"files": [content], "data": data}


def submit(server: Server, jobs: int, acknowledged: set[str], seed: int) -> None:
    """One after the other, each until it is acknowledged."""
    random_ = random.Random(seed)
    for number in range(jobs):
        what = form(number, random_)
        while True:
            try:
                answer = httpx.put(f"{server.address}/v1/jobs/job-{number}", timeout=30, **what)  # type: ignore[arg-type]
            except httpx.HTTPError:
                time.sleep(0.1)
                continue
            if answer.status_code in (200, 201):
                acknowledged.add(f"job-{number}")
                break
            time.sleep(float(answer.headers.get("retry-after", 0.2)) if answer.status_code == 429 else 0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=600)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--postgresql", action="store_true")
    given = parser.parse_args()
    with ExitStack() as stack:
        cluster = None
        if given.postgresql:
            from postgresql import Cluster

            cluster = stack.enter_context(Cluster())
            os.environ["IMPASTO_DATABASE"] = cluster.database()
        kill(given, cluster)


def kill(given: argparse.Namespace, cluster: Any) -> None:
    """The kills, and what is left after them; ``cluster`` is the PostgreSQL to be killed, too."""
    home = given.home or Path(tempfile.mkdtemp(prefix="impasto-kills-"))
    home.mkdir(parents=True, exist_ok=True)
    server, acknowledged, random_ = Server(home, given.port), set[str](), random.Random(given.seed)
    server.start()
    submitting = threading.Thread(target=submit, args=(server, given.jobs, acknowledged, given.seed), daemon=True)
    submitting.start()
    kills: collections.Counter[str] = collections.Counter()
    began = time.monotonic()
    ended = 0
    while kills.total() < given.kills:
        if random_.random() < 0.8:  # else perhaps while it starts
            server.answers()
        time.sleep(random_.uniform(0.05, 2.5))
        ended += server.keep()
        pids = server.workers()
        if cluster and random_.random() < 0.15:
            cluster.kill()
            cluster.start()
            kills["postgres"] += 1
        elif pids and random_.random() < 0.6:
            try:
                os.kill(random_.choice(pids), signal.SIGKILL)
                kills["worker"] += 1
            except ProcessLookupError:
                pass
        else:
            server.kill()
            kills["server"] += 1
            server.start()
        if kills.total() % 25 == 0:
            print(f"{dict(kills)}, {len(acknowledged)} acknowledged, {time.monotonic() - began:.0f} s", flush=True)
    submitting.join(600)
    assert not submitting.is_alive(), "orders are not acknowledged any more"
    lost, states = settle(server, acknowledged)
    twice, items = published_twice(home)
    print(
        json.dumps(
            {
                "kills": kills,
                "ended by itself": ended,
                "acknowledged": len(acknowledged),
                "states": states,
                "lost": lost,
            }
        )
    )
    print(json.dumps({"items": items, "published twice": twice, "seconds": round(time.monotonic() - began)}))
    server.process and server.process.terminate()
    sys.exit(bool(lost or twice))


def settle(server: Server, acknowledged: set[str]) -> tuple[list[str], dict[str, int]]:
    """Wait for everything; the jobs that are not done or lack a pastiche, and all states."""
    states: collections.Counter[str] = collections.Counter()
    lost = []
    for id_ in sorted(acknowledged):
        deadline = time.monotonic() + 600
        while True:
            server.keep()
            try:
                job = httpx.get(f"{server.address}/v1/jobs/{id_}", timeout=10).json()
            except httpx.HTTPError:
                job = {}
            if job.get("state") in ("done", "partial", "failed", "cancelled") or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        states[job.get("state", "gone")] += 1
        results = [httpx.get(f"{server.address}/v1/jobs/{id_}/result/{i}") for i in range(len(job.get("items", ())))]
        whole = all(answer.status_code == 200 and Image.open(io.BytesIO(answer.content)).size for answer in results)
        if job.get("state") != "done" or not results or not whole:
            lost.append(f"{id_}: {job.get('state')} {job.get('error')}")
    return lost, dict(states)


def published_twice(home: Path) -> tuple[list[str], int]:
    """Items with more than one event of theirs, of the ledger itself; and how many items there are."""
    from impasto.jobs.records.ledger import Ledger

    ledger = Ledger(os.environ.get("IMPASTO_DATABASE", f"sqlite:///{home / 'jobs.sqlite'}"))
    counted: collections.Counter[tuple[str, object]] = collections.Counter()
    after = 0
    while found := ledger.events("local", after):
        after = found[-1].number
        for event in found:
            if event.kind in ("item", "done", "partial", "failed", "queued"):
                counted[event.job, event.data["index"] if event.kind == "item" else event.kind] += 1
    twice = [f"{key}: {count}" for key, count in counted.items() if count > 1]
    return twice, sum(isinstance(what, int) for _, what in counted)


if __name__ == "__main__":
    main()

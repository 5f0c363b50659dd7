"""Tell the server to end, by SIGTERM, again and again at random moments under load, and time how long that takes.

usage: terms.py [--times 30] [--jobs 100] [--home FOLDER] [--seed 0]

With $IMPASTO_DATABASE, in PostgreSQL. Moments are counted from the start of the process, so that some fall into its
start. Every end has to come within ten seconds, with exit status 0 and no worker left, and in the end every
acknowledged job has to be done.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
from kills import Server, picture, settle, submit

_MOST = 10.0
_SIDE = 700
"""Pixels of a picture's side that keep a worker busy when it is told to end."""


def ask(server: Server, over: threading.Event, number: int) -> None:
    """One instant picture after the other, for whom nobody keeps a place."""
    files = {"content": ("photo.png", picture(number, _SIDE))}
    while not over.is_set():
        with suppress(httpx.HTTPError):
            httpx.post(f"{server.address}/v1/stylize", files=files, data={"style": "udnie"}, timeout=60)
        over.wait(0.05)


def terminate(server: Server) -> dict[str, object]:
    """End it once: the seconds that it took, its exit status, and how many of its workers were left."""
    assert server.process is not None
    with suppress(psutil.Error):
        workers = psutil.Process(server.process.pid).children(recursive=True)
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    try:
        status: int | None = server.process.wait(60)
    except subprocess.TimeoutExpired:
        status = None
        server.kill()
    seconds = time.monotonic() - began
    _, left = psutil.wait_procs(workers, 5)
    return {"seconds": round(seconds, 2), "status": status, "left": len(left)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--port", type=int, default=8766)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=float, default=20.0, help="seconds from a start to the end, at most")
    given = parser.parse_args()
    home = given.home or Path(tempfile.mkdtemp(prefix="impasto-terms-"))
    home.mkdir(parents=True, exist_ok=True)
    server, acknowledged, random_ = Server(home, given.port), set[str](), random.Random(given.seed)
    over = threading.Event()
    server.start()
    submitting = threading.Thread(target=submit, args=(server, given.jobs, acknowledged, given.seed), daemon=True)
    asking = [threading.Thread(target=ask, args=(server, over, number), daemon=True) for number in range(6)]
    for thread in (submitting, *asking):
        thread.start()
    ends = []
    for _ in range(given.times):
        time.sleep(random_.uniform(0.0, given.longest))
        ends.append(terminate(server))
        print(json.dumps({**ends[-1], "acknowledged": len(acknowledged)}), flush=True)
        server.start()
    over.set()
    submitting.join()
    lost, states = settle(server, acknowledged)
    ends.append(terminate(server))
    # One that is told before it has begun dies of the signal.
    fine = (0, -signal.SIGTERM)
    amiss = [end for end in ends if float(str(end["seconds"])) > _MOST or end["status"] not in fine or end["left"]]
    longest = max(float(str(end["seconds"])) for end in ends)
    print(json.dumps({"ends": len(ends), "longest": longest, "amiss": amiss, "states": states, "lost": lost}))
    sys.exit(bool(amiss or lost))


if __name__ == "__main__":
    main()

"""Let one owner ask for much at once, and count how many answers another gets meanwhile, and how soon.

usage: fairness.py [--times 40] [--parallel 40] [--home FOLDER]

Both ask for instant pictures, then both for jobs. At least nine of ten of the other's requests have to be answered, and
its jobs done.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from contextlib import suppress
from itertools import count
from pathlib import Path

import httpx
from kills import picture

from impasto.server.auth import Keys

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from serving import Served
from test_server import wait

_LEAST = 0.9
_NUMBERS = count()
_SIDE = 300
"""Pixels of a picture's side."""


def ask(client: httpx.Client, path: str) -> bool:
    """One picture, each time another; whether it came."""
    files = {"content": ("photo.png", picture(next(_NUMBERS), _SIDE))}
    answer = client.post(path, files=files, data={"style": "udnie"})
    if path == "/v1/stylize":
        return answer.status_code == 200
    if answer.status_code != 202:
        return False
    job = f"{path}/{answer.json()['id']}"
    while (facts := client.get(job).json())["state"] in ("queued", "running"):
        time.sleep(0.05)
    client.delete(job)
    return bool(facts["state"] == "done")


def crowd(client: httpx.Client, path: str, over: threading.Event, codes: collections.Counter[bool | str]) -> None:
    """Ask again and again, and never wait."""
    while not over.is_set():
        with suppress(httpx.HTTPError):
            codes[ask(client, path)] += 1


def lone(client: httpx.Client, path: str, times: int) -> tuple[int, float]:
    """Ask so many times, one after the other: how many came, and the median of their seconds."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        if ask(client, path):
            taken.append(time.perf_counter() - began)
    return len(taken), round(statistics.median(taken), 3) if taken else float("inf")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=40)
    parser.add_argument("--parallel", type=int, default=40)
    parser.add_argument("--home", type=Path)
    given = parser.parse_args()
    home = given.home or Path(tempfile.mkdtemp(prefix="impasto-fairness-"))
    home.mkdir(parents=True, exist_ok=True)
    made = {owner: Keys.new(owner) for owner in ("many", "one")}
    (home / "keys.txt").write_text("".join(f"{line}\n" for _, line in made.values()))
    headers = {owner: {"Authorization": f"Bearer {key}"} for owner, (key, _) in made.items()}
    fair = True
    with Served(home, "--api-key-file", str(home / "keys.txt")) as server:
        # Of its own connections each: who waits for one of the client's waits for no server.
        many = server.client(headers=headers["many"], limits=httpx.Limits(max_connections=given.parallel))
        with many, server.client(headers=headers["one"]) as one:
            wait(one, "/readyz", lambda answer: answer.status_code == 200)
            for path in ("/v1/stylize", "/v1/jobs"):
                _, alone = lone(one, path, given.times // 4)
                over, codes = threading.Event(), collections.Counter[bool | str]()
                crowding = [
                    threading.Thread(target=crowd, args=(many, path, over, codes)) for _ in range(given.parallel)
                ]
                for thread in crowding:
                    thread.start()
                wait(one, "/v1/status", lambda answer: answer.json()["waiting"] or sum(answer.json()["jobs"].values()))
                answered, beside = lone(one, path, given.times)
                over.set()
                for thread in crowding:
                    thread.join()
                fair &= answered >= _LEAST * given.times
                seconds = {"alone": alone, "beside": beside}
                line = {"path": path, "asked": given.times, "answered": answered, "median seconds": seconds}
                load = round(os.getloadavg()[0], 1)
                print(
                    json.dumps(line | {"the other": {"came": codes[True], "not": codes[False]}, "load": load}),
                    flush=True,
                )
    sys.exit(not fair)


if __name__ == "__main__":
    main()

"""Paint many pictures through the API, and see whether memory grows or temporary files stay.

usage: memory.py [--pictures 2000] [--warm 300]

Photographs of several sizes, styles by name and by painting; three of four are answered at once, one is a job that is
fetched and deleted. Resident memory, of the server and of its workers, is compared between the end and the time when
``--warm`` pictures were done.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

import httpx
import psutil
from kills import Server, picture

SIDES = (320, 512, 640, 800, 1024)
CLIENTS = 4


def resident(server: Server) -> int:
    """Bytes of the server and its workers: a median, for pictures come and go."""
    assert server.process is not None
    seen = []
    for _ in range(9):
        family = [psutil.Process(server.process.pid), *psutil.Process(server.process.pid).children(recursive=True)]
        seen.append(sum(process.memory_info().rss for process in family))
        time.sleep(0.1)
    return int(median(seen))


def paint(client: httpx.Client, number: int) -> None:
    files = [("content", ("photo.png", picture(number, SIDES[number % len(SIDES)])))]
    style, kind = (("starry-night", "jpeg"), ("the-wave", "png"), ("udnie", "webp"))[number % 3]
    data = {"style": style, "format": kind}
    if number % 5 == 0:
        files.append(("style", ("painting.png", picture(-number % 1000, 256))))
    if number % 4:
        answer = client.post("/v1/stylize", files=files, data=data).raise_for_status()
        assert answer.headers["content-type"].startswith("image/")
        return
    job = client.post("/v1/jobs", files=files, data=data).raise_for_status().json()
    while job["state"] != "done":
        assert job["state"] in ("queued", "running"), job
        time.sleep(0.05)
        job = client.get(f"/v1/jobs/{job['id']}").raise_for_status().json()
    client.get(f"/v1/jobs/{job['id']}/result").raise_for_status()
    client.delete(f"/v1/jobs/{job['id']}").raise_for_status()


def run(address: str, numbers: range) -> None:
    """Several clients, until all of them are painted."""
    lock, left, failures = threading.Lock(), iter(numbers), list[BaseException]()

    def work() -> None:
        with httpx.Client(base_url=address, timeout=60) as client:
            while not failures:
                with lock:
                    number = next(left, None)
                if number is None:
                    return
                try:
                    paint(client, number)
                except BaseException as error:
                    failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--warm", type=int, default=300)
    parser.add_argument("--port", type=int, default=8766)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="impasto-memory-") as folder:
        home, temporary = Path(folder, "home"), Path(folder, "temporary")
        for made in (home, temporary):
            made.mkdir()
        os.environ["TMPDIR"] = str(temporary)
        server = Server(home, given.port)
        server.start()
        while not ready(server.address):
            time.sleep(0.2)
        seen = []
        for start in range(0, given.pictures, 100):
            run(server.address, range(start, min(start + 100, given.pictures)))
            seen.append(resident(server))
            print(f"{start + 100}: {seen[-1] / 1e6:.0f} MB", flush=True)
        warm = seen[given.warm // 100 - 1]
        left = [
            str(path.relative_to(folder)) for path in (*temporary.rglob("*"), *(home / "blobs" / "incoming").glob("*"))
        ]
        blobs = len(list((home / "blobs").glob("??/*")))
        facts = {"warm": warm, "end": seen[-1], "growth": round(seen[-1] / warm - 1, 4)}
        print(json.dumps(facts | {"temporary files": left, "blobs": blobs}))
        assert server.process is not None
        server.process.terminate()
        server.process.wait()
    sys.exit(bool(seen[-1] > 1.05 * warm or left or blobs))


def ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz").is_success
    except httpx.HTTPError:
        return False


if __name__ == "__main__":
    main()

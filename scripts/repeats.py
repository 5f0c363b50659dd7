"""Kill the server in the middle of an iterative job, again and again, and tell how much of it was done twice.

usage: repeats.py [--kills 12] [--port 8767]

The job goes on from where it was saved last. What was done beyond that is repeated: the seconds from that step to the
kill, as they were seen from outside.
"""

from __future__ import annotations

import argparse
import io
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from kills import Server
from PIL import Image


def photo() -> bytes:
    small = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8))
    buffer = io.BytesIO()
    small.resize((512, 512), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return buffer.getvalue()


CLIENT = httpx.Client(timeout=5)


def look(server: Server) -> dict[str, Any]:
    try:
        found: dict[str, Any] = CLIENT.get(f"{server.address}/v1/jobs/long").json()
        return found
    except httpx.HTTPError:
        return {}


def watch(server: Server, seconds: float) -> dict[int, float]:
    """Watch the job for so many seconds from its first step on: when each step was first told."""
    told: dict[int, float] = {}
    deadline, end = time.monotonic() + 120, float("inf")
    while (now := time.monotonic()) < end:
        job = look(server)
        assert job.get("state") in (None, "queued", "running"), f"{job}: give more steps"
        assert now < deadline, job
        if job.get("step"):
            end = min(end, now + seconds)
            told.setdefault(job["step"], now)
        time.sleep(0.02)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--port", type=int, default=8767)
    given = parser.parse_args()
    random_, repeated = random.Random(0), list[float]()
    with tempfile.TemporaryDirectory(prefix="impasto-repeats-") as folder:
        server = Server(Path(folder), given.port)
        server.start()
        form = {
            "style": "starry-night",
            "engine": "iterative",
            "steps": "5000",
            "levels": "1",
            "start": "content",
            "optimiser": "adam",
        }
        while True:
            try:
                httpx.put(f"{server.address}/v1/jobs/long", files={"content": photo()}, data=form).raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.2)
        before = watch(server, 5)
        for _ in range(given.kills):
            server.kill()
            killed, last = time.monotonic(), max(before)
            server.start()
            after = watch(server, random_.uniform(1, 6))
            # All since the step before the first one was there.
            first = min(after)
            saved = max((when for step, when in before.items() if step < first), default=min(before.values()))
            repeated.append(killed - saved if first <= last else 0.0)
            print(f"killed after step {last}, went on with {first}: {repeated[-1]:.2f} s again", flush=True)
            before = after
        assert server.process is not None
        server.process.terminate()
        server.process.wait()
    print(f"at most {max(repeated):.2f} s of {given.kills} kills")


if __name__ == "__main__":
    main()

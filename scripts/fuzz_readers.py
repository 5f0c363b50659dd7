"""Give the readers of networks damaged and malicious files, and find what is not refused as it should be.

usage: fuzz_readers.py [--count 200000] [--seed 0] [--format t7|safetensors|pth]

Anything but a ModelError is a fault, and so are a second for one file and 64 MB beyond its size. Every fault's file is
kept in the folder --keep names. Of what is read, now and then one is made a graph of, which must not fail either.
"""

from __future__ import annotations

import argparse
import collections
import resource
import sys
import time
import tracemalloc
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from mutations import FORMATS, Mutator, seeds

from impasto.errors import ModelError
from impasto.inference.ir.compose import compose
from impasto.models.network_files import read_network

SECONDS = 1.0
BYTES = 64 * 2**20
TRACED = 20
"""One file in so many has its memory traced, which takes several times as long; a limit holds for the others."""
COMPOSED = 200


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200_000, help="files in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--format", choices=FORMATS, action="append", dest="formats")
    parser.add_argument("--keep", type=Path, help="folder for the files of faults")
    asked = parser.parse_args()
    formats = asked.formats or list(FORMATS)
    faults = sum(fuzz(name, asked.count // len(formats), asked.seed, asked.keep) for name in formats)
    print(f"{faults} faults; largest memory of the process {_resident() / 2**20:.0f} MB")
    return 1 if faults else 0


def fuzz(name: str, count: int, seed: int, keep: Path | None) -> int:
    mutated = Mutator(name, seed)
    compose(read_network(seeds(name)[0]))
    resident = _resident()
    outcomes, faults = collections.Counter[str](), 0
    slowest = peak = busy = 0.0
    for number in range(count):
        data = mutated()
        traced = number % TRACED == 0
        if traced:
            tracemalloc.start()
        start = time.perf_counter()
        fault = ""
        try:
            network = read_network(data)
            outcomes["read"] += 1
            if outcomes["read"] % COMPOSED == 0:
                compose(network)
                start = time.perf_counter()
        except ModelError as error:
            outcomes["refused"] += 1
            outcomes[f"  {str(error)[:40]}"] += 1
        except BaseException as error:  # whatever it is, it should not be
            if isinstance(error, KeyboardInterrupt):
                raise
            fault = f"{type(error).__name__}: {error}"
        taken = time.perf_counter() - start
        if traced:
            used = tracemalloc.get_traced_memory()[1] - len(data)
            tracemalloc.stop()
            peak = max(peak, used)
            if used > BYTES:
                fault = fault or f"{used / 2**20:.0f} MB"
        else:
            busy += taken
            slowest = max(slowest, taken)
        if taken > SECONDS and not traced:
            fault = fault or f"{taken:.1f} s"
        grown = _resident() - resident
        if grown > BYTES:
            fault = fault or f"{grown / 2**20:.0f} MB resident"
            resident += grown
        if fault:
            faults += 1
            print(f"{name} {number}: {fault}")
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{seed}-{number}.{name}").write_bytes(data)
    rate = count * (1 - 1 / TRACED) / max(busy, 1e-9)
    print(
        f"{name}: {count} files, {outcomes['read']} read, {outcomes['refused']} refused, {faults} faults; {rate:.0f} a "
        f"second, slowest {slowest * 1000:.0f} ms, most memory {peak / 2**20:.2f} MB beyond the file, "
        f"process grown by {(_resident() - resident) / 2**20:.0f} MB"
    )
    for reason, times in outcomes.most_common(12):
        if reason.startswith("  "):
            print(f"{times:8d} {reason}")
    return faults


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    raise SystemExit(main())

"""Peak memory of the engine `iterative` on 4096x2731 pixels, and whether its tiles show.

usage: large_iterative.py PHOTO PAINTING [--steps 6]

The photograph is scaled up, and painted twice, in processes of their own: with the tiles that the engine chooses where
memory is plenty, and with
others. The seam ratio compares what lies across the first one's borders with the same places in the second.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import impasto
from impasto.encoders.tile_layout import windows
from impasto.evaluation.metrics import seam_ratio
from impasto.inference.tiles import Tile

SIZE = (4096, 2731)
CHILD = """
import resource
from impasto.cli.main import main
try:
    main()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def painted(photo: Path, painting: Path, out: Path, steps: int, tile: int) -> tuple[float, impasto.Picture]:
    """Peak memory in GB, and what was painted."""
    words = ["stylize", str(photo), "--style", str(painting), "--engine", "iterative", "--steps", str(steps)]
    command = [sys.executable, "-c", CHILD, *words, "--tile", str(tile), "-o", str(out), "--quiet"]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(run.stdout.split()[-1]) * 1024 / 1e9, impasto.Picture.open(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("painting", type=Path)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--tile", type=int, default=1536)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder, "photo.png")
        impasto.Picture.open(given.photo).resized(SIZE).to_pil().save(photo)
        peak, picture = painted(photo, given.painting, Path(folder, "one.png"), given.steps, given.tile)
        print(f"{SIZE[0]}x{SIZE[1]}: peak {peak:.2f} GB", flush=True)
        _, other = painted(photo, given.painting, Path(folder, "two.png"), given.steps, round(given.tile * 0.7))
    plan = [
        Tile(w.outer, (w.rows.inner, w.columns.inner))
        for w in windows(SIZE[1], SIZE[0], side=given.tile, margin=30, stride=8)
    ]
    print(f"{len(plan)} tiles, seam ratio {seam_ratio(picture.pixels, plan, other.pixels):.4f}")
    print(f"without the other picture {seam_ratio(picture.pixels, plan):.4f}")


if __name__ == "__main__":
    main()

"""Train the networks that ship, within the minutes that a graphics card is to be had, or slowly on a processor.

python scripts/train_networks.py --photos FOLDER --paintings FOLDER --encoder vgg19.npz --out FOLDER --minutes 9
python scripts/train_networks.py ... --stages styles --names starry-night the-wave --device cpu --clock processor

Stages are ``instant``, ``base`` and ``styles``, in this order. OUT/models has the model folders; OUT/NAME has the
averaged weights (at most 16 MiB), the log and samples, and is gone on from when the command is given again. The crops
and names are those of gallery.toml. Needs torch, Pillow, safetensors and onnx.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "src"))
FIRST = (
    "starry-night",
    "wheat-field",
    "the-scream",
    "the-wave",
    "adele",
    "composition-vii",
    "senecio",
    "sanjo-bridge",
    "red-tree",
    "udnie",
    "san-giorgio",
    "strawberry-thief",
    "tiger",
    "metzinger",
    "carceri",
)


def entries() -> dict[str, dict[str, Any]]:
    return {e["name"]: e for e in tomllib.loads((HERE / "gallery.toml").read_text("utf-8"))["style"]}


def painting(entry: dict[str, Any], paintings: Path, folder: Path) -> Path:
    """The crop that gallery.toml says, as a file."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    picture = Image.open(paintings / entry["file"]).convert("RGB")
    left, top, right, bottom = entry.get("crop", [0, 0, 1, 1])
    sides = (left * picture.width, top * picture.height, right * picture.width, bottom * picture.height)
    picture.crop(tuple(map(round, sides))).save(folder / "painting.png")
    return folder / "painting.png"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--paintings", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, help="VGG19 as .npz; by default pocket, a fifth of the work")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=Path, help="whole state, optimisers and all; by default a temporary folder")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--stages", nargs="+", default=["instant", "base", "styles"])
    parser.add_argument("--names", nargs="+", default=list(FIRST), help="own networks, in this order")
    parser.add_argument("--device", choices=["auto", "cpu"], default="auto")
    parser.add_argument("--clock", choices=["wall", "processor"], default="wall", help="what minutes are made of")
    parser.add_argument("--lanes", type=int, default=6, help="own networks that learn side by side")
    parser.add_argument("--pictures", type=int, default=8, help="photographs in a step of an own network")
    parser.add_argument("--pairs", type=int, default=6, help="photographs, and styles, in a step of the others")
    parser.add_argument("--sizes", type=int, nargs="+", default=[192, 256])
    parser.add_argument("--own-sizes", type=int, nargs="+", default=[256, 384])
    parser.add_argument("--rank", type=int, default=24, help="channels that a style mixes in instant and base")
    parser.add_argument("--deep", type=int, default=0, help="channels at 1/16 of the size; 0 for none")
    parser.add_argument("--drawing", type=float, default=0.94, help="of own networks, of what they start from")
    parser.add_argument("--shift-weight", type=float, default=0.0, help="for films, where strokes should not jump")
    parser.add_argument("--keep-codes", action="store_true", help="instant's style encoder stays: cards stay valid")
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate of instant, at its highest")
    parser.add_argument("--version", default="2")
    parser.add_argument("--textures", type=int, default=28)
    parser.add_argument("--spare", type=float, default=20.0, help="seconds left for writing models")
    arguments = parser.parse_args()
    if arguments.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    from impasto.training.recipe import Recipe, Style, train_recipe

    known = entries()
    if unknown := [name for name in arguments.names if name not in known]:
        parser.error(f"gallery.toml has no {', '.join(unknown)}")
    runs = arguments.runs or Path(tempfile.mkdtemp(prefix="runs-"))
    styles = {
        name: Style(
            painting(known[name], arguments.paintings, runs / name),
            "{title}, {artist}, {date}; {source}".format(**known[name]),
        )
        for name in (arguments.names if "styles" in arguments.stages else ())
    }
    recipe = Recipe(
        arguments.photos,
        arguments.paintings,
        arguments.out,
        runs,
        styles,
        arguments.encoder,
        arguments.minutes,
        arguments.stages,
        arguments.lanes,
        arguments.version,
        rank=arguments.rank,
        deep=arguments.deep,
        drawing=arguments.drawing,
        pairs=arguments.pairs,
        pictures=arguments.pictures,
        sizes=tuple(arguments.sizes),
        own_sizes=tuple(arguments.own_sizes),
        shift_weight=arguments.shift_weight,
        keep_codes=arguments.keep_codes,
        learning_rate=arguments.rate,
        textures=arguments.textures,
        spare=arguments.spare,
        clock=time.process_time if arguments.clock == "processor" else time.monotonic,
    )
    began, last = time.monotonic(), dict[str, float]()
    for report in train_recipe(recipe):
        now = time.monotonic()
        if report.model is not None:
            print(f"{now - began:6.1f} s  {report.name}: {report.model}", flush=True)
        elif report.step is not None and now - last.get(report.name, -99.0) > 10:
            last[report.name] = now
            losses = "  ".join(f"{k} {v:.4f}" for k, v in report.step.losses.items())
            print(f"{now - began:6.1f} s  {report.name} {report.step.number}  {losses}", flush=True)


if __name__ == "__main__":
    main()

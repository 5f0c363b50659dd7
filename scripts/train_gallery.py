"""Train what ships beside ``instant``: the network ``base``, and one network for each of nine paintings.

python scripts/train_gallery.py base --photos FOLDER --styles FOLDER --encoder vgg19.npz --out FOLDER --minutes 4
python scripts/train_gallery.py styles --photos FOLDER --paintings FOLDER --encoder vgg19.npz --out FOLDER --seconds 25
python scripts/train_gallery.py measure --photos HELD-OUT --paintings FOLDER --encoder vgg19.npz --out FOLDER
python scripts/train_gallery.py export --out FOLDER

``base`` and ``styles`` need torch, Pillow, safetensors and onnx, and use a graphics card where there is one. ``export``
turns the runs into the model folders that ship. The crops and names are those of gallery.toml.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SHIPPED = HERE.parent / "src" / "impasto" / "models" / "shipped"
NINE = (
    "starry-night",
    "the-scream",
    "the-wave",
    "composition-vii",
    "udnie",
    "strawberry-thief",
    "tiger",
    "metzinger",
    "carceri",
)


def entries() -> dict[str, dict[str, Any]]:
    return {e["name"]: e for e in tomllib.loads((HERE / "gallery.toml").read_text("utf-8"))["style"]}


def told(name: str, steps: Iterator[Any], every: float = 10.0) -> None:
    """Run the steps, and print where they are now and then."""
    began = last = time.monotonic()
    for step in steps:
        now = time.monotonic()
        if step.number <= 3 or now - last > every or step.done >= 1:
            last = now
            losses = "  ".join(f"{k} {v:.4f}" for k, v in step.losses.items())
            print(f"{name} step {step.number}  {now - began:.1f} s  {losses}", flush=True)


def base(arguments: argparse.Namespace) -> None:
    from impasto.training.base import BasePlan, load_base, train_base
    from impasto.training.export import export_base

    run = arguments.out / "base"
    plan = BasePlan(
        arguments.photos,
        arguments.styles,
        run,
        arguments.encoder,
        minutes=arguments.minutes,
        sizes=tuple(arguments.sizes),
        photos_per_step=arguments.pictures,
        styles_per_step=arguments.pictures,
        learning_rate=arguments.rate or 1.5e-3,
    )
    told("base", train_base(plan))
    export_base(*load_base(run), arguments.out / "base-model", name="base", version="1")


def style(arguments: argparse.Namespace) -> None:
    from PIL import Image

    from impasto.training.style import StylePlan, train_style

    for name in arguments.names:
        entry, run = entries()[name], arguments.out / f"{name}{arguments.tag}"
        run.mkdir(parents=True, exist_ok=True)
        picture = Image.open(arguments.paintings / entry["file"]).convert("RGB")
        left, top, right, bottom = entry.get("crop", [0, 0, 1, 1])
        sides = (left * picture.width, top * picture.height, right * picture.width, bottom * picture.height)
        picture.crop(tuple(map(round, sides))).save(run / "painting.png")
        plan = StylePlan(
            (run / "painting.png",),
            arguments.photos,
            run,
            arguments.encoder,
            minutes=arguments.seconds / 60,
            sizes=tuple(arguments.sizes),
            pictures=arguments.pictures,
            learning_rate=arguments.rate or 1e-3,
            style_weight=arguments.style_weight,
            gram_weight=arguments.gram_weight,
            drawing=arguments.drawing,
            save_every=1e9,
            base=arguments.base,
        )
        told(run.name, train_style(plan))


def styles(arguments: argparse.Namespace) -> None:
    """Several processes share the card: one alone leaves it idle between small steps."""
    names, command = arguments.names, sys.argv[2:]
    waiting = [
        subprocess.Popen([sys.executable, __file__, "style", *command, "--names", *names[i :: arguments.workers]])
        for i in range(min(arguments.workers, len(names)))
    ]
    if failed := [process.args for process in waiting if process.wait()]:
        sys.exit(f"failed: {failed}")


def measure(arguments: argparse.Namespace) -> None:
    """Style, Gram and content on held-out photographs at 512x512, beside those of ``instant``."""
    import numpy as np
    import torch
    from PIL import Image

    from impasto.perceptual.judge import Judge
    from impasto.perceptual.vgg import VGG19
    from impasto.picture.scaling import fit_style
    from impasto.training.album import tensor
    from impasto.training.reading import read_instant
    from impasto.training.run import device
    from impasto.training.style import load_style

    def square(file: Path) -> Image.Image:
        picture = Image.open(file).convert("RGB")
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        box = (left, top, left + side, top + side)
        return picture.crop(box).resize((512, 512), Image.Resampling.LANCZOS)

    where = device()

    class There(VGG19):
        def prepare(self, pictures: torch.Tensor) -> torch.Tensor:
            return super().prepare(pictures.to(where))

    judge = Judge(There(arguments.encoder).to(where), name="vgg19")
    instant = read_instant().to(where)
    files = sorted(arguments.photos.iterdir())[: arguments.pictures]
    photos = [square(file) for file in files]
    known: dict[str, list[float]] = {}
    with torch.no_grad():
        for name in arguments.names:
            painting = square(arguments.out / name / "painting.png")
            whole = tensor(Image.open(arguments.out / name / "painting.png").convert("RGB"))[None].float() / 255
            width, height = fit_style((whole.shape[3], whole.shape[2]), 512)
            whole = torch.nn.functional.interpolate(whole, (height, width), mode="bicubic", antialias=True).clamp(0, 1)
            code = instant.encoder(whole.to(where))
            own = load_style(arguments.out / name)[0].to(where)
            paints = {"instant": partial(instant.transfer, code=code), name: own}
            for kind, paint in paints.items():
                rows = []
                for photo in photos:
                    painted = paint(tensor(photo)[None].to(where).float() / 255)[0][0].clamp(0, 1)
                    pixels = (painted.permute(1, 2, 0).cpu().numpy() * 255 + 0.5).astype(np.uint8)
                    score = judge.score(pixels, np.array(photo), np.array(painting))
                    rows.append((score.style, score.gram, score.content, score.cfsd))
                known[kind] = [float(x) for x in np.mean(rows, 0)]
            shares = [a / b for a, b in zip(known[name], known["instant"], strict=True)]
            print(name, *(f"{x:.4f}" for x in known["instant"]), "|", *(f"{x:.4f}" for x in known[name]), end=" | ")
            print(*(f"{x:.2f}" for x in shares), flush=True)


def export(arguments: argparse.Namespace) -> None:
    from impasto.training.base import load_base
    from impasto.training.export import export_base, export_style
    from impasto.training.style import load_style

    if (arguments.out / "base" / "checkpoint.pt").is_file():
        export_base(*load_base(arguments.out / "base"), SHIPPED / "base", name="base", version="1")
    for name in arguments.names:
        entry = entries()[name]
        source = f"{entry['title']}, {entry['artist']}, {entry['date']}; {entry['source']}"
        run = arguments.out / f"{name}{arguments.tag}"
        if (run / "checkpoint.pt").is_file():
            export_style(*load_style(run), SHIPPED / name, name=name, version="1", source=source)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["base", "styles", "style", "measure", "export"])
    for folder in ("photos", "styles", "paintings", "encoder", "base"):
        parser.add_argument(f"--{folder}", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--names", nargs="+", default=list(NINE))
    parser.add_argument("--tag", default="", help="added to the names of run folders")
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--seconds", type=float, default=25.0)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--pictures", type=int, default=6)
    parser.add_argument("--sizes", type=int, nargs="+", default=[192, 256])
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--style-weight", type=float, default=5.0)
    parser.add_argument("--gram-weight", type=float, default=1.9)
    parser.add_argument("--drawing", type=float, default=0.95)
    arguments = parser.parse_args()
    {"base": base, "styles": styles, "style": style, "measure": measure, "export": export}[arguments.what](arguments)


if __name__ == "__main__":
    main()

"""Measure networks of one style: style, Gram and content on held-out photographs, beside those of ``instant``.

python scripts/measure_networks.py --photos HELD-OUT --encoder vgg19.npz --out FOLDER --names starry-night the-wave

FOLDER has a run folder per name, with its painting.png, as scripts/train_networks.py --runs leaves them. Printed per
name: four figures of ``instant``, four of the own network, and the shares: style, Gram, content and CFSD.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path


def measure(arguments: argparse.Namespace) -> None:
    """Style, Gram and content on held-out photographs at 512x512, beside those of ``instant``."""
    import numpy as np
    import torch
    from PIL import Image

    from impasto.encoders.vgg import VGG19
    from impasto.evaluation.metrics.scorer import Scorer
    from impasto.picture.scaling import fit_style
    from impasto.training.data.device_dataset import picture_bytes
    from impasto.training.per_style import load_style
    from impasto.training.pretrained import read_instant
    from impasto.training.trainer import training_device

    def square(file: Path) -> Image.Image:
        picture = Image.open(file).convert("RGB")
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        box = (left, top, left + side, top + side)
        return picture.crop(box).resize((512, 512), Image.Resampling.LANCZOS)

    where = training_device()

    class There(VGG19):
        def prepare(self, pictures: torch.Tensor) -> torch.Tensor:
            return super().prepare(pictures.to(where))

    scorer = Scorer(There(arguments.encoder).to(where), name="vgg19")
    instant = read_instant().to(where)
    files = sorted(arguments.photos.iterdir())[: arguments.pictures]
    photos = [square(file) for file in files]
    known: dict[str, list[float]] = {}
    with torch.no_grad():
        for name in arguments.names:
            painting = square(arguments.out / name / "painting.png")
            whole = picture_bytes(Image.open(arguments.out / name / "painting.png").convert("RGB"))[None].float() / 255
            width, height = fit_style((whole.shape[3], whole.shape[2]), 512)
            whole = torch.nn.functional.interpolate(whole, (height, width), mode="bicubic", antialias=True).clamp(0, 1)
            code = instant.encoder(whole.to(where))
            own = load_style(arguments.out / name)[0].to(where)
            paints = {"instant": partial(instant.transfer, code=code), name: own}
            for kind, paint in paints.items():
                rows = []
                for photo in photos:
                    painted = paint(picture_bytes(photo)[None].to(where).float() / 255)[0][0].clamp(0, 1)
                    pixels = (painted.permute(1, 2, 0).cpu().numpy() * 255 + 0.5).astype(np.uint8)
                    score = scorer.score(pixels, np.array(photo), np.array(painting))
                    rows.append((score.style, score.gram, score.content, score.cfsd))
                known[kind] = [float(x) for x in np.mean(rows, 0)]
            shares = [a / b for a, b in zip(known[name], known["instant"], strict=True)]
            print(name, *(f"{x:.4f}" for x in known["instant"]), "|", *(f"{x:.4f}" for x in known[name]), end=" | ")
            print(*(f"{x:.2f}" for x in shares), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for folder in ("photos", "encoder", "out"):
        parser.add_argument(f"--{folder}", type=Path, required=True)
    parser.add_argument("--names", nargs="+", required=True)
    parser.add_argument("--pictures", type=int, default=6)
    measure(parser.parse_args())


if __name__ == "__main__":
    main()

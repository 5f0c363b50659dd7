"""Measure how well pocket orders pictures as VGG19 does, over 500 pairs of held-out pictures and pastiches.

usage: agreement.py IMAGES VGG19.npz [POCKET.safetensors]     IMAGES holds index.json, photos/ and paintings/
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from impasto import Picture, Stylizer
from impasto.encoders.pocket import Pocket
from impasto.encoders.vgg import VGG19
from impasto.evaluation.metrics.encoder_agreement import agreement
from impasto.models import find

SIDE, PAIRS = 384, 500


def square(file: Path) -> Picture:
    picture = Picture.open(file)
    side = min(picture.size)
    top, left = (picture.height - side) // 2, (picture.width - side) // 2
    return Picture(picture.pixels[top : top + side, left : left + side].copy()).resized((SIDE, SIDE))


def main(images: Path, vgg19: Path, pocket: Path) -> None:
    random = np.random.default_rng(0)
    held_out = [images / r["file"] for r in json.loads((images / "index.json").read_text()) if r["split"] == "val"]
    photos = [square(f) for f in held_out if f.parent.name == "photos"]
    paintings = [square(f) for f in held_out if f.parent.name == "paintings"]
    stylizer = Stylizer()
    content, everything = [], [*photos, *paintings]
    for _ in range(PAIRS // 2):
        photo, painting = random.choice(len(photos)), random.choice(len(paintings))
        made = stylizer.stylize(photos[photo], paintings[painting], strength=float(random.uniform(0.05, 1))).pastiche
        everything.append(made)
        content.append((made.pixels, photos[photo].pixels))
        # And pictures that have little in common.
        other = everything[random.integers(len(everything))]
        content.append((other.pixels, photos[photo].pixels))
    style = []
    for _ in range(PAIRS):
        picture, painting = everything[random.integers(len(everything))], paintings[random.integers(len(paintings))]
        if picture is not painting:
            style.append((picture.pixels, painting.pixels))
    found = agreement(Pocket.read(pocket), VGG19(vgg19), style, content)
    print(f"{len(style)} pairs: style {found.style:.3f}, Gram {found.gram:.3f}, content {found.content:.3f}")


if __name__ == "__main__":
    given = [Path(a) for a in sys.argv[1:]]
    main(given[0], given[1], given[2] if len(given) > 2 else find("pocket").file("encoder"))

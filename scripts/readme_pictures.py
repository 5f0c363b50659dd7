"""Make the pictures that README.md shows, from scikit-image's photographs and the network that ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from demo import CELL, OUT, paste
from demo import main as demo
from PIL import Image
from skimage import data

import impasto

DOCS = Path(__file__).parents[1] / "docs"
HEIGHT = 240
NETWORKS = ("starry-night", "wheat-field", "the-scream", "collioure", "the-kiss")


def strip(name: str, pictures: list[impasto.Picture], height: int = HEIGHT) -> None:
    """Pictures side by side, at one height."""
    images = [p.to_pil().convert("RGB") for p in pictures]
    images = [i.resize((i.width * height // i.height, height), Image.Resampling.LANCZOS) for i in images]
    sheet = Image.new("RGB", (sum(i.width for i in images) + 4 * (len(images) - 1), height), "white")
    left = 0
    for image in images:
        sheet.paste(image, (left, 0))
        left += image.width + 4
    sheet.save(DOCS / f"{name}.jpg", quality=88)


def main() -> None:
    DOCS.mkdir(exist_ok=True)
    demo()
    (DOCS / "sheet.jpg").write_bytes((OUT / "sheet.jpg").read_bytes())

    impasto.take_turns()
    stylizer = impasto.Stylizer()
    cat = impasto.Picture.from_array(data.chelsea())
    strip("strength", [stylizer.stylize(cat, "starry-night", strength=s).pastiche for s in (0, 0.25, 0.5, 0.75, 1)])

    rocket = impasto.Picture.from_array(data.rocket())
    strip("boldness", [stylizer.stylize(rocket, "starry-night", boldness=b).pastiche for b in (0, 0.25, 0.5, 0.75, 1)])

    coffee = impasto.Picture.from_array(data.coffee())
    mask = np.zeros((coffee.height, coffee.width, 3), np.uint8)
    mask[:, coffee.width // 2 :] = 255
    knobs: list[dict[str, object]] = [
        {},
        {"style_scale": 0.5},
        {"style_scale": 2.0},
        {"colors": "keep"},
        {"colors": "match"},
        {"mask": mask},
    ]
    strip("knobs", [stylizer.stylize(coffee, "composition-vii", **k).pastiche for k in knobs])
    ways = [stylizer.stylize(coffee, "the-wave", engine=engine).pastiche for engine in ("instant", "iterative")]
    strip("both", [coffee, *ways], height=300)
    networks(stylizer)


def networks(stylizer: impasto.Stylizer) -> None:
    """Each photograph twice: by the network of any style, and below by the style's own."""
    sheet = Image.new("RGB", (CELL * (1 + len(NETWORKS)), CELL * 4), "white")
    for number, name in enumerate(("astronaut", "coffee")):
        photo = impasto.Picture.from_array(getattr(data, name)())
        for row, model in enumerate(("instant", None), 2 * number):
            paste(sheet, photo, 0, row)
            for column, style in enumerate(NETWORKS, 1):
                paste(sheet, stylizer.stylize(photo, style, model=model).pastiche, column, row)
    sheet.save(DOCS / "networks.jpg", quality=88)


if __name__ == "__main__":
    main()

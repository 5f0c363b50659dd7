"""Draw docs/encoders.jpg: photographs, the instant pastiche, and the iterative one through pocket and through VGG19.

usage: encoders_sheet.py VGG19.npz PAINTING [PAINTING...]     scikit-image's photographs, each in one painting's style
"""

from __future__ import annotations

import sys
from itertools import cycle
from pathlib import Path

from PIL import Image, ImageDraw
from skimage import data

import impasto

PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")
SIDE, CELL, TITLE = 512, 300, 22


def main(vgg19: str, paintings: list[str]) -> None:
    impasto.take_turns()
    stylizer = impasto.Stylizer()
    columns = {
        "photograph": None,
        "instant": {},
        "iterative, pocket": {"engine": "iterative"},
        "iterative, VGG19": {"engine": "iterative", "encoder": vgg19, "style_layers": "relu1_1,relu2_1,relu3_1,relu4_1",
                             "content_layers": "relu4_1"},
    }  # fmt: skip
    sheet = Image.new("RGB", (CELL * len(columns), (CELL * len(PHOTOS)) + TITLE), "white")
    draw = ImageDraw.Draw(sheet)
    for i, title in enumerate(columns):
        draw.text((i * CELL + 6, 5), title, fill="black")
    for row, (name, painting) in enumerate(zip(PHOTOS, cycle(paintings), strict=False)):
        photo = square(impasto.Picture.from_array(getattr(data, name)()))
        for column, settings in enumerate(columns.values()):
            made = photo if settings is None else stylizer.stylize(photo, painting, **settings).pastiche
            cell = made.to_pil().resize((CELL, CELL), Image.Resampling.LANCZOS)
            sheet.paste(cell, (column * CELL, TITLE + row * CELL))
        print(name, flush=True)
    sheet.save(Path(__file__).parent.parent / "docs" / "encoders.jpg", quality=88)


def square(picture: impasto.Picture) -> impasto.Picture:
    side = min(picture.size)
    top, left = (picture.height - side) // 2, (picture.width - side) // 2
    return impasto.Picture(picture.pixels[top : top + side, left : left + side].copy()).resized((SIDE, SIDE))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

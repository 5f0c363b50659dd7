"""Repaint four photographs in six styles of the gallery, into out/, with a contact sheet; one of them both ways."""

from __future__ import annotations

import time
from pathlib import Path

from PIL import Image
from skimage import data

import impasto

OUT = Path("out")
PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")
STYLES = ("starry-night", "the-wave", "the-scream", "composition-vii", "udnie", "strawberry-thief")
CELL = 240
BOTH = ("coffee", "the-wave")


def main() -> None:
    OUT.mkdir(exist_ok=True)
    start = time.perf_counter()
    impasto.take_turns()
    stylizer = impasto.Stylizer()
    sheet = Image.new("RGB", (CELL * (1 + len(STYLES)), CELL * len(PHOTOS)), "white")
    for row, name in enumerate(PHOTOS):
        photo = impasto.Picture.from_array(getattr(data, name)())
        photo.to_pil().save(OUT / f"{name}.png")
        paste(sheet, photo, 0, row)
        for column, style in enumerate(STYLES, 1):
            result = stylizer.stylize(photo, style)
            result.save(OUT / f"{name}.{style}.png", overwrite=True)
            paste(sheet, result.pastiche, column, row)
    sheet.save(OUT / "sheet.jpg", quality=90)
    count = len(PHOTOS) * len(STYLES)
    print(f"{count} pastiches in {time.perf_counter() - start:.1f} s: {OUT}/")
    print(f"all on one sheet: {OUT / 'sheet.jpg'}")
    both_ways(stylizer)


def both_ways(stylizer: impasto.Stylizer) -> None:
    """One photograph by each engine, side by side."""
    name, style = BOTH
    photo = impasto.Picture.open(OUT / f"{name}.png")
    instant = stylizer.stylize(photo, style)
    iterative = stylizer.stylize(photo, style, engine="iterative")
    iterative.save(OUT / f"{name}.{style}.iterative.png", overwrite=True)
    width, height = photo.size
    pair = Image.new("RGB", (3 * width, height), "white")
    for column, picture in enumerate((photo, instant.pastiche, iterative.pastiche)):
        pair.paste(picture.to_pil(), (column * width, 0))
    pair.save(OUT / "both.jpg", quality=90)
    print(
        f"the photograph, instant ({instant.seconds:.2f} s), iterative ({iterative.seconds:.1f} s): {OUT / 'both.jpg'}"
    )


def paste(sheet: Image.Image, picture: impasto.Picture, column: int, row: int) -> None:
    """The middle square of a picture into its cell."""
    image = picture.to_pil()
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side)).resize((CELL, CELL), Image.Resampling.LANCZOS)
    sheet.paste(square, (column * CELL, row * CELL))


if __name__ == "__main__":
    main()

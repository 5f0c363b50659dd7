"""Make the style cards that Impasto ships from the paintings that gallery.toml lists.

python scripts/build_gallery.py --paintings FOLDER [--sheet FILE]
"""

from __future__ import annotations

import argparse
import io
import tomllib
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageDraw

import impasto
from impasto.models.store import shipped
from impasto.picture import Picture
from impasto.styles import StyleCard
from impasto.styles.card import SUFFIX

HERE = Path(__file__).parent
CARDS = HERE.parent / "src" / "impasto" / "styles" / "cards"


def painting(path: Path, crop: list[float]) -> Picture:
    picture = Picture.open(path)
    left, right = (round(x * picture.width) for x in crop[0::2])
    top, bottom = (round(y * picture.height) for y in crop[1::2])
    alpha = None if picture.alpha is None else picture.alpha[top:bottom, left:right].copy()
    return replace(picture, pixels=picture.pixels[top:bottom, left:right].copy(), alpha=alpha)


def sheet(cards: list[StyleCard], columns: int = 8, side: int = 200) -> Image.Image:
    """The thumbnails with their names."""
    rows = -(-len(cards) // columns)
    image = Image.new("RGB", (columns * side, rows * (side + 20)), "white")
    draw = ImageDraw.Draw(image)
    for i, card in enumerate(cards):
        x, y = i % columns * side, i // columns * (side + 20)
        if card.thumbnail:
            thumbnail = Image.open(io.BytesIO(card.thumbnail)).convert("RGB")
            thumbnail.thumbnail((side - 8, side - 8))
            image.paste(thumbnail, (x + 4, y + 4))
        draw.text((x + 4, y + side - 2), card.name, fill="black")
    return image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--paintings", type=Path, required=True, help="folder of the files that gallery.toml names")
    parser.add_argument("--sheet", type=Path, help="also save a contact sheet of the thumbnails")
    arguments = parser.parse_args()

    entries = tomllib.loads((HERE / "gallery.toml").read_text("utf-8"))["style"]
    stylizer = impasto.Stylizer()
    networks = {model.name for model in shipped() if model.kind == "per-style"}
    cards = []
    for entry in entries:
        picture = painting(arguments.paintings / entry["file"], entry.get("crop", [0, 0, 1, 1]))
        facts = {key: entry[key] for key in ("title", "artist", "date", "source")}
        network = entry["name"] if entry["name"] in networks else ""
        cards.append(stylizer.card(entry["name"], [picture], network=network, **facts))
        print(cards[-1].name)

    # Written last, so that a failure half-way leaves the old gallery whole.
    CARDS.mkdir(exist_ok=True)
    for old in CARDS.glob(f"*{SUFFIX}"):
        old.unlink()
    for card in cards:
        (CARDS / f"{card.name}{SUFFIX}").write_bytes(card.to_bytes())
    if arguments.sheet:
        sheet(cards).save(arguments.sheet)


if __name__ == "__main__":
    main()

"""Make the style cards that Impasto ships from the paintings that gallery.toml lists.

python scripts/build_gallery.py --paintings FOLDER [--only NAME ...] [--sheet FILE]

A card holds what the engines need of the painting, a photograph in its style, and a swatch of its texture. With --only
those alone are painted again; of the others what is missing, and they get the facts and the place that gallery.toml
gives them now. Each card is written when it is done, so a run that was ended goes on with --only and the names left.
"""

from __future__ import annotations

import argparse
import io
import json
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

import impasto
from impasto.models.store import shipped
from impasto.picture import Picture
from impasto.styles import StyleCard
from impasto.styles.card import SUFFIX, fold_name
from impasto.styles.gallery import INDEX

HERE = Path(__file__).parent
CARDS = HERE.parent / "src" / "impasto" / "styles" / "cards"

TEXTS = ("title", "artist", "date", "source", "movement", "place", "about")
WHOLE = (0.0, 0.0, 1.0, 1.0)

SIDE = 256
"""Side of a swatch, in pixels."""
ROUGH = 32
"""Side of the noise that a swatch begins with. Finer noise stays in the paint, and in the file's size."""
STROKES = 0.75
"""Style scale of a swatch, unless its table says otherwise: two thirds of the painting's short side are in view."""
MOST_BYTES = 20_000
MOST_CARD = 300_000

SWATCH: Mapping[str, Any] = {
    "engine": "iterative",
    "content_weight": 0,
    "levels": 4,
    "steps": 14,
    "optimiser": "lbfgs",
    "padding": "replicate",
}


def painting(path: Path, crop: Sequence[float]) -> Picture:
    picture = Picture.open(path)
    left, right = (round(x * picture.width) for x in crop[0::2])
    top, bottom = (round(y * picture.height) for y in crop[1::2])
    alpha = None if picture.alpha is None else picture.alpha[top:bottom, left:right].copy()
    return replace(picture, pixels=picture.pixels[top:bottom, left:right].copy(), alpha=alpha)


def swatch(stylizer: impasto.Stylizer, picture: Picture, strokes: float) -> bytes:
    """The painting's texture without its drawing, painted by the iterative engine from noise: a WebP file."""
    noise = np.random.default_rng(0).integers(0, 256, (ROUGH, ROUGH, 3), np.uint8)
    ground = Picture(np.full((SIDE, SIDE, 3), 128, np.uint8))
    started = Picture(noise).resized((SIDE, SIDE))
    painted = stylizer.stylize(ground, picture, initial=started, style_scale=strokes, **SWATCH).pastiche
    image = Image.fromarray(painted.pixels)
    for quality in range(80, 0, -4):
        file = io.BytesIO()
        image.save(file, "webp", quality=quality, method=6)
        if file.tell() <= MOST_BYTES:
            break
    return file.getvalue()


def painted(stylizer: impasto.Stylizer, entry: Mapping[str, Any], paintings: Path, card: StyleCard | None) -> StyleCard:
    """A card with its pictures; one that is there already keeps those that it has."""
    if card is not None and card.swatch:
        return card
    picture = painting(paintings / entry["file"], entry.get("crop", WHOLE))
    if card is None:
        networks = {model.name for model in shipped() if model.kind == "per-style"}
        network = entry["name"] if entry["name"] in networks else ""
        card = stylizer.card(entry["name"], [picture], network=network)
    return replace(card, swatch=swatch(stylizer, picture, entry.get("strokes", STROKES)))


def check(entries: Sequence[Mapping[str, Any]]) -> None:
    """Exit where one style would be called what another is called."""
    called: dict[str, str] = {}
    for entry in entries:
        for text in {fold_name(text) for text in (entry["name"], *entry.get("aliases", ()))}:
            if (other := called.setdefault(text, entry["name"])) != entry["name"]:
                raise SystemExit(f"{text} calls both {other} and {entry['name']}; change gallery.toml")


def sheet(cards: Sequence[StyleCard], shown: Sequence[Picture], columns: int = 4, side: int = 160) -> Image.Image:
    """Each painting with its swatch and its thumbnail beside it."""
    width, height = 3 * side + 8, side + 20
    image = Image.new("RGB", (columns * width, -(-len(cards) // columns) * height), "white")
    draw = ImageDraw.Draw(image)
    for i, (card, picture) in enumerate(zip(cards, shown, strict=True)):
        x, y = i % columns * width, i // columns * height
        pictures = [Image.fromarray(picture.pixels)]
        pictures += [Image.open(io.BytesIO(data)).convert("RGB") for data in (card.swatch, card.thumbnail) if data]
        for j, each in enumerate(pictures):
            each.thumbnail((side - 4, side - 4))
            image.paste(each, (x + j * side, y))
        draw.text((x, y + side - 2), f"{card.rank} {card.name}: {card.title}, {card.date}", fill="black")
    return image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--paintings", type=Path, required=True, help="folder of the files that gallery.toml names")
    parser.add_argument(
        "--only", nargs="*", metavar="NAME", help="paint these again, and of the others what is missing"
    )
    parser.add_argument("--sheet", type=Path, help="also save a contact sheet: paintings, swatches, thumbnails")
    arguments = parser.parse_args()

    entries = tomllib.loads((HERE / "gallery.toml").read_text("utf-8"))["style"]
    names = [entry["name"] for entry in entries]
    check(entries)
    if unknown := set(arguments.only or ()) - set(names):
        parser.error(f"gallery.toml has no {', '.join(sorted(unknown))}")
    if missing := [e["file"] for e in entries if not (arguments.paintings / e["file"]).is_file()]:
        parser.error(f"{arguments.paintings} has no {', '.join(missing)}")

    CARDS.mkdir(exist_ok=True)
    impasto.take_turns()
    stylizer = impasto.Stylizer()
    cards = []
    for rank, entry in enumerate(entries, 1):
        file, began = CARDS / f"{entry['name']}{SUFFIX}", time.process_time()
        keep = file.is_file() and arguments.only is not None and entry["name"] not in arguments.only
        there = StyleCard.from_file(file) if keep else None
        card = painted(stylizer, entry, arguments.paintings, there)
        facts = {key: entry.get(key, "") for key in TEXTS}
        card = replace(card, **facts, aliases=tuple(entry.get("aliases", ())), rank=rank)
        data = card.to_bytes()
        if len(data) > MOST_CARD:
            raise SystemExit(f"the card of {card.name} has {len(data)} bytes; make its pictures smaller")
        file.write_bytes(data)
        cards.append(card)
        if there is None or not there.swatch:
            print(f"{card.name}: {len(data) / 1000:.0f} kB, {time.process_time() - began:.1f} s", flush=True)

    for old in CARDS.glob(f"*{SUFFIX}"):
        if old.name.removesuffix(SUFFIX) not in names:
            old.unlink()
    index = {card.name: list(card.aliases) for card in cards}
    (CARDS / INDEX).write_text(json.dumps(index, ensure_ascii=False, indent=1) + "\n", "utf-8")
    if arguments.sheet:
        shown = [painting(arguments.paintings / e["file"], e.get("crop", WHOLE)) for e in entries]
        sheet(cards, shown).save(arguments.sheet)


if __name__ == "__main__":
    main()

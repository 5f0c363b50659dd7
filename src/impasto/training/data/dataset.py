"""What a network is trained on: crops of photographs and paintings, and the variations made of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from impasto.errors import PictureError, RequestError
from impasto.picture import Picture
from impasto.picture.files import pictures_in
from impasto.picture.limits import MAX_PIXELS
from impasto.picture.raster import Raster
from impasto.picture.reading import from_pil, open_image
from impasto.picture.transparency import fill_transparent

__all__ = ["read_picture", "training_files", "vary_colors"]


def training_files(folder: Path) -> list[Path]:
    """Pictures in ``folder``, sorted; where ``../index.json`` records splits, only those of ``train``.

    Raises :class:`RequestError` where the folder cannot be read or holds no picture.
    """
    try:
        found = pictures_in(folder)
    except OSError as error:
        raise RequestError(f"{folder} cannot be read: {error.strerror}; give a folder of pictures") from error
    index = folder.parent / "index.json"
    held_out = _held_out(index)
    files = [file for file in found if f"{folder.name}/{file.name}" not in held_out]
    if not files:
        kept = f", for {index} keeps all {len(found)} of them from training" if found else ""
        raise RequestError(f"{folder} holds no picture to train on{kept}; give a folder of pictures")
    return files


def _held_out(index: Path) -> set[str]:
    """The files that an index of ours keeps from training; whatever else has its name says nothing of splits."""
    try:
        records = json.loads(index.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return set()
    if not isinstance(records, list):
        return set()
    return {
        record["file"]
        for record in records
        if isinstance(record, dict) and isinstance(record.get("file"), str) and record.get("split", "train") != "train"
    }


def vary_colors(pictures: Tensor, random: np.random.Generator, share: float = 0.4) -> Tensor:
    """Give a share of a batch other colours: channels permuted, hues turned, inverted, or put through a tone curve.

    An arbitrary-style network fails on the colours it never saw; strokes survive all four.
    """
    chosen = np.flatnonzero(random.random(len(pictures)) < share)
    if not len(chosen):
        return pictures
    mixing = np.stack([np.eye(3, dtype=np.float32)] * len(chosen))
    inverted, exponents = np.zeros((len(chosen), 1, 1, 1), bool), np.ones((len(chosen), 3, 1, 1), np.float32)
    for i in range(len(chosen)):
        if random.random() < 0.6:
            mixing[i] = mixing[i][random.permutation(3)]
        if random.random() < 0.4:
            mixing[i] = _hue_turn(random.uniform(0, 2 * np.pi)) @ mixing[i]
        inverted[i] = random.random() < 0.2
        if random.random() < 0.6:
            exponents[i] = np.exp(random.uniform(-0.6, 0.6, (3, 1, 1)))
    # One batch on whatever device: a graphics card waits for every single small step.
    turns, swaps, curves, picked = (_to_device(a, pictures.device) for a in (mixing, inverted, exponents, chosen))
    varied = torch.einsum("nij,njhw->nihw", turns, pictures[picked]).clamp(0, 1)
    varied = torch.where(swaps, 1 - varied, varied).clamp_min(1e-4) ** curves
    return pictures.index_copy(0, picked, varied)


def _to_device(numbers: np.ndarray, device: torch.device) -> Tensor:
    """On the device; a card is not waited for, as it would be for memory that may be paged out."""
    found = torch.from_numpy(numbers)
    return found.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else found.to(device)


def _hue_turn(angle: float) -> np.ndarray:
    """The rotation of RGB around its grey axis (Rodrigues' formula)."""
    cosine, sine = np.cos(angle), np.sin(angle) / np.sqrt(3)
    across = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    turn: np.ndarray = cosine * np.eye(3) + sine * across + (1 - cosine) / 3
    return turn.astype(np.float32)


def read_picture(file: Path, short_side: int) -> Image.Image:
    """As RGB, opaque and upright, scaled down where the short side is longer than that.

    Raises :class:`PictureError` for a file that cannot be read, and :class:`MissingExtra` for HEIF without its reader.
    """
    try:
        picture = fill_transparent(_read(file, short_side)).to_pil()
    except PictureError as error:
        raise PictureError(f"{error}; take it out of {file.parent}") from error
    if min(picture.size) > short_side:
        scale = short_side / min(picture.size)
        picture = picture.resize(
            (round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS
        )
    return picture


def _read(file: Path, short_side: int) -> Raster:
    with open_image(file) as (image, format_, _):
        if format_ == "jpeg" and isinstance(image, Image.Image):
            # Decoded at a fraction of its size, many times as fast.
            image.draft("RGB", (short_side, short_side))
            image.load()  # here, where what is wrong is told with the file's name
            return from_pil(image, max_pixels=MAX_PIXELS)
    return Picture.open(file)

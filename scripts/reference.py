"""How much sooner the engine `iterative` reaches the loss that plain Gatys et al. (2016) ends with.

usage: reference.py VGG19.npz PHOTO PAINTING [--evaluations 300] [--plain REFERENCE.json]

Plain: VGG19 in eager float32, Gram matrices of relu1_1 to relu5_1 and conv4_2, torch's L-BFGS from the photograph, at
512x512. It goes beyond black and white; its lowest loss is the goal, though the picture that is seen, cut to
0..1, has a higher one. Ours: the same loss, through `Stylizer`, which stays between black and white. Its previews, of
16 bits, are judged in float32 by the plain loss; judging is not counted as time.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import impasto
from impasto.encoders.vgg import VGG19

SIDE = 512
STYLE, CONTENT = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"), "conv4_2"
ALPHA, BETA = 1e-3, 1.0
SETTINGS: dict[str, Any] = {
    "engine": "iterative",
    "bits": 16,
    "style_layers": ",".join(STYLE),
    "content_layers": CONTENT,
    "style_loss": "gram",
    "content_loss": "mse",
    "loss_scale": "absolute",
    "padding": "zeros",
    "scales": 1,
    # The paper's losses are sums: a half over features, a quarter over layers.
    "content_weight": ALPHA / 2 * 512 * (SIDE // 8) ** 2,
    "style_weight": BETA / 4 / len(STYLE),
}

BEST: dict[str, Any] = {"optimiser": "lbfgs", "history": 30, "start": "recoloured", "levels": 1, "steps": 400}


def square(file: Path) -> impasto.Picture:
    picture = impasto.Picture.open(file)
    side = min(picture.size)
    top, left = (picture.height - side) // 2, (picture.width - side) // 2
    return impasto.Picture(picture.pixels[top : top + side, left : left + side].copy()).resized((SIDE, SIDE))


def tensor(picture: impasto.Picture) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.pixels.transpose(2, 0, 1)[None], np.float32) / picture.peak)


class Plain:
    """The loss, as the paper writes it."""

    def __init__(self, vgg: VGG19, photo: Tensor, painting: Tensor) -> None:
        self.vgg = vgg
        with torch.no_grad():
            self.content = vgg(photo)[CONTENT]
            found = vgg(painting)
            self.grams = {name: self.gram(found[name]) for name in STYLE}

    @staticmethod
    def gram(x: Tensor) -> Tensor:
        flat = x[0].flatten(1)
        return flat @ flat.T

    def __call__(self, picture: Tensor) -> Tensor:
        found = self.vgg(picture)
        loss = ALPHA / 2 * (found[CONTENT] - self.content).square().sum()
        for name in STYLE:
            channels, places = found[name].shape[1], found[name].shape[2] * found[name].shape[3]
            apart = (self.gram(found[name]) - self.grams[name]).square().sum()
            loss = loss + BETA / len(STYLE) * apart / (4 * channels**2 * places**2)
        return loss


def plain(loss: Plain, photo: Tensor, evaluations: int) -> dict[str, float]:
    """Seconds, the lowest loss, and that of the picture cut to 0..1, of so many evaluations of torch's L-BFGS."""
    picture = photo.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([picture])
    best, seen, count, start = float("inf"), picture.detach().clone(), 0, time.perf_counter()
    while count < evaluations:

        def closure() -> Tensor:
            nonlocal best, count
            optimiser.zero_grad()
            value = loss(picture)
            value.backward()
            count += 1
            if value.item() < best and count <= evaluations:
                best = value.item()
                seen.copy_(picture.detach())
            if count % 20 == 0:
                print(f"plain {count}: {value.item():.4g} after {time.perf_counter() - start:.0f} s", flush=True)
            return value

        optimiser.step(closure)
    seconds = (time.perf_counter() - start) * evaluations / count
    with torch.no_grad():
        return {"seconds": seconds, "loss": best, "cut": loss(seen.clamp(0, 1)).item()}


def ours(
    loss: Plain, photo: impasto.Picture, painting: impasto.Picture, vgg19: Path, goal: float, **settings: Any
) -> float:
    """Seconds until the loss is below ``goal``; infinity where it never is."""
    stylizer = impasto.Stylizer("iterative")
    request = stylizer.request(photo, painting, encoder=str(vgg19), preview_every=5, **{**SETTINGS, **settings})
    seconds, begun = 0.0, time.perf_counter()
    for progress in stylizer.run(request):
        seconds += time.perf_counter() - begun
        if progress.preview is not None and progress.size == (SIDE, SIDE):
            with torch.no_grad():
                found = loss(tensor(progress.preview)).item()
            print(f"ours {progress.step}: {found:.4g} after {seconds:.1f} s", flush=True)
            if found <= goal:
                return seconds
        begun = time.perf_counter()
    return float("inf")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vgg19", type=Path)
    parser.add_argument("photo", type=Path)
    parser.add_argument("painting", type=Path)
    parser.add_argument("--evaluations", type=int, default=300)
    parser.add_argument("--plain", type=Path, help="where the reference's seconds and loss are kept between runs")
    parser.add_argument("--settings", default="{}", help="as JSON: other settings of ours to try")
    given = parser.parse_args()
    photo, painting = square(given.photo), square(given.painting)
    loss = Plain(VGG19(given.vgg19, (*STYLE, CONTENT)), tensor(photo), tensor(painting))
    if given.plain and given.plain.is_file():
        reference = json.loads(given.plain.read_text())
    else:
        reference = plain(loss, tensor(photo), given.evaluations)
        if given.plain:
            given.plain.write_text(json.dumps(reference))
    seconds = reference["seconds"]
    print(f"plain: {reference['loss']:.4g} after {seconds:.0f} s; cut to 0..1: {reference['cut']:.4g}")
    for which in ("cut", "loss"):
        needed = ours(loss, photo, painting, given.vgg19, reference[which], **{**BEST, **json.loads(given.settings)})
        print(f"ours, to {reference[which]:.4g}: {needed:.1f} s, {seconds / needed:.1f} times sooner")


if __name__ == "__main__":
    main()

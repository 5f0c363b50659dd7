"""A network and two losses of one's own, in the place of the library's: what to write to try an idea.

python examples/own_losses.py PHOTO PAINTING [--out FOLDER] [--steps N] [--size N]

Writes into the folder: result.png, run.jsonl with the losses, loss.png that draws them.
"""

# %% What is asked for
import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from impasto import ImpastoError, Picture
from impasto.encoders import Encoder
from impasto.iterative.optimisers import LBFGS
from impasto.iterative.targets import picture_tensor
from impasto.losses import GramTerm, LayerStatistics, Objective, StyledRegion, StyleTerm, TotalVariation, measure
from impasto.picture.scaling import fit
from impasto.picture.transparency import fill_transparent
from impasto.plots import Trace, TraceWriter
from impasto.plots.loss_chart import draw

parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
parser.add_argument("photo", type=Path)
parser.add_argument("painting", type=Path)
parser.add_argument("--out", type=Path, default=Path("own-losses"), metavar="FOLDER")
parser.add_argument("--steps", type=int, default=60)
parser.add_argument("--size", type=int, default=256, help="longest side, in pixels")
arguments = parser.parse_args()

# %% An encoder of one's own
# Any torch module will do. This one was never trained: a single layer of many random filters, from coarse to fine, is
# enough for textures (Ustyuzhaninov et al. 2016, "What does it take to generate natural textures?").
random = torch.Generator().manual_seed(0)


class Scales(nn.Module):
    """Random filters of several sizes, side by side."""

    def __init__(self, widths: tuple[int, ...] = (3, 5, 9, 17), filters: int = 24) -> None:
        super().__init__()
        self.filters = nn.ModuleList(
            nn.Conv2d(3, filters, width, padding=width // 2, padding_mode="replicate", bias=False) for width in widths
        )
        for filter_ in self.filters:
            weight = torch.randn(filter_.weight.shape, generator=random)
            filter_.weight.data = weight / weight[0].numel() ** 0.5
        self.rectified = nn.ReLU()

    def forward(self, pictures: Tensor) -> Tensor:
        return self.rectified(torch.cat([filter_(pictures) for filter_ in self.filters], 1))


encoder = Encoder.from_module(Scales(), {"random": "rectified"})


# %% A style loss of one's own
# It gets statistics, sums over all places of features, their squares and their products: mean, std, gram, covariance.
# That is what tiles and regions rest on.
class Contrast(StyleTerm):
    """Distance of the logarithms of standard deviations: a faint texture counts as much as a strong one."""

    def distance(self, found: LayerStatistics, target: LayerStatistics) -> Tensor:
        return (found.std.log() - target.std.log()).square().mean()


# %% A loss of pixels of one's own
# Whatever is a number of the picture can take total variation's place.
class KeepEdges(TotalVariation):
    """Distance of the slopes of brightness from the photograph's: edges stay where they are, colours are free."""

    def __init__(self, photograph: Tensor, *, weight: float = 1.0) -> None:
        super().__init__(weight=weight)
        self.target = self.slopes(photograph)

    def forward(self, picture: Tensor) -> Tensor:
        return (
            self.weight
            * torch.stack(
                [
                    (slope - target).square().mean()
                    for slope, target in zip(self.slopes(picture), self.target, strict=True)
                ]
            ).sum()
        )

    @staticmethod
    def slopes(picture: Tensor) -> tuple[Tensor, Tensor]:
        light = picture.mean(1)
        return light.diff(dim=1), light.diff(dim=2)


# %% Put together
try:
    photo, painting = (fill_transparent(Picture.open(file)) for file in (arguments.photo, arguments.painting))
except ImpastoError as error:
    raise SystemExit(str(error)) from None
photo, painting = (found.resized(fit(found.size, arguments.size)) for found in (photo, painting))
picture = picture_tensor(photo.pixels)
with torch.no_grad():
    target = measure(encoder(picture_tensor(painting.pixels)))
style = {"gram": GramTerm(target, {"random": 1.0}), "contrast": Contrast(target, {"random": 1.0}, weight=0.05)}
objective = Objective(encoder, [StyledRegion(style)], variation=KeepEdges(picture, weight=100.0))
print(objective.regions[0], objective.variation, sep="\n")

# %% Optimise
optimiser = LBFGS()
arguments.out.mkdir(parents=True, exist_ok=True)
with TraceWriter(arguments.out / "run.jsonl") as trace:
    trace.begin(arguments.photo.name, "random filters", {})
    began = time.perf_counter()
    for step in range(1, arguments.steps + 1):
        found = optimiser.step(picture, objective)
        seconds = time.perf_counter() - began
        # The objective calls what is in that place the variation.
        losses = {"edges" if name == "variation" else name: value for name, value in found.losses.items()}
        trace.step(step, level=0, size=photo.size, seconds=seconds, loss=found.loss, terms=losses)
        if optimiser.stalls > 1:
            break
print(f"step {step}: " + "  ".join(f"{name} {value:.4g}" for name, value in losses.items()))

# %% Look
result = Picture.from_array(picture[0].permute(1, 2, 0).clamp(0, 1).numpy()).as_type(np.dtype(np.uint8))
result.to_pil().save(arguments.out / "result.png")
draw([Trace.read(arguments.out / "run.jsonl")]).to_pil().save(arguments.out / "loss.png")
print(f"{arguments.out / 'result.png'}: {result.width} x {result.height}, {optimiser.evaluations} evaluations")

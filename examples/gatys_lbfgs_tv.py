"""The Keras notebook of Gatys et al. 2016, VGG16 and L-BFGS, as the preset ``gatys-lbfgs-tv``, made of single parts.

python examples/gatys_lbfgs_tv.py PHOTO PAINTING [--out FOLDER] [--encoder vgg16|FILE] [--steps N] [--size N]

Writes into the folder: result.png, step-0001.png and so on, run.jsonl with the losses, loss.png that draws them.
``--encoder pocket`` is for a quick try without VGG16; vgg19 does, too.
"""

# %% What is asked for
import argparse
import time
from pathlib import Path

import numpy as np
import torch

from impasto import ImpastoError, Picture
from impasto.encoders import open_encoder
from impasto.iterative.optimisers import ScipyLBFGS
from impasto.iterative.targets import picture_tensor
from impasto.losses import ContentTerm, GramTerm, Objective, StyledRegion, TotalVariation, measure
from impasto.losses.notebooks import NOTEBOOKS, SummedGramTerm
from impasto.picture.scaling import fit
from impasto.picture.transparency import fill_transparent
from impasto.plots import Trace, TraceWriter
from impasto.plots.loss_chart import draw
from impasto.request import PRESETS
from impasto.request.layer_weights import parse_weights

parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
parser.add_argument("photo", type=Path)
parser.add_argument("painting", type=Path)
parser.add_argument("--out", type=Path, default=Path("gatys-lbfgs-tv"), metavar="FOLDER")
parser.add_argument("--encoder", default="vgg16", metavar="vgg16|FILE")
parser.add_argument("--steps", type=int, default=10, help="of 20 evaluations each")
parser.add_argument("--size", type=int, default=512, help="longest side, in pixels")
arguments = parser.parse_args()

# %% The numbers of the notebook
# In its own units: 0.025 times the sum of squares of the content features' difference; for each of five layers the
# sum of squares of the difference of Gram matrices, which are sums over places, by (2 * 3 * height * width)^2; and the
# sum of (down^2 + right^2)^1.25 of neighbouring pixels in 0..255. Here all three are means:
# impasto/losses/notebooks.py says how the one becomes the other. Any of these can be changed here.
preset = dict(PRESETS["gatys-lbfgs-tv"])
style_layers = parse_weights("style_layers", preset["style_layers"])
content_layers = parse_weights("content_layers", preset["content_layers"])
style_weight, content_weight = preset["style_weight"], preset["content_weight"]
variation_weight, power = preset["tv_weight"], preset["tv_power"]

# %% Load
# The notebook squeezes both pictures into a square; here the photograph keeps its proportions, and the painting is
# squeezed into these.
try:
    photo, painting = (fill_transparent(Picture.open(file)) for file in (arguments.photo, arguments.painting))
except ImpastoError as error:
    raise SystemExit(str(error)) from None
photo = photo.resized(fit(photo.size, arguments.size))
painting = painting.resized(photo.size)
content_picture, style_picture = picture_tensor(photo.pixels), picture_tensor(painting.pixels)

# %% Features
# The notebook's one graph of three pictures becomes a function of one: an encoder gives {layer: (1, C, h, w)}.
# Without the weights, the error says how to get them.
if arguments.encoder == "pocket":
    # Absolute losses mean something for the network that their weights were chosen for; shares do for any other.
    style_layers = dict.fromkeys(("relu1_2", "relu2_2", "relu3_3", "relu4_1"), 1.0)
    style_weight, content_weight, variation_weight = 1.0, 1.0, 1.0
    print("pocket ends at relu4_1: style is compared at four layers, not five, the last at relu4_1, not relu4_3;")
    print("losses are shares of their aims, so this shows the way, not the notebook's picture")
try:
    encoder = open_encoder(arguments.encoder, [*style_layers, *content_layers])
except (ImpastoError, ValueError) as error:
    raise SystemExit(str(error)) from None
with torch.no_grad():
    content_features, style_features = encoder(content_picture), encoder(style_picture)

# %% Losses
# A Gram matrix is a statistic of features: measured once for the painting, again for every picture that is tried.
target = measure(style_features)
if arguments.encoder == "pocket":
    gram = GramTerm(target, style_layers, weight=style_weight)
    content = ContentTerm(content_features, content_layers, relative=True, weight=content_weight)
    variation = TotalVariation(power=power, weight=variation_weight)
else:
    # The notebook's network sees 0..255. Where these weights are of the other convention, features are smaller.
    keras = NOTEBOOKS["keras"]
    times, pixels = keras.feature_ratio(encoder), photo.width * photo.height
    gram = SummedGramTerm(target, style_layers, keras, pixels=pixels, weight=style_weight * times**4)
    content_layers = keras.content(content_layers, content_features)
    content = ContentTerm(content_features, content_layers, weight=content_weight * times**2)
    variation = TotalVariation(power=power, weight=variation_weight * keras.variation(photo.size, power))

# An objective is their sum and its gradient. It would also take a StyledRegion for each style, and tile=512.
objective = Objective(encoder, [StyledRegion({"gram": gram})], content, variation)
print(gram, content, variation, sep="\n")

# %% Optimise
# From noise, SciPy's L-BFGS-B with about 20 evaluations a step, started again each time.
random = np.random.default_rng(0)
picture = torch.from_numpy(random.random(content_picture.shape, np.float32))
optimiser = ScipyLBFGS(evaluations=20)
shown = {round(arguments.steps * share / 5) for share in range(1, 6)}
arguments.out.mkdir(parents=True, exist_ok=True)


def painted() -> Picture:
    """The picture as it is, nothing brighter than white or darker than black."""
    return Picture.from_array(picture[0].permute(1, 2, 0).clamp(0, 1).numpy()).as_type(np.dtype(np.uint8))


with TraceWriter(arguments.out / "run.jsonl") as trace:
    trace.begin(
        arguments.photo.name, Path(arguments.encoder).stem, {"preset": "gatys-lbfgs-tv", "encoder": arguments.encoder}
    )
    began = time.perf_counter()
    for step in range(1, arguments.steps + 1):
        found = optimiser.step(picture, objective)
        seconds = time.perf_counter() - began
        trace.step(step, level=0, size=photo.size, seconds=seconds, loss=found.loss, terms=found.losses)
        if step in shown:
            page = arguments.out / f"step-{step:04}.png"
            painted().to_pil().save(page)
            trace.snapshot(step, page)
        print(f"step {step:3} of {arguments.steps}  {seconds:7.1f} s  total loss {found.loss:.6g}")
        if optimiser.stalls:
            print("no lower picture was found")
            break

# %% Look
painted().to_pil().save(arguments.out / "result.png")
draw([Trace.read(arguments.out / "run.jsonl")]).to_pil().save(arguments.out / "loss.png")
print(f"{arguments.out / 'result.png'}: {photo.width} x {photo.height}, {optimiser.evaluations} evaluations")

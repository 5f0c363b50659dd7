"""The PyTorch notebook of Gatys et al. 2016, VGG19 and Adam, as the preset ``gatys-adam``: a request, and its steps.

python examples/gatys_adam.py PHOTO PAINTING [--out FOLDER] [--encoder vgg19|FILE] [--steps N] [--size N]

Writes into the folder: result.png, step-0400.png and so on, run.jsonl with the losses, loss.png that draws them.
``--encoder pocket`` is for a quick try without VGG19.
"""

# %% What is asked for
import argparse
from pathlib import Path
from typing import Any

from impasto import ImpastoError, Picture, Stylizer
from impasto.encoders import open_encoder
from impasto.picture.scaling import fit_side
from impasto.plots import Trace, TraceWriter
from impasto.plots.loss_chart import draw
from impasto.request import PRESETS

parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
parser.add_argument("photo", type=Path)
parser.add_argument("painting", type=Path)
parser.add_argument("--out", type=Path, default=Path("gatys-adam"), metavar="FOLDER")
parser.add_argument("--encoder", default="vgg19", metavar="vgg19|FILE")
parser.add_argument("--steps", type=int, default=2000)
parser.add_argument("--size", type=int, default=400, help="shortest side, in pixels")
arguments = parser.parse_args()

# %% The numbers of the notebook
# 2000 steps of Adam from the photograph on, one weight for each layer, the style 1e9 times the content. They are
# written down once, in impasto/request/presets.py. The losses are the notebook's own at any size: its Gram matrices
# are sums over places. A request takes settings beside a preset, and they go before its own, so everything can be
# changed in this one place.
try:
    longest = max(fit_side(Picture.open(arguments.photo).size, arguments.size, "shortest"))
except ImpastoError as error:
    raise SystemExit(str(error)) from None
settings: dict[str, Any] = {
    "encoder": arguments.encoder,
    "steps": arguments.steps,
    "size": arguments.size,
    "preview_every": max(1, arguments.steps // 5),  # it shows every 400th picture
    "resize": longest,  # it does not scale its result back to the photograph's size
}

# %% The features
# The notebook walks through VGG19's modules and keeps the outputs of six of them; here it is the encoder that knows
# its layers by their names in the paper. Without the weights, the error says how to get them.
try:
    encoder = open_encoder(arguments.encoder, ["relu1_1"])
except (ImpastoError, ValueError) as error:
    raise SystemExit(str(error)) from None
if arguments.encoder == "pocket":
    # Absolute losses mean something for the network that their weights were chosen for; shares do for any other.
    settings |= {"content_layers": "relu4_1", "style_layers": "relu1_1,relu2_1:0.75,relu3_1:0.2,relu4_1:0.2"}
    settings |= {"loss_scale": "relative", "style_weight": 3.0, "learning_rate": 0.01}
    print("pocket ends at relu4_1: content is compared there, not at relu4_2, and style at four layers, not five;")
    print("losses are shares of their aims, so this shows the way, not the notebook's picture")
elif getattr(encoder, "convention", "torchvision") == "caffe":
    # VGG's own authors let it see 0..255, so features are about 57.6 times larger, which the losses are brought back
    # from. It is another training, too: the balance is not quite the notebook's.
    print("these weights are Caffe's, not the notebook's: the losses are weighed accordingly")

# %% The losses
# content: mean square of the features' difference at one layer. gram: mean square of the Gram matrices' difference at
# each layer, by channels times places. There is no third: the notebook has no total variation.
stylizer = Stylizer()
try:
    request = stylizer.request(arguments.photo, arguments.painting, preset="gatys-adam", **settings)
except ImpastoError as error:
    raise SystemExit(str(error)) from None
for name in PRESETS["gatys-adam"]:
    print(f"{name:16} {getattr(request, name)}")

# %% Optimise
# The preset's Adam is torch's, whose pictures may become brighter than white on the way; they are clipped only where
# they are shown. --optimiser adam, the library's own, forgets squares of gradients ten times sooner and keeps every
# pixel between black and white.
# Closing the generator would cancel the run, throwing impasto.request.Enough into it would end it with the best so far,
# and stylizer.run(request, state="run.state") would go on after a kill where it was.
arguments.out.mkdir(parents=True, exist_ok=True)
steps = stylizer.run(request)
with TraceWriter(arguments.out / "run.jsonl") as trace:
    trace.begin(arguments.photo.name, Path(arguments.encoder).stem, request.settings())
    while True:
        try:
            progress = next(steps)
        except StopIteration as end:
            result = end.value
            break
        except ImpastoError as error:
            raise SystemExit(str(error)) from None
        if progress.losses:
            trace.step(
                progress.step,
                level=0,
                size=progress.size,
                seconds=progress.seconds,
                loss=progress.loss,
                terms=progress.losses,
            )
        if progress.preview is not None:
            page = arguments.out / f"step-{progress.step:04}.png"
            progress.preview.to_pil().save(page)
            trace.snapshot(progress.step, page)
            total = "" if progress.loss is None else f"total loss {progress.loss:.6g}"
            print(f"step {progress.step:5} of {progress.steps}  {progress.seconds:7.1f} s  {total}")

# %% Look
result.save(arguments.out / "result.png", overwrite=True)
draw([Trace.read(arguments.out / "run.jsonl")]).to_pil().save(arguments.out / "loss.png")
print(f"{arguments.out / 'result.png'}: {result.pastiche.width} x {result.pastiche.height}, {result.seconds:.0f} s")

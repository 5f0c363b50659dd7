"""The figures of ``impasto bench``."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from impasto.bench.large_picture import large_picture_figures
from impasto.bench.magenta_litert import SIDE, magenta_transfer
from impasto.bench.measurement import Figure, alternate
from impasto.bench.per_style_networks import johnson_network, per_style_figures
from impasto.errors import MissingExtra
from impasto.inference.openvino_core import core
from impasto.instant.painter import Painter, Pass, to_network_input
from impasto.models import find
from impasto.styles import Gallery
from impasto.stylizer import SAMPLE, Stylizer

__all__ = ["run"]

_PICTURE = 512


def run(
    rounds: int = 15, magenta: Path | None = None, network: Path | None = None, *, with_large: bool = False
) -> list[Figure]:
    """Measure everything that can be measured here.

    ``magenta`` is a folder with Magenta's TFLite pair, ``network`` a Torch7 network of one style; ``with_large`` adds
    a 96-megapixel picture, which takes a minute.
    """
    model = find("instant")
    card = next(iter(Gallery()))
    painter = Painter(model, "auto")
    pixels = np.random.default_rng(0).integers(0, 256, (_PICTURE, _PICTURE, 3), np.uint8)
    content = to_network_input(pixels)
    code = card.code(model.identity)[None]
    runtime, precision = painter.runtime
    hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    johnson = core().compile_model(johnson_network(), "CPU", hints).create_infer_request()

    calls = {"instant": lambda: painter.forward(content, code), "johnson": lambda: johnson.infer([content])}
    unavailable = ""
    try:
        if magenta is None:
            unavailable = "name a folder with Magenta's TFLite pair: --magenta FOLDER"
        else:
            calls["magenta"] = magenta_transfer(magenta)
    except (MissingExtra, FileNotFoundError) as error:
        unavailable = str(error)
    found = alternate(calls, rounds)

    where = f"{_PICTURE}x{_PICTURE}, {runtime} {precision}, style code given"
    figures = [
        Figure("network", found["instant"], "ms", found["instant"] / found["johnson"], "Johnson network", where),
        Figure("Johnson network", found["johnson"], note=f"the same runtime and precision, {_PICTURE}x{_PICTURE}"),
    ]
    if "magenta" in found:
        per_pixel = (found["instant"] / _PICTURE**2) / (found["magenta"] / SIDE**2)
        figures.append(Figure("network, per pixel", found["instant"], "ms", per_pixel, "Magenta int8 pair", where))
        figures.append(Figure("Magenta int8 pair", found["magenta"], note=f"transfer alone, LiteRT, {SIDE}x{SIDE}"))
    else:
        figures.append(Figure("Magenta int8 pair", None, note=unavailable))

    if network is not None:
        figures += per_style_figures(network, max(3, rounds // 3))
    stylizer = Stylizer()
    whole = alternate(
        {
            "picture": lambda: stylizer.stylize(pixels, card),
            "pass": lambda: list(painter.paint(pixels, [Pass(code)])),
        },
        rounds,
    )
    warm = f"{_PICTURE}x{_PICTURE}, model warm"
    overhead = whole["picture"] / whole["pass"]
    figures.append(Figure("picture in, picture out", whole["picture"], "ms", overhead, "painting alone", warm))
    figures.append(_pocket(max(2, rounds // 5)))
    times = min(3, rounds)
    figures.append(Figure("impasto --help", _process(["--help"], times), note="whole process"))
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["stylize", str(SAMPLE), "--style", card.name, "-o", f"{folder}/out.png", "--overwrite"]
        figures.append(Figure("command to first picture", _process(arguments, times), note="whole process, 384x384"))
    return figures + (large_picture_figures(card.name) if with_large else [])


def _pocket(rounds: int) -> Figure:
    """The encoder of losses, against the one it was distilled from."""
    name, what = "pocket", f"as a loss: forward and backward, {_PICTURE}x{_PICTURE}, bf16"
    try:
        from impasto.bench.encoder_cost import encoder_passes
    except ImportError:
        return Figure(name, None, note=str(MissingExtra("measuring pocket", "evaluate")))
    found = alternate(encoder_passes(_PICTURE), rounds)
    return Figure(name, found["pocket"], "ms", found["pocket"] / found["vgg19"], "VGG19", what)


def _process(arguments: list[str], times: int) -> float:
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "impasto.cli", *arguments], check=True, capture_output=True)  # noqa: S603
        spent.append(1000 * (time.perf_counter() - start))
    return median(spent)

"""The figures of ``impasto bench serve``."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np

from impasto.bench.load_generator import Form, Load, repeat, run_load
from impasto.bench.magenta_litert import SIDE, magenta_file
from impasto.bench.measurement import Figure
from impasto.bench.server_process import running_server
from impasto.errors import MissingExtra
from impasto.picture import Picture
from impasto.picture.writing import encode
from impasto.stylizer import SAMPLE, Stylizer

__all__ = ["TUTORIAL", "server_figures"]

TUTORIAL = Path(__file__).parents[3] / "benchmarks" / "tutorial_server.py"
"""A server as tutorials build it: a program that comes with the source code, not with the package."""

_CLIENTS = 8
_PICTURE = 512
_PATH = "/v1/stylize"
_MODEL = "instant"
"""Which network paints: what paints any painting, though a style of the gallery has a faster one of its own."""
_WARM = 1.0
_NEEDED = ("dbos", "fastapi", "uvicorn")


def server_figures(rounds: int = 5, magenta: Path | None = None, *, seconds: float = 2.0) -> list[Figure]:
    """Measure ``impasto serve``, in a process of its own, against the bare engine in this one.

    Everything is measured in turns, ``seconds`` at a time and never two things at once; a rate is the median of
    ``rounds`` turns, beside one to warm up. ``magenta`` is a folder with Magenta's TFLite pair, to measure the tutorial
    server as well. Raises :class:`MissingExtra` where the server cannot run, and :class:`ImpastoError` where one
    fails.
    """
    if any(find_spec(package) is None for package in _NEEDED):
        raise MissingExtra("measuring the server", "serve")
    stylizer = Stylizer()
    style, *others = [card.name for card in stylizer.gallery][: _CLIENTS + 1]
    photo, small = (_jpeg(Picture.open(SAMPLE), side) for side in (_PICTURE, SIDE))
    form, named = (Form(_PATH, content=content, style=style, model=_MODEL) for content in (photo, small))

    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory())
        ours = stack.enter_context(
            running_server("-m", "impasto.cli", "serve", "--port", "0", "--home", home, ready="/readyz")
        )
        runs: dict[str, Callable[[float], Load]] = {
            "bare": lambda s: repeat(lambda: stylizer.stylize(photo, style, model=_MODEL).to_bytes(), s),
            "http": lambda s: run_load(ours, [form] * _CLIENTS, s, probe="/healthz"),
            "idle": lambda s: run_load(ours, [], s, probe="/healthz"),
            "lone": lambda s: run_load(ours, [form], s),
        }
        unavailable = _unavailable(magenta)
        if not unavailable:
            theirs = stack.enter_context(running_server(str(TUTORIAL), str(magenta), ready="/openapi.json"))
            paintings = [_jpeg(stylizer.stylize(SAMPLE, name).pastiche, _PICTURE) for name in others]
            for_ours, for_theirs = (
                [Form(path, content=small, style=painting) for painting in paintings] for path in (_PATH, "/")
            )
            runs |= {
                "tutorial": lambda s: run_load(theirs, for_theirs, s),
                # Our workers know the last painting again, so it matters whether it is.
                "paintings": lambda s: run_load(ours, for_ours, s),
                "painting": lambda s: run_load(ours, for_ours[:1] * _CLIENTS, s),
                "name": lambda s: run_load(ours, [named] * _CLIENTS, s),
            }
        found: dict[str, list[Load]] = {name: [] for name in runs}
        for turn in range(rounds + 1):
            for name, run in runs.items():
                load = run(seconds if turn else min(seconds, _WARM))
                if turn:
                    found[name].append(load)
    return _figures(found) + (_compare_figures(found) if not unavailable else [_tutorial(None, unavailable)])


def _figures(found: dict[str, list[Load]]) -> list[Figure]:
    bare, http = _rate(found["bare"]), _rate(found["http"])
    alone, lone = (median(_answers(found[name])) for name in ("bare", "lone"))
    busy, idle = (float(np.percentile(_probes(found[name]), 99)) for name in ("http", "idle"))
    size = f"{_PICTURE}x{_PICTURE}, JPEG"
    return [
        Figure("pictures over HTTP", http, "/s", http / bare, "bare engine", f"{_CLIENTS} clients, {size}"),
        Figure("bare engine", bare, "/s", note=f"in a loop, {size}"),
        Figure("lone picture", lone, "ms", lone / alone, "bare engine", f"one client, {size}, median"),
        Figure("health, p99", busy, "ms", busy / idle, "idle server", f"GET /healthz beside {_CLIENTS} clients"),
    ]


def _compare_figures(found: dict[str, list[Load]]) -> list[Figure]:
    tutorial, against = _rate(found["tutorial"]), "tutorial server"
    clients, uploaded = f"{_CLIENTS} clients, {SIDE}x{SIDE}", "painting in each request"
    ways = {
        "paintings": ("by paintings", f"{clients}, another {uploaded}"),
        "painting": ("by one painting", f"{clients}, the same {uploaded}"),
        "name": ("by name", f"{clients}, a style of the gallery"),
    }
    figures = []
    for way, (name, note) in ways.items():
        rate = _rate(found[way])
        figures.append(Figure(name, rate, "/s", rate / tutorial, against, note))
    note = f"{clients}, another {uploaded}; FastAPI, LiteRT, Magenta int8 pair"
    return [*figures, _tutorial(tutorial, note)]


def _tutorial(rate: float | None, note: str) -> Figure:
    return Figure("tutorial server", rate, "/s", note=note)


def _unavailable(magenta: Path | None) -> str:
    """Why the tutorial server cannot be measured, and what helps; empty where it can."""
    if magenta is None:
        return "name a folder with Magenta's TFLite pair: --magenta FOLDER"
    if not TUTORIAL.is_file():
        return "the tutorial server is not part of the package; measure from a checkout of the source code"
    if find_spec("ai_edge_litert") is None:
        return str(MissingExtra("the tutorial server", "bench"))
    try:
        for part in ("prediction", "transfer"):
            magenta_file(magenta, part)
    except FileNotFoundError as error:
        return str(error)
    return ""


def _jpeg(picture: Picture, side: int) -> bytes:
    return encode(picture.resized((side, side)), "jpeg", quality=92, bits=8, keep_metadata=False, settings=None)


def _rate(loads: list[Load]) -> float:
    return median(load.rate for load in loads)


def _answers(loads: list[Load]) -> list[float]:
    return [spent for load in loads for spent in load.answers]


def _probes(loads: list[Load]) -> list[float]:
    return [spent for load in loads for spent in load.probes]

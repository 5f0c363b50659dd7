"""Probe: what a foreign graph is, found by running it. A process of its own does it, for a hostile file may end it.

``python -m impasto.models.probing.probe ORDER RESULT`` reads what to do from the file ``ORDER`` and writes what it
found, or why it found nothing, to ``RESULT``; both are JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from impasto.errors import ModelError
from impasto.inference.graph import Array, Compiled
from impasto.inference.ir.adapting import adapt, adapt_prediction, adapt_transfer, single_input_and_output
from impasto.inference.ir.network import Preprocessing
from impasto.inference.ir.sizes import fixed_size, lengths
from impasto.inference.ir.style_choice import choose_style, style_count, takes_number
from impasto.inference.openvino_core import core
from impasto.inference.tileable_graph import TileableGraph
from impasto.models.probing.graph_constants import read_graph_constants
from impasto.models.probing.preprocessing import FoundPreprocessing, recognise_preprocessing
from impasto.models.probing.receptive_field import Sizes, find_sizes
from impasto.picture import Picture

__all__ = ["probe"]

_SAMPLE = Path(__file__).parents[2] / "styles" / "sample.webp"
_SIDE = 256
_RAW = Preprocessing("RGB", 1, gain=(1.0, 1.0, 1.0), offset=(0.0, 0.0, 0.0))
_ALIKE = 0.01
"""Of a pastiche's contrast: a graph made to take any size that differs by more at its own size was misread."""
_LARGEST = 2048 * 2048
"""Pixels of a picture that is painted in one pass."""
_MEMORY = 16 * 2**30
"""Bytes of address space, of which the runtime takes some for itself; no network of the kind needs a tenth."""
_NODES = 20_000


def probe(order: dict[str, Any]) -> dict[str, Any]:
    """What the graphs in ``order["files"]`` are: one of a per-style network, or the two of a pair.

    Where one is half of a pair, the other is looked for among ``order["beside"]``. Raises :class:`ModelError` where
    they are neither.
    """
    files = [Path(file) for file in order["files"]]
    if len(files) == 1 and order["index"] is not None:
        return _network(files[0], order)
    roles = {file: _role(file) for file in files}
    if len(files) == 1 and roles[files[0]] == "network":
        return _network(files[0], order)
    if many := [file for file, role in roles.items() if role == "many"]:
        raise ModelError(_many_styles_error(many[0]))
    if len(files) == 1:
        files += _partner(files[0], roles[files[0]], [Path(file) for file in order["beside"]])
        roles = {file: _role(file) for file in files}
    if len(files) != 2 or set(roles.values()) != {"predict", "transfer"}:
        told = ", ".join(f"{file.name} {_MEANT[role]}" for file, role in roles.items())
        raise ModelError(
            f"{told}: together they do not make a model; give one network of one style, or the two of a pair"
        )
    return _pair(**{role: file for file, role in roles.items()})


_MEANT = {
    "network": "repaints pictures in one style",
    "predict": "reads a style's picture as numbers",
    "transfer": "repaints pictures by a style's numbers",
    "many": "repaints pictures in many styles, by a style's number",
}


def _many_styles_error(file: Path) -> str:
    count = style_count(_read(file))
    last = "" if count is None else f" to {count - 1}"
    there = "" if count is None else f", of which there are {count}"
    return (
        f"{file.name} {_MEANT['many']}{there}; add a style of it at a time, with its number from 0{last}: "
        f"impasto models add {file.name} --index 0"
    )


def _read(file: Path, index: int | None = None) -> Any:
    try:
        model = core().read_model(str(file))
    except RuntimeError as error:
        raise ModelError(
            f"{file.name} cannot be read: it is broken, or does what is not known here ({_error_text(error)})"
        ) from error
    model.set_friendly_name(file.name)
    if len(model.get_ops()) > _NODES:
        raise ModelError(f"{file.name} has {len(model.get_ops())} operations; networks of this kind have a few hundred")
    return model if index is None else choose_style(model, index)


def _role(file: Path) -> str:
    model = _read(file)
    inputs, results = model.get_parameters(), model.get_results()
    if takes_number(model):
        return "many"
    if len(results) == 1 and len(inputs) == 2:
        return "transfer"
    single_input_and_output(model)
    # Numbers come out: as long in height and width as 1.
    given = lengths(results[0].get_output_partial_shape(0))
    return "network" if len(given) == 4 and 3 in (given[1], given[3]) else "predict"


def _partner(file: Path, role: str, beside: list[Path]) -> list[Path]:
    wanted = "transfer" if role == "predict" else "predict"
    fitting = []
    for other in beside:
        with suppress(ModelError, RuntimeError):
            if _role(other) == wanted and _numbers(other) == _numbers(file):
                fitting.append(other)
    if len(fitting) == 1:
        return fitting
    found = f"{len(fitting)} files beside it would fit" if fitting else "no file beside it fits"
    hint = " (or, where the numbers are shares of so many styles, add one of them with --index)"
    raise ModelError(
        f"{file.name} is half of a pair: it {_MEANT[role]}; {found}: give the one that {_MEANT[wanted]} as well"
        f"{hint if role == 'transfer' else ''}"
    )


def _numbers(file: Path) -> int:
    """How many a style has."""
    model = _read(file)
    if len(model.get_parameters()) == 1:
        return int(np.prod(lengths(model.get_results()[0].get_output_partial_shape(0))))
    shapes = [lengths(p.get_partial_shape()) for p in model.get_parameters()]
    return int(np.prod(min(shapes, key=lambda shape: 3 in shape)))


def _network(file: Path, order: dict[str, Any]) -> dict[str, Any]:
    picture, _ = single_input_and_output(_read(file, order["index"]))
    size = fixed_size(picture)
    if size is None:
        return _any_size(file, order)
    try:
        _check_alike(file, order["index"], size)
        return _any_size(file, order)
    except (ModelError, RuntimeError) as error:
        # Its size stands in it where it cannot be told from other numbers; at that size it does what it did.
        return _one_size(file, order, size, error)


def _any_size(file: Path, order: dict[str, Any]) -> dict[str, Any]:
    found = _preprocessing(file, order, _photo(_SIDE, _SIDE), fixed=False)
    sizes = find_sizes(TileableGraph(lambda: adapt(_read(file, order["index"]), found.preprocessing), "f32"))
    return _probe_result(file, found, _rules(sizes) | _chosen(order))


def _one_size(file: Path, order: dict[str, Any], size: tuple[int, int], error: Exception) -> dict[str, Any]:
    """Raises ``error``, why it takes no other, where it does not work at its own size either."""
    height, width = size
    photo = _photo(height, width)
    made = Compiled(adapt(_read(file, order["index"]), _RAW, fixed=True), "f32")([photo])[0]
    if made.shape != photo.shape or height * width > _LARGEST:
        raise error
    found = _preprocessing(file, order, photo, fixed=True)
    return _probe_result(file, found, {"multiple": 1, "margin": 0, "smallest": 1, "fixed": list(size)} | _chosen(order))


def _chosen(order: dict[str, Any]) -> dict[str, int]:
    """The rule that says which of many styles it is."""
    return {} if order["index"] is None else {"index": order["index"]}


def _check_alike(file: Path, index: int | None, size: tuple[int, int]) -> None:
    """Raises :class:`ModelError` where the graph does another thing once it takes any size."""
    photo = _photo(*size)
    before, after = (
        Compiled(adapt(_read(file, index), _RAW, fixed=fixed), "f32")([photo])[0] for fixed in (True, False)
    )
    if before.shape != after.shape or np.abs(before - after).mean() > _ALIKE * before.std():
        raise ModelError(f"{file.name} takes pictures of {size[0]}x{size[1]} only")


def _preprocessing(file: Path, order: dict[str, Any], photo: Array, *, fixed: bool) -> FoundPreprocessing:
    raw = Compiled(adapt(_read(file, order["index"]), _RAW, fixed=fixed), "f32")
    return recognise_preprocessing(
        lambda picture: raw([picture])[0],
        photo,
        read_graph_constants(_read(file, order["index"])),
        said=order["said"],
        order=order["order"],
        peak=order["peak"],
    )


def _probe_result(file: Path, found: FoundPreprocessing, rules: dict[str, Any]) -> dict[str, Any]:
    return {
        "roles": {"network": file.name},
        "rules": {"form": "graph", **rules, "preprocessing": asdict(found.preprocessing)},
        "told": {"order": found.order, "range": found.range, "heeds": round(found.channel_ratio, 3)},
        "graph": _facts(file),
    }


def _pair(predict: Path, transfer: Path) -> dict[str, Any]:
    if _numbers(predict) != _numbers(transfer):
        raise ModelError(
            f"{predict.name} gives {_numbers(predict)} numbers of a style, and {transfer.name} takes "
            f"{_numbers(transfer)}: they are of two pairs"
        )
    reading, (height, width) = adapt_prediction(_read(predict))
    if height != width:
        raise ModelError(f"{predict.name} takes styles of {width}x{height} pixels; a square is needed")
    photo = _photo(_SIDE, _SIDE)
    (code,) = Compiled(reading, "f32")([_photo(height, width)])
    repainter = TileableGraph(lambda: adapt_transfer(_read(transfer)), "f32")
    made = repainter.forward(photo, code)
    if made.shape != photo.shape or not -0.5 < made.min() < made.max() < 1.5 or made.std() < 1e-3:
        raise ModelError(
            f"{transfer.name} does not give a picture in 0..1 for a picture in 0..1: it gives values from "
            f"{made.min()} to {made.max()}"
        )
    rules = {"form": "pair", **_rules(find_sizes(repainter, code)), "code": code.shape[1], "style_side": height}
    return {
        "roles": {"predict": predict.name, "transfer": transfer.name},
        "rules": {**rules, "strength": [[0.0, 0.0], [1.0, 1.0]]},
        "told": {},
        "graph": _facts(transfer),
    }


def _rules(sizes: Sizes) -> dict[str, int]:
    return {"multiple": sizes.multiple, "margin": sizes.margin, "smallest": sizes.smallest}


def _facts(file: Path) -> dict[str, Any]:
    """What a user may want to know of the graph."""
    model = _read(file)
    kinds = [node.get_type_name() for node in model.get_ordered_ops()]
    return {
        "operations": len(kinds),
        "convolutions": sum("Convolution" in kind for kind in kinds),
        "made_for": [lengths(p.get_partial_shape()) for p in model.get_parameters()],
    }


def _photo(height: int, width: int) -> Array:
    """The sample photograph, ``(1, 3, height, width)`` in 0..1."""
    pixels = Picture.of(_SAMPLE).resized((width, height)).pixels
    return np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32)[None] / np.float32(255)


def _error_text(error: Exception) -> str:
    """What an error says, without where in the runtime it was raised: the last line."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[-1].partition(" failed at ")[0].strip(" -")[:200]


def _run_and_answer(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return {"found": work()}
    except ModelError as error:
        return {"refused": str(error)}
    except MemoryError:
        return {"refused": "the network takes more memory than any of its kind"}
    except (RuntimeError, ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        # What the runtime made of a graph that is not one of these networks.
        return {"refused": f"the network cannot be run: {_error_text(error)}"}


def _limit_memory() -> None:
    with suppress(ImportError, OSError, ValueError):  # where there are no such limits
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    _limit_memory()
    given = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(json.dumps(_run_and_answer(lambda: probe(given))))

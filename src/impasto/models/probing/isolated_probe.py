"""ONNX and TensorFlow Lite graphs, probed in a process of their own that may crash."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from impasto.errors import ModelError
from impasto.inference.ir.network import Order
from impasto.models.formats.onnx_metadata import OnnxMetadata, read_onnx_metadata

__all__ = ["FoundGraph", "read_graph", "suffix_of"]

_SECONDS = 180.0
"""A network takes 3 to 10 on two cores."""
_BESIDE = 8
"""How many files of the same folder may be looked at for the other half of a pair."""


@dataclass(frozen=True, slots=True)
class FoundGraph:
    """``parts`` maps what a part is for to its file; ``rules`` are those of the model; ``recognised_by`` says where the
    order and the range are from; ``graph`` describes the graph."""

    parts: Mapping[str, Path]
    rules: Mapping[str, Any]
    recognised_by: Mapping[str, Any]
    graph: Mapping[str, Any]
    metadata: OnnxMetadata = field(default_factory=OnnxMetadata)

    @property
    def is_pair(self) -> bool:
        """Whether it takes any style, as two graphs."""
        return "transfer" in self.parts


def suffix_of(data: bytes) -> str:
    """``.onnx`` or ``.tflite``, by how the file begins that ``data`` is."""
    return ".tflite" if data[4:8] == b"TFL3" else ".onnx"


def read_graph(
    files: Sequence[Path],
    data: Sequence[bytes],
    *,
    order: Order | None = None,
    peak: int | None = None,
    index: int | None = None,
    seconds: float = _SECONDS,
) -> FoundGraph:
    """What the graphs of ``files``, which hold ``data``, are; half of a pair alone finds the other beside it.

    ``order`` and ``peak``, 1 or 255, say how a network takes pictures where that is known better; ``index`` says which
    style it is of a network of many.

    Raises :class:`ModelError` where they are not a network of this kind, and where looking at them fails, takes too
    much memory, or longer than ``seconds``.
    """
    found_metadata = [_read_metadata(file, held) for file, held in zip(files, data, strict=True)]
    beside = _candidates_beside(files[0]) if len(files) == 1 else []
    asked = {
        "files": [str(file.absolute()) for file in files],
        "beside": [str(file.absolute()) for file in beside],
        "said": found_metadata[0].order,
        "order": order,
        "peak": peak,
        "index": index,
    }
    found = _run_probe(asked, files[0].name, seconds)
    named = {file.name: file for file in (*beside, *files)}
    parts = {part: named[name] for part, name in found["roles"].items()}
    return FoundGraph(parts, found["rules"], found["told"], found["graph"], found_metadata[0])


def _read_metadata(file: Path, data: bytes) -> OnnxMetadata:
    try:
        return read_onnx_metadata(data) if suffix_of(data) == ".onnx" else OnnxMetadata()
    except ModelError as error:
        raise ModelError(f"{file.name}: {error}") from error


def _run_probe(asked: Mapping[str, Any], name: str, seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="impasto-") as folder:
        order, result = Path(folder, "order.json"), Path(folder, "result.json")
        order.write_text(json.dumps(asked))
        # -P: nothing that lies in the working folder is a module.
        command = [sys.executable, "-P", "-m", "impasto.models.probing.probe", str(order), str(result)]
        try:
            ended = subprocess.run(  # noqa: S603
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
            )
            answer = json.loads(result.read_text()) if result.is_file() else {}
        except subprocess.TimeoutExpired as error:
            raise ModelError(
                f"{name}: looking at it took longer than {seconds:g} seconds; it is not a supported network"
            ) from error
        except ValueError:  # cut off while it was written
            answer = {}
    if "found" in answer:
        return dict(answer["found"])
    if "refused" in answer:
        said = str(answer["refused"])
        raise ModelError(said if said.startswith(name) else f"{name}: {said}")
    raise ModelError(f"{name}: looking at it ended in a crash ({ended.returncode}); the file is broken, get it again")


def _candidates_beside(file: Path) -> list[Path]:
    """Files of the same folder that may be the other half, those named most alike first."""
    others = [other for other in file.absolute().parent.glob(f"*{file.suffix}") if other.name != file.name]
    return sorted(others, key=lambda other: (-_common_prefix(other.name, file.name), other.name))[:_BESIDE]


def _common_prefix(one: str, other: str) -> int:
    """How long a beginning they share."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))

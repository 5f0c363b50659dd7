"""OnnxMetadata: what an ONNX file says of itself: who wrote it, under which licence, and how it takes pictures."""

from __future__ import annotations

import re
from dataclasses import dataclass

from impasto.errors import ModelError
from impasto.inference.ir.network import Order
from impasto.models.formats.protobuf import Message

__all__ = ["OnnxMetadata", "read_onnx_metadata"]

_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft", "ai.onnx.preview.training")
_BGR, _RGB = (re.compile(rf"(?<![a-z]){order}(?![a-z])", re.IGNORECASE) for order in ("bgr8?", "rgb8?"))


@dataclass(frozen=True, slots=True)
class OnnxMetadata:
    """``producer`` and ``licence`` are empty, and ``order`` None, where the file does not tell."""

    producer: str = ""
    licence: str = ""
    description: str = ""
    order: Order | None = None


def read_onnx_metadata(data: bytes) -> OnnxMetadata:
    """What the bytes of an ONNX file say. Raises :class:`ModelError` where they are malformed, or keep weights
    in other files."""
    model = Message(memoryview(data))
    facts = {entry.text(1).lower(): entry.text(2) for entry in model.messages(14)}
    texts = [model.text(6), *facts.values()]
    graphs = list(model.messages(7))
    if len(graphs) != 1:
        raise ModelError(f"the file holds {len(graphs)} graphs; an ONNX model has one")
    (graph,) = graphs
    for domain in (entry.text(1) for entry in model.messages(8)):
        if domain not in _DOMAINS:
            raise ModelError(f"the network needs operations of {domain[:60]!r}, which are not ONNX's; export it again")
    if any(tensor.number(14) == 1 for tensor in graph.messages(5)):
        raise ModelError("the file keeps its weights in another file; save it as one file (onnx.save does by default)")
    for value in (*graph.messages(11), *graph.messages(12)):
        texts += [value.text(1), value.text(3)]
    producer = " ".join(part for part in (model.text(2), model.text(3)) if part)
    return OnnxMetadata(
        producer[:80], facts.get("license", facts.get("licence", ""))[:200], model.text(6)[:200], _order(texts)
    )


def _order(texts: list[str]) -> Order | None:
    bgr, rgb = (any(pattern.search(text) for text in texts) for pattern in (_BGR, _RGB))
    if bgr == rgb:
        return None
    return "BGR" if bgr else "RGB"

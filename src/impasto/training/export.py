"""From a trained network to a model folder: ONNX with weights in half precision, or in 8 bits, and a manifest."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from impasto.encoders.pocket import Pocket
from impasto.errors import MissingExtra
from impasto.models import find
from impasto.models.model import file_entry, write_manifest
from impasto.training.architecture.network import InstantNetwork, Shape, StyleNetwork, TransferNetwork, Trunk
from impasto.training.base import load_base
from impasto.training.instant import load_network
from impasto.training.per_style import load_style
from impasto.training.pocket import load_pocket
from impasto.training.trainer import load_state

__all__ = ["export", "export_base", "export_network", "export_pocket", "export_style"]

_OPSET = 17


def export(
    run: Path,
    out: Path,
    *,
    name: str | None = None,
    version: str = "1",
    source: str = "",
    codes: str | None = None,
) -> Path:
    """Export the averaged network of a run folder, whichever kind of training it was; returns ``out``.

    ``source`` says what an own network's style is of, ``codes`` is the model whose codes drive a base, by
    default ``instant``.
    All but ``pocket`` and ``base`` need ``onnx``.
    """
    state = load_state(run)
    if "pocket" in state:
        return export_pocket(load_pocket(run), out, name=name or "pocket", version=version)
    if "base" in state:
        return export_base(*load_base(run), out, name=name or "base", version=version, codes=codes)
    if "style" in state:
        return export_style(*load_style(run), out, name=name or "style", version=version, source=source)
    return export_network(load_network(run), out, name=name or "instant", version=version)


def export_pocket(pocket: Pocket, out: Path, *, name: str, version: str) -> Path:
    """Write ``encoder.safetensors``, in fp16, and ``manifest.json`` into ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / "encoder.safetensors"
    _save_tensors(pocket, file)
    manifest = {
        "name": name,
        "version": version,
        "kind": "encoder",
        "architecture": {"family": "vgg19", "widths": list(pocket.widths), "deepest": pocket.layers[-1]},
        "licence": "Apache-2.0",
        "files": {"encoder": file_entry(file)},
        "rules": {"multiple": 8},
    }
    write_manifest(out, manifest)
    return out


def export_base(
    network: TransferNetwork, shape: Shape, out: Path, *, name: str, version: str, codes: str | None = None
) -> Path:
    """Write ``network.safetensors``, in fp16, and ``manifest.json`` into ``out``: what styles are started from.

    ``codes`` is the model whose codes drive it, by default ``instant``.
    """
    out.mkdir(parents=True, exist_ok=True)
    codes = codes or find("instant", kind="arbitrary").identity
    file = out / "network.safetensors"
    _save_tensors(network, file)
    manifest = {
        "name": name,
        "version": version,
        "kind": "base",
        "architecture": {"family": "impasto-style", **shape.to_dict()},
        "licence": "Apache-2.0",
        "files": {"network": file_entry(file)},
        "rules": {
            "multiple": shape.multiple,
            "code": shape.code,
            "codes": codes,
        },
    }
    write_manifest(out, manifest)
    return out


def export_style(
    network: StyleNetwork,
    shape: Shape,
    out: Path,
    *,
    name: str,
    version: str,
    source: str = "",
    origin: Mapping[str, str] | None = None,
) -> Path:
    """Write ``network.onnx``, with weights of 8 bits, and ``manifest.json`` into ``out``.

    ``source`` says what the style is of, and ``origin`` which job of a server trained it.

    The graph is that of ``instant`` without a code: it takes ``content``, ``statistics`` and ``given``, and gives
    ``pastiche`` and ``measured``.
    """
    out.mkdir(parents=True, exist_ok=True)
    network = network.cpu().eval().float()
    file = out / "network.onnx"
    sides = {0: "samples", 2: "height", 3: "width"}
    _write(
        network,
        (torch.rand(2, 3, 64, 64), torch.ones(1, network.statistics), torch.zeros(1, 1, dtype=torch.bool)),
        file,
        inputs=["content", "statistics", "given"],
        outputs=["pastiche", "measured"],
        dynamic={"content": sides, "pastiche": sides},
        small=True,
    )
    manifest = {
        "name": name,
        "version": version,
        "kind": "per-style",
        "architecture": {"family": "impasto-style", **_trunk(shape)},
        "licence": "Apache-2.0",
        "source": source,
        **({"origin": dict(origin)} if origin else {}),
        "files": {"network": file_entry(file)},
        "rules": {
            "form": "own",
            "multiple": network.multiple,
            "margin": margin(network),
            "smallest": network.multiple,
            "statistics": network.statistics,
        },
    }
    write_manifest(out, manifest)
    return out


def export_network(network: InstantNetwork, out: Path, *, name: str, version: str) -> Path:
    """Write ``transfer.onnx``, ``encoder.onnx`` and ``manifest.json`` into ``out``.

    The transfer graph takes ``content``, ``code``, ``statistics`` and ``given`` (a boolean: use
    those statistics instead of measuring) and gives ``pastiche`` and ``measured``.
    """
    out.mkdir(parents=True, exist_ok=True)
    network = network.cpu().eval().float()
    content, code = torch.rand(2, 3, 64, 64), torch.rand(1, network.shape.code)
    statistics, given = torch.ones(1, network.transfer.statistics), torch.zeros(1, 1, dtype=torch.bool)
    sides = {0: "samples", 2: "height", 3: "width"}
    _write(
        network.transfer,
        (content, code, statistics, given),
        out / "transfer.onnx",
        inputs=["content", "code", "statistics", "given"],
        outputs=["pastiche", "measured"],
        dynamic={"content": sides, "pastiche": sides},
    )
    _write(
        network.encoder,
        (content,),
        out / "encoder.onnx",
        inputs=["style"],
        outputs=["code"],
        dynamic={"style": sides},
    )
    manifest = {
        "name": name,
        "version": version,
        "kind": "arbitrary",
        "architecture": {"family": "impasto-instant", **network.shape.to_dict()},
        "licence": "Apache-2.0",
        "files": {part: file_entry(out / f"{part}.onnx") for part in ("transfer", "encoder")},
        "rules": {
            "multiple": network.transfer.multiple,
            "margin": margin(network.transfer),
            "code": network.shape.code,
            "statistics": network.transfer.statistics,
            "style_side": 512,
            "strength": [[0.0, 0.0], [1.0, 1.0]],
        },
    }
    write_manifest(out, manifest)
    return out


def _trunk(shape: Shape) -> dict[str, object]:
    """What a manifest says of a network without a code."""
    return {k: v for k, v in shape.single_style.to_dict().items() if k not in ("code", "encoder_widths")}


def margin(network: Trunk) -> int:
    """How far a pixel's surroundings reach, in pixels, rounded up to a multiple of what the network works in."""
    # Three pixels a convolution: one step of the grid it works on, to either side.
    reach = 2 * (1 + 1) + 4 * 1 + 8 * len(network.blocks) + 4 * 1 + 2 * (1 + 1)
    if network.depth is not None:
        # Blurred over two cells of the finer grid, and spread over two of its own on the way back.
        reach += 8 * 2 + 16 * (1 + len(network.depth.blocks)) + 16
    # Nearest upsampling and the strided grid round by less than one cell of the coarsest grid.
    return -(-(reach + network.multiple) // network.multiple) * network.multiple


def _write(
    module: nn.Module,
    arguments: tuple[Tensor, ...],
    file: Path,
    *,
    inputs: list[str],
    outputs: list[str],
    dynamic: dict[str, dict[int, str]],
    small: bool = False,
) -> None:
    try:
        import onnx
    except ImportError as error:
        raise MissingExtra("exporting a network", "train") from error
    with warnings.catch_warnings(), torch.no_grad():
        # The tracing exporter is deprecated, but needs no package besides onnx and traces this network exactly.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            arguments,
            str(file),
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=dynamic,
            opset_version=_OPSET,
            dynamo=False,
        )
    model = onnx.load(file)
    _narrow_weights(model, small)
    _shorten_names(model)
    onnx.checker.check_model(model)
    onnx.save(model, file)


def _narrow_weights(model: object, small: bool) -> None:
    """Store large weights as fp16, those of convolutions in 8 bits where ``small``, and widen them in the graph.

    8 bits with one step for every output channel (Jacob et al. 2018, without the zero point) move a pastiche by about
    half of 255 on average, and halve the file.
    """
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph  # type: ignore[attr-defined]
    nodes, steps = [], []
    for weight in graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < 256:
            continue
        name, values = weight.name, numpy_helper.to_array(weight)
        if small and values.ndim == 4:
            step = np.abs(values).max((1, 2, 3), keepdims=True).clip(1e-12) / 127
            weight.CopyFrom(numpy_helper.from_array(np.rint(values / step).astype(np.int8), f"{name}.byte"))
            steps.append(numpy_helper.from_array(step.astype(np.float32), f"{name}.step"))
            nodes += [
                helper.make_node("Cast", [f"{name}.byte"], [f"{name}.whole"], to=TensorProto.FLOAT),
                helper.make_node("Mul", [f"{name}.whole", f"{name}.step"], [name]),
            ]
        else:
            weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
            nodes.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    graph.initializer.extend(steps)
    for node in reversed(nodes):
        graph.node.insert(0, node)


def _shorten_names(model: object) -> None:
    """Number what lies between inputs, weights and outputs: the tracer's names are a twentieth of a small file."""
    graph = model.graph  # type: ignore[attr-defined]
    kept = {value.name for value in (*graph.input, *graph.output, *graph.initializer)}
    short = {name: f"{i:x}" for i, name in enumerate(n for node in graph.node for n in node.output if n not in kept)}
    for node in graph.node:
        node.ClearField("name")
        node.ClearField("doc_string")
        for names in (node.input, node.output):
            names[:] = [short.get(name, name) for name in names]
    del graph.value_info[:]


def _save_tensors(module: nn.Module, file: Path) -> None:
    from safetensors.torch import save

    # Not by save_file(), which gives the owner alone the right to read.
    file.write_bytes(save({k: v.half().contiguous() for k, v in module.state_dict().items()}))

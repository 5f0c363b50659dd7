"""Files of tensors, and networks kept in them."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import load, save
from safetensors.torch import save as save_torch
from test_johnson_layers import painted
from torch7_files import Nets, checkpoint, t7
from transformer_nets import Blocks, Example

from impasto.errors import ModelError
from impasto.inference.ir.layers import Affine, Layer, Relu, Residual, flatten_layers
from impasto.inference.ir.network import Network, Preprocessing
from impasto.inference.ir.safetensors_file import Tensors, pack_tensors
from impasto.inference.ir.stored import pack_network, unpack_network
from impasto.models.network_files import read_network

TYPES = [np.float16, np.float32, np.float64, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32]


@given(
    st.dictionaries(
        st.text(max_size=8).filter(lambda name: name != "__metadata__" and name.isprintable()),
        st.sampled_from(TYPES).flatmap(lambda type_: arrays.arrays(type_, arrays.array_shapes(min_dims=0, min_side=0))),
        max_size=4,
    ),
    st.dictionaries(st.text("abc", max_size=3), st.text(max_size=8), max_size=2),
)
def test_what_is_packed_is_read_here_and_by_others(tensors: dict[str, Any], metadata: dict[str, str]) -> None:
    data = pack_tensors(tensors, metadata)
    mine, others = Tensors(data), load(data)
    assert mine.metadata == metadata
    assert set(mine.shapes) == set(others) == set(tensors)
    for name, array in tensors.items():
        assert mine.shapes[name] == array.shape
        assert mine.read(name).tobytes() == others[name].tobytes() == array.tobytes()


def test_what_others_packed_is_read() -> None:
    found = Tensors(save({"a": np.arange(6.0).reshape(2, 3), "b": np.ones(2, np.float16)}, {"k": "v"}))
    assert found.metadata == {"k": "v"}
    assert found.read("a").tolist() == [[0, 1, 2], [3, 4, 5]]
    brief = torch.tensor([1.5, -0.25, 3e38]).bfloat16()
    assert (Tensors(save_torch({"c": brief})).read("c") == brief.float().numpy()).all()
    with pytest.raises(ModelError, match="no tensor 'd'"):
        found.read("d")
    with pytest.raises(ModelError, match="complex64"):
        pack_tensors({"a": np.ones(2, np.complex64)}, {})


def file(header: Any, body: int = 8) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(body)


def entry(**changes: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}


@pytest.mark.parametrize(
    "data",
    [
        b"abc",
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 100) + b"{}",
        file(b"{"),
        file(b"[" * 100_000),
        file(b"\xff\xfe"),
        file(b"1" * 10_000),
        file(b'{"a":1,"a":2}'),
        file([1]),
        file({"__metadata__": {"a": 1}}),
        file({"a": 1}),
        file({"a": entry(dtype="F99")}),
        file({"a": entry(dtype=["F32"])}),
        file({"a": entry(shape=[-2])}),
        file({"a": entry(shape=[True, 2])}),
        file({"a": entry(shape=[1] * 9)}),
        file({"a": entry(data_offsets=[0, 8, 8])}),
        file({"a": entry(data_offsets=[0, 9])}),
        file({"a": entry(data_offsets=[8, 0])}),
        file({"a": entry(shape=[3])}),
        file({"a": entry(shape=[2**40, 2**40, 0], data_offsets=[0, 0])}),
        file({"a": entry(), "b": entry()}),
        file({"a": entry(), "b": entry(shape=[1], data_offsets=[4, 8])}),
    ],
)
def test_broken_files_are_refused(data: bytes) -> None:
    with pytest.raises(ModelError, match="get the file again"):
        Tensors(data)


@pytest.mark.parametrize(
    "options", [{}, {"padding": "zero", "norm": "batch", "up": "U"}, {"padding": "reflect-start"}, {"padding": "none"}]
)
def test_a_network_comes_back(options: Any) -> None:
    network = read_network(t7(checkpoint(Nets(width=4, blocks=1, **options).build())))
    whole, half = (read_network(pack_network(network, half=half)) for half in (False, True))
    assert whole.preprocessing == half.preprocessing == network.preprocessing
    assert [type(layer) for layer in flatten_layers(whole.layers)] == [
        type(layer) for layer in flatten_layers(network.layers)
    ]
    reference = painted(network)
    assert (painted(whole) == reference).all()
    assert np.abs(painted(half) - reference).mean() < 2 / 255
    assert len(pack_network(network)) < 0.65 * len(pack_network(network, half=False))


@pytest.mark.parametrize("network", [Example(4, 1), Blocks(4, 1)], ids=lambda n: type(n).__name__)
def test_state_dicts_are_read_from_safetensors(network: Any) -> None:
    data = save_torch({name: tensor.contiguous() for name, tensor in network.state_dict().items()})
    assert painted(read_network(data)).std() > 0.1


def test_weights_too_large_for_half_are_refused() -> None:
    large = Network((Affine(np.full(3, 1e5, np.float32), np.zeros(3, np.float32)),), Preprocessing())
    with pytest.raises(ModelError, match="too large for float16"):
        pack_network(large)
    assert painted(read_network(pack_network(large, half=False))).max() > 1


def described(**changes: Any) -> bytes:
    facts = {"format": 1, "preprocessing": {}, "layers": [{"kind": "relu"}], **changes}
    return pack_tensors({"0.scale": np.ones(3, np.float32)}, {"impasto.network": json.dumps(facts)})


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"format": 2}, "format 2; update impasto"),
        ({"layers": 1}, "malformed"),
        ({"layers": [1]}, "no network of ours"),
        ({"layers": [{"kind": "gru"}]}, "'gru'"),
        ({"layers": [{"kind": "scale", "factor": [1]}]}, "no network of ours"),
        ({"layers": [{"kind": "affine"}]}, "no tensor '0.shift'"),
        ({"layers": [{"kind": "pad", "mode": [], "sides": [1, 1, 1, 1]}]}, "border is of"),
        ({"layers": [{"kind": "pad", "mode": "edge", "sides": 4}]}, "no network of ours"),
        ({"layers": [{"kind": "upsample", "factor": 1.5}]}, "whole number"),
        ({"layers": [{"kind": "upsample", "factor": 2}]}, "makes"),
        ({"preprocessing": {"order": 1}}, "RGB or BGR"),
        ({"preprocessing": {"mean": ["a", "b", "c"]}}, "no network of ours"),
        ({"preprocessing": {"color": 1}}, "no network of ours"),
        ({"preprocessing": []}, "no network of ours"),
    ],
)
def test_descriptions_that_make_no_network_are_refused(changes: Any, match: str) -> None:
    with pytest.raises(ModelError, match=match):
        read_network(described(**changes))


def test_blocks_within_blocks_end() -> None:
    layer: Layer = Relu()
    for _ in range(8):
        layer = Residual((layer,))
    network = Network((layer,), Preprocessing())
    assert len(list(flatten_layers(unpack_network(Tensors(pack_network(network))).layers))) == 9
    with pytest.raises(ModelError, match="nested more than 8 deep"):
        Network((Residual((layer,)),), Preprocessing())
    deep: Any = {"kind": "relu"}
    for _ in range(100):
        deep = {"kind": "residual", "body": [deep], "crop": 0}
    with pytest.raises(ModelError, match="malformed"):
        read_network(described(layers=[deep]))

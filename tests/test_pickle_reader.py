"""PyTorch's files of weights, read without torch and without running them; torch is the judge."""

from __future__ import annotations

import argparse
import collections
import io
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_johnson_layers import PHOTO, painted
from torch import Tensor, nn
from transformer_nets import Blocks, Example

from impasto.errors import ModelError
from impasto.inference.ir.layers import Residual
from impasto.models.formats.state_dict import LEGACY, read_checkpoint
from impasto.models.formats.strided_tensor import Allowance
from impasto.models.network_files import read_network


def saved(value: Any, *, zipped: bool = True) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


def by_torch(network: nn.Module, *, bgr: bool = False) -> np.ndarray[Any, Any]:
    content = torch.from_numpy(PHOTO.transpose(2, 0, 1).astype(np.float32))
    with torch.inference_mode():
        found = network((content.flip(0) if bgr else content)[None])[0]
    return np.asarray((found.flip(0) if bgr else found) / 255)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "network", [Example(), Example(4, 5, 5), Example(6, 0), Blocks(), Blocks(4, 1)], ids=lambda n: type(n).__name__
)
def test_they_paint_as_in_torch(network: nn.Module, zipped: bool, tmp_path: Path) -> None:
    file = tmp_path / "style.model"
    file.write_bytes(saved(network.state_dict(), zipped=zipped))
    ours, theirs = painted(read_network(file)), by_torch(network, bgr=isinstance(network, Blocks))
    assert theirs.std() > 0.1
    assert np.abs(ours - theirs).max() < 0.1 / 255


def test_wrappers_precisions_and_leftovers_make_no_difference() -> None:
    network = Example(4, 2)
    state = network.state_dict()
    reference = painted(read_network(saved(state)))
    parallel = {f"module.{name}": tensor for name, tensor in state.items()}
    scores = {"epoch": 3, "loss": np.float64(0.5), "args": argparse.Namespace(lr=0.1), "device": torch.device("cpu")}
    old = dict(state)
    for name in [name for name in state if name.endswith(("in1.weight", "in2.weight", "in4.weight"))]:
        old[name.replace("weight", "running_mean")] = torch.zeros(4)
        old[name.replace("weight", "running_var")] = torch.ones(4)
    transposed = {name: tensor.T.contiguous().T if tensor.ndim == 2 else tensor for name, tensor in state.items()}
    parameters = collections.OrderedDict((name, nn.Parameter(tensor)) for name, tensor in state.items())
    for value in (
        parallel,
        {"state_dict": parallel, **scores},
        {"model": state, "optimizer": {"state": {0: {"step": 1}}, "param_groups": [{"lr": 0.1, "params": [0, 1]}]}},
        {"model_state_dict": state},
        old,
        transposed,
        parameters,
        {name: tensor.double() for name, tensor in state.items()},
    ):
        for zipped in (True, False):
            assert np.abs(painted(read_network(saved(value, zipped=zipped))) - reference).max() < 1e-4
    for type_ in (torch.float16, torch.bfloat16):
        rough = saved({name: tensor.to(type_) for name, tensor in state.items()})
        assert np.abs(painted(read_network(rough)) - reference).mean() < 0.05


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_are_those_of_torch(zipped: bool) -> None:
    base = torch.arange(24.0).reshape(2, 3, 4)
    state = {"whole": base, "part": base[:, 1:, ::2], "turned": base.transpose(0, 2), "scalar": torch.tensor(2.5)}
    state |= {"none": torch.zeros(0, 3), "long": torch.arange(3), "bytes": torch.arange(3, dtype=torch.uint8)}
    state |= {"brief": torch.tensor([1.5, -2.0]).bfloat16(), "flags": torch.tensor([True, False])}
    found = read_checkpoint(saved(state, zipped=zipped))
    assert list(found) == list(state)
    for name, tensor in state.items():
        mine = Allowance(1000).take(found[name], name)
        assert mine.shape == tuple(tensor.shape)
        assert (mine == tensor.float().numpy()).all(), name


def test_a_description_larger_than_any_is_refused() -> None:
    with pytest.raises(ModelError, match="describes its weights in 9000000 bytes"):
        read_checkpoint(in_archive(bytes(9_000_000)))
    long = LEGACY + pickle.dumps(1001, 2) + pickle.dumps({}, 2) + pickle.dumps("a" * 2**23, 2)
    with pytest.raises(ModelError, match="broken"):
        read_checkpoint(long)


def test_every_protocol_of_pickle_is_read() -> None:
    for protocol in (2, 3, 4, 5):
        stream = io.BytesIO()
        torch.save({"a": torch.ones(2)}, stream, pickle_protocol=protocol)
        assert list(read_checkpoint(stream.getvalue())) == ["a"]


def test_a_compressed_archive_is_read_and_a_bomb_is_not() -> None:
    data = saved({"a": torch.ones(1000)})
    packed, bomb = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    assert Allowance(1000).take(read_checkpoint(packed.getvalue())["a"], "a").sum() == 1000
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("a/data.pkl", bytes(2**26))
    with pytest.raises(ModelError, match="unpacks to more than 24 MB"):
        read_checkpoint(bomb.getvalue())


class Runs:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("exit 1",)


@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_is_run_and_programs_are_refused(zipped: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "system", lambda command: pytest.fail("it was run"))
    hostile: dict[str, Any] = {"a": torch.ones(2), "b": Runs()}
    stream = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Runs, "__reduce__", lambda self: (eval, ("1",)))
        torch.save(hostile, stream, _use_new_zipfile_serialization=zipped)
    with pytest.raises(
        ModelError, match=r"names (builtins|__builtin__)\.eval, which is not weights.*nothing of it was run"
    ):
        read_network(stream.getvalue())
    with pytest.raises(ModelError, match=r"transformer_nets\.Example"):
        read_network(saved(Example(4, 1), zipped=zipped))


def state(**changes: Tensor | None) -> dict[str, Tensor]:
    found = {**Example(4, 1).state_dict(), **{name.replace("__", "."): tensor for name, tensor in changes.items()}}
    return {name: tensor for name, tensor in found.items() if tensor is not None}


@pytest.mark.parametrize(
    ("value", "match"),
    [
        ([torch.ones(2)], "no state dict but a list"),
        ({"epoch": 3, "lr": 0.1}, "no state dict but a dict of epoch, lr"),
        ({"features.0.weight": torch.ones(2)}, r"weights of VGG or its like, an encoder.*\(features.0.weight\)"),
        ({"stem.weight": torch.ones(2)}, "holds stem.weight; networks with conv1.conv2d.weight"),
        (state(in2__weight=None), "has no in2.weight"),
        (state(extra__weight=torch.ones(2)), "holds extra.weight beside a network"),
        (state(conv1__conv2d__weight=torch.ones(4, 3)), "4 dimensions"),
        (state(conv1__conv2d__weight=torch.ones(4, 3, 8, 8)), "makes"),
        (state(conv1__conv2d__weight=torch.ones(4, 1, 9, 9)), "takes 1 channels, and is given 3"),
        (state(in1__weight=torch.ones(1).expand(4)), "repeats 1 numbers"),
        (state(in1__bias=torch.full((4,), float("nan"))), "NaN or infinity"),
    ],
)
def test_what_is_no_network_of_the_kind_is_refused(value: Any, match: str) -> None:
    with pytest.raises(ModelError, match=match):
        read_network(saved(value))


def test_torchscript_is_refused() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in ("net/data.pkl", "net/constants.pkl", "net/code/__torch__.py"):
            archive.writestr(name, b"")
    with pytest.raises(ModelError, match="TorchScript program, which is not run"):
        read_network(stream.getvalue())
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("word/document.xml", b"")
    with pytest.raises(ModelError, match="none of PyTorch's weights"):
        read_network(other.getvalue())


def in_archive(program: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", program)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("program", "match"),
    [
        (b"", "too early"),
        (b"\x80\x02", "too early"),
        (b"\x80\x02}" + b"]0" * 200_000, "more than 300000 steps"),
        (b"\x80\x02cos\nsystem\n.", "names os.system"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "names os.system"),
        (b"\x80\x02ctorch\nload\n.", "names torch.load"),
        (b"\x80\x02})\x81.", "broken"),
        (b"\x80\x02}}\x92.", "a step NEWOBJ_EX"),
        (b"\x80\x02}(ios\nsystem\n.", "a step INST"),
        (b"\x80\x02\x82\x01.", "a step EXT1"),
        (b"\x80\x02h\x05.", "broken"),
        (b"\x80\x02e.", "broken"),
        # Of tuples that each hold the last one twice the hash takes for ever.
        (b"\x80\x02})" + b"q\x00h\x00\x86" * 100 + b"K\x01s.", "broken"),
        (b"\x80\x02ccollections\nOrderedDict\nK\x01R.", "broken"),
        (b"\x80\x02X\xff\xff\xff\x7fabc.", "broken"),
        (b"\x80\x04\x8d" + b"\xff" * 8 + b".", "broken"),
        (b"\x80\x02L" + b"9" * 10_000 + b"L\n.", "a step LONG"),
        (b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b".", "broken"),
        (b"\x80\x02\x01.", "a step b"),
        (b"\x80\x02P1\n.", "a step PERSID"),
    ],
)
def test_hostile_pickles_are_refused(program: bytes, match: str) -> None:
    with pytest.raises(ModelError, match=match):
        read_network(in_archive(program))


def test_damaged_archives_are_refused() -> None:
    data = saved(state())
    for cut in (data[:-10], data[: len(data) // 2], b"PK\3\4"):
        with pytest.raises(ModelError, match=r"cut off|ends too early"):
            read_network(cut)
    plain = in_archive(b"")
    end = plain.rindex(b"PK\5\6")
    for place, value, match in ((10, 0xFFFF, "65535 entries"), (10, 9, "ends too early"), (16, 10**9, "at 1000000000")):
        code = "<H" if place == 10 else "<I"
        changed = bytearray(plain)
        struct.pack_into(code, changed, end + place, value)
        with pytest.raises(ModelError, match=match):
            read_network(bytes(changed))
    legacy = saved(state(), zipped=False)
    for cut in (legacy[:-10], legacy[:200], legacy[: len(legacy) // 2]):
        with pytest.raises(ModelError, match=r"ends within|broken|too early|lost"):
            read_network(cut)
    flag = legacy.index(b"little_endian") + len(b"little_endian") + 2
    big = legacy[:flag] + b"\x89" + legacy[flag + 1 :]  # NEWFALSE
    with pytest.raises(ModelError, match="big-endian"):
        read_network(big)


def test_large_archives_of_others_are_read() -> None:
    """Sizes and places of eight bytes, as archives beyond four gigabytes have them."""
    entries, body = [], b""
    stream = io.BytesIO(saved(Example(4, 1).state_dict()))
    with zipfile.ZipFile(stream) as source:
        contents = {name: source.read(name) for name in source.namelist()}
    for name, content in contents.items():
        entries.append((name.encode(), len(content), len(body)))
        body += struct.pack("<4s5H3I2H", b"PK\3\4", 45, 0, 0, 0, 0, 0, len(content), len(content), len(name), 0)
        body += name.encode() + content
    listed = b""
    for name_, size, offset in entries:
        listed += struct.pack("<4s6H3I", b"PK\1\2", 45, 45, 0, 0, 0, 0, 0, *[2**32 - 1] * 2)
        listed += struct.pack("<5H2I", len(name_), 28, 0, 0, 0, 0, 2**32 - 1)
        listed += name_ + struct.pack("<2H3Q", 1, 24, size, size, offset)
    record = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, len(entries), len(entries), len(listed), len(body))
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, len(body) + len(listed), 1)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 2**16 - 1, 2**16 - 1, 2**32 - 1, 2**32 - 1, 0)
    network = read_network(body + listed + record + locator + end)
    assert sum(isinstance(layer, Residual) for layer in network.layers) == 1


def test_a_plain_pickle_is_refused() -> None:
    with pytest.raises(ModelError, match="a pickle, which might run"):
        read_network(pickle.dumps({"a": 1}))

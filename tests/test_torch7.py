"""What Torch7's files hold, read without running it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch7_files import Closure, Object, Tensor, Writer, t7, tensor

from impasto.errors import ModelError
from impasto.models.formats.strided_tensor import Allowance, Strided
from impasto.models.formats.torch7 import Function, Instance, Table, read_torch7

FORMS = [{"binary": True, "long": 8}, {"binary": True, "long": 4}, {"binary": False}]


def numbers(value: Any) -> np.ndarray[Any, Any]:
    assert isinstance(value, Strided)
    return Allowance(10**6).take(value, "it")


def plain(value: Any) -> Any:
    """Tables as dicts, so that they can be compared."""
    if isinstance(value, Table):
        return {key: plain(item) for key, item in value.fields.items()}
    return value


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "value", [None, True, False, 1.5, float("inf"), -3.0, "", "a text\nof two lines", {}, {1: "a"}]
)
def test_plain_values_come_back(form: Any, value: Any) -> None:
    assert plain(read_torch7(t7({"x": value}, **form))) == {"x": value}


@given(
    st.recursive(
        st.booleans() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8"), max_size=8),
        lambda values: st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), values, max_size=4),
        max_leaves=20,
    ),
    st.sampled_from(FORMS),
)
def test_any_nested_value_comes_back(value: Any, form: Any) -> None:
    assert plain(read_torch7(t7(value, **form))) == value


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "type_",
    ["Double", "Float", "Half", "Long", "Int", "Short", "Byte", "Char", "Cuda", "CudaDouble", "CudaHalf", "CudaLong"],
)
def test_tensors_of_every_type_come_back(form: Any, type_: str) -> None:
    array = np.arange(24).reshape(2, 3, 4)
    found = read_torch7(t7({"x": tensor(array, type_), "y": tensor(array[0], type_)}, **form))
    assert (numbers(found.fields["x"]) == array).all()
    assert (numbers(found.fields["y"]) == array[0]).all()


@pytest.mark.parametrize("form", FORMS)
def test_tensors_share_storages_and_keep_strides(form: Any) -> None:
    storage = np.arange(20.0)
    window = Tensor("Float", storage, (2, 3), (1, 4), 5)
    found = read_torch7(t7([window, Tensor("Float", storage, (20,), (1,))], **form)).fields
    assert numbers(found[1]).tolist() == [[5, 9, 13], [6, 10, 14]]
    assert found[1].values is found[2].values
    single = read_torch7(t7(Tensor("Float", storage, (1, 2), (2**30, 3), 4), **form))
    assert numbers(single).tolist() == [[4, 7]]
    empty = read_torch7(t7(Tensor("Float", np.zeros(0), (), ()), **form))
    assert numbers(empty).size == 0


@pytest.mark.parametrize("form", FORMS)
def test_objects_hold_themselves_and_are_the_same_twice(form: Any) -> None:
    inner = Object("nn.Thing", {"a": 1.0})
    loop: dict[Any, Any] = {"first": inner, "second": inner}
    loop["loop"] = loop
    found = read_torch7(t7(loop, **form))
    assert found.fields["first"] is found.fields["second"]
    assert found.fields["loop"] is found
    assert isinstance(found.fields["first"], Instance)
    assert (found.fields["first"].name, found.fields["first"].version) == ("nn.Thing", 1)


@pytest.mark.parametrize("form", FORMS)
def test_functions_are_skipped_and_headers_without_version_read(form: Any) -> None:
    functions = {f"f{kind}": Closure(b"\x1bLJ not run", {"name": 1.0}, kind) for kind in (7, 8)}
    old = Object("nn.Old", {"b": True}, version=None)
    found = read_torch7(t7({**functions, "old": old, "after": 3.0}, **form)).fields
    assert isinstance(found["f7"], Function)
    assert isinstance(found["f8"], Function)
    assert (found["old"].name, found["old"].version, found["old"].fields) == ("nn.Old", 0, {"b": True})
    assert found["after"] == 3.0
    writer = Writer()
    writer.whole(6)
    writer.text(b"code")
    writer.write({})
    assert isinstance(read_torch7(b"".join(writer.parts)), Function)


def test_hashes_and_vectors_of_tds_are_tables() -> None:
    def container(name: bytes, count: int, *items: Any) -> bytes:
        writer = Writer()
        writer.whole(4)
        writer.whole(1)
        writer.text(b"V 0")
        writer.text(name)
        writer.long(count)
        for item in items:
            writer.write(item)
        return b"".join(writer.parts)

    assert plain(read_torch7(container(b"tds.Hash", 2, "a", 1, "b", 2))) == {"a": 1, "b": 2}
    assert plain(read_torch7(container(b"tds.Vec", 2, "a", "b"))) == {1: "a", 2: "b"}


def test_no_depth_of_nesting_exhausts_the_stack() -> None:
    deep: Any = {}
    for _ in range(200):
        deep = {"a": deep}
    assert isinstance(read_torch7(t7(deep)), Table)
    nested = b"".join(struct.pack("<iiiid", 3, n, 1, 1, 0.0) for n in range(1, 50_000))
    with pytest.raises(ModelError, match="nested more than 1000 deep"):
        read_torch7(nested)
    tensors = b"".join(
        struct.pack("<iii3si18siqqqi", 4, n, 3, b"V 1", 17, b"torch.FloatTensor", 1, 1, 1, 1, 4)[:-4]
        for n in range(1, 5000)
    )
    with pytest.raises(ModelError):
        read_torch7(tensors)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "ends too early"),
        (struct.pack("<i", 99), "type 99"),
        (struct.pack("<ii", 2, 2**31 - 1), "2147483647 bytes are needed"),
        (struct.pack("<ii", 2, -5), "-5 bytes"),
        (struct.pack("<iii", 3, 1, 2**31 - 1), "table of 2147483647 fields"),
        (struct.pack("<iiii", 3, 1, 1, 0), "field of no name"),
        (b"1\nword\n", "word where a number"),
        (b"3\n1\nword\n", "word where a whole"),
    ],
)
def test_broken_files_are_refused(data: bytes, match: str) -> None:
    with pytest.raises(ModelError, match=match):
        read_torch7(data)


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ((3, 3), (3, 2), 0),
        ((10,), (1,), 0),
        ((2,), (1,), 8),
        ((2,), (-1,), 3),
        ((-1,), (1,), 0),
        ((2**40,), (2**40,), 0),
    ],
)
def test_tensors_outside_of_their_storage_are_refused(shape: Any, strides: Any, offset: int) -> None:
    with pytest.raises(ModelError, match=r"reaches|below 0"):
        read_torch7(t7(Tensor("Float", np.arange(9.0), shape, strides, offset)))


def test_lengths_beyond_any_machine_are_no_trouble() -> None:
    storage = np.arange(9.0)
    single = read_torch7(t7(Tensor("Float", storage, (1, 2), (10**30, 3)), binary=False))
    assert numbers(single).tolist() == [[0, 3]]
    with pytest.raises(ModelError, match="larger than any file"):
        read_torch7(t7(Tensor("Float", storage, (0, 10**30), (1, 1)), binary=False))
    for shape, strides, offset in (((10**30,), (1,), 0), ((2,), (10**30,), 0), ((2,), (1,), 10**30)):
        with pytest.raises(ModelError, match="reaches"):
            read_torch7(t7(Tensor("Float", storage, shape, strides, offset), binary=False))


def test_repeated_numbers_take_no_memory() -> None:
    huge = read_torch7(t7(Tensor("Float", np.arange(9.0), (2**30, 2**10), (0, 0))))
    assert huge.count == 2**40
    with pytest.raises(ModelError, match="repeats 9 numbers"):
        numbers(huge)
    allowance = Allowance(20)
    whole = read_torch7(t7(tensor(np.arange(9.0))))
    allowance.take(whole, "a")
    allowance.take(whole, "b")
    with pytest.raises(ModelError, match="again and again"):
        allowance.take(whole, "c")


def test_many_numbers_in_ascii_come_back() -> None:
    array = np.random.default_rng(0).normal(0, 1, 100_000).astype(np.float32)
    data = t7([tensor(array), 5.0], binary=False)
    found = read_torch7(data).fields
    assert (numbers(found[1]) == array).all()
    assert found[2] == 5.0
    head, body = data[:200], data[200:]
    for damaged in (body.replace(b" ", b"x"), body.replace(b" ", b" word ", 50_000), body[: len(body) // 2]):
        with pytest.raises(ModelError, match=r"word|too early"):
            read_torch7(head + damaged)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (struct.pack("<iii", 3, 1, 10**6) + struct.pack("<idid", 1, 1, 1, 0.5) * 200_000, "more than 300000 values"),
        (
            struct.pack("<iii", 3, 1, 25_000)
            + b"".join(struct.pack("<idiii", 1, n, 3, n + 2, 0) for n in range(25_000)),
            "more than 20000 objects",
        ),
        (struct.pack("<ii", 2, 2**21) + bytes(2**21), "text of 2097152 bytes"),
    ],
)
def test_what_would_fill_the_memory_is_refused(data: bytes, match: str) -> None:
    with pytest.raises(ModelError, match=match):
        read_torch7(data)


def test_files_of_others_are_read(shared: Path) -> None:
    folder = shared / "peers/t7"
    if not folder.is_dir():
        pytest.skip("there are no Torch7 files beside the project")
    read = {file.stem: read_torch7(file.read_bytes()) for file in sorted(folder.glob("*.t7"))}
    assert plain(read["hello=123"]) == {"hello": 123}
    assert plain(read["list_table"]) == {1: "hello", 2: "world", 3: "third item", 4: 123}
    assert plain(read["map_table2"])["a"] == "non number key"
    assert plain(read["tds_hash"]) == {1: 2, 2: 3, 10: 11}
    assert plain(read["tds_vec"]) == {1: 123, 2: 456}
    assert numbers(read["doubletensor"]).tolist() == [[1, 2, 3], [4, 5, np.float32(6.9)]]
    assert numbers(read["floattensor"]).shape == (2, 3, 4)
    assert isinstance(read["function"], Function)
    assert isinstance(read["function_upvals"], Function)
    assert read["custom_class"].name == "Blah"
    assert read["recursive_class"].fields["a"] is read["recursive_class"]
    assert next(iter(read["recursive_kv_table"].fields)) is read["recursive_kv_table"]
    assert read["gmodule_with_linear_identity"].name == "nn.gModule"
    assert read["nngraph_node"].name == "nngraph.Node"

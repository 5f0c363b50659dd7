from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.errors import RequestError
from impasto.evaluation.pairs import Pair, is_name, read_pairs

GOOD = {"id": "one", "content": "photo.jpg", "style": "paint/ing.jpg"}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    desk = tmp_path_factory.mktemp("desk")
    (desk / "paint").mkdir()
    for name in ("photo.jpg", "paint/ing.jpg"):
        (desk / name).touch()
    return desk


def read(desk: Path, value: Any) -> list[Pair]:
    (desk / "pairs.json").write_text(json.dumps(value))
    return read_pairs(desk / "pairs.json")


def test_paths_are_relative_to_the_list_and_other_fields_are_let_be(desk: Path) -> None:
    found = read(desk, [{**GOOD, "note": 1}, {**GOOD, "id": "two", "content": str(desk / "photo.jpg")}])
    assert found == [Pair(i, desk / "photo.jpg", desk / "paint/ing.jpg") for i in ("one", "two")]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "not a list of pairs; give "),
        ({"one": GOOD}, "not a list of pairs"),
        (["one"], "pair 1 is 'one'; give an object with id, content, style"),
        ([GOOD, {"id": "two", "content": "photo.jpg"}], "pair 2: style is missing"),
        ([{**GOOD, "id": 7}], "pair 1: id is 7; give a text"),
        ([{**GOOD, "content": None}], "pair 1: content is None"),
        ([GOOD, {**GOOD, "id": "ONE"}], "pair 2 has the id 'ONE' of another"),
        ([{**GOOD, "style": "gone.jpg"}], r"pair 1 \(one\) names .*gone\.jpg', which is not a file"),
        ([{**GOOD, "style": "paint"}], "which is not a file"),
        ([{**GOOD, "style": "x" * 5000}], "which is not a file"),
        ([{**GOOD, "style": "nul\0"}], "which is not a file"),
    ],
)
def test_what_is_wrong_is_named(desk: Path, value: Any, message: str) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        read(desk, value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("text", ["", "..", "a/b", "a\\b", "a b", ".a", "-a", "a.", "ä", "a\n", "a" * 101, "a:b", "\0"])
def test_ids_that_are_no_file_names_are_refused(desk: Path, text: str) -> None:
    with pytest.raises(RequestError, match="has the id"):
        read(desk, [{**GOOD, "id": text}])


def test_what_is_no_json_is_told(desk: Path) -> None:
    file = desk / "bad.json"
    for data in (b"", b"[", b"\xff\xfe", b"[" * 100_000):
        file.write_bytes(data)
        with pytest.raises(RequestError, match=r"bad\.json is not JSON"):
            read_pairs(file)
    with pytest.raises(RequestError, match=r"gone\.json cannot be read: No such file"):
        read_pairs(desk / "gone.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, "x"]), inner, max_size=4),
    max_leaves=12,
)
NEARLY = st.fixed_dictionaries({name: st.just(value) | st.text(max_size=4) for name, value in GOOD.items()})


@given(st.lists(NEARLY, max_size=4) | JSON)
def test_anything_is_a_list_of_pairs_or_one_clear_error(desk: Path, value: Any) -> None:
    try:
        found = read(desk, value)
    except RequestError as error:
        told = str(error)
    else:
        told = "pairs.json"
        assert [pair.id for pair in found] == [entry["id"] for entry in value]
        assert all(is_name(pair.id) and pair.content.is_file() and pair.style.is_file() for pair in found)
    assert "pairs.json" in told
    assert len(told) < 1000


@given(st.lists(st.from_regex(r"[a-z0-9_]([a-z0-9._-]{0,98}[a-z0-9_])?", fullmatch=True), min_size=1, unique=True))
def test_good_ids_are_taken_as_they_are(desk: Path, ids: list[str]) -> None:
    assert [pair.id for pair in read(desk, [{**GOOD, "id": text} for text in ids])] == ids

"""Style cards: their codes and their file."""

from __future__ import annotations

import base64
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impasto.errors import StyleError
from impasto.styles import StyleCard
from impasto.styles.card import MAX_BYTES, check_name, fold_name

WEBP = b"RIFF\x04\x00\x00\x00WEBPVP8 "
MODEL = "instant@1"


def card(**changes: Any) -> StyleCard:
    rng = np.random.default_rng(0)
    given = {
        "name": "starry-night",
        "codes": {MODEL: {s: rng.standard_normal(8).astype(np.float32) for s in (2.0, 0.5, 1.0)}},
        "title": "The Starry Night",
        "artist": "Vincent van Gogh",
        "date": "1889",
        "source": "public domain – artist died 1890",
        "palette": ("#102030", "#ffeedd"),
        "thumbnail": WEBP,
        "movement": "Post-Impressionism",
        "place": "Museum of Modern Art, New York",
        "about": "Painted in June 1889.",
        "aliases": ("noite estrelada", "星夜"),
        "swatch": WEBP + b"swatch",
        "rank": 1,
    }
    return StyleCard(**{**given, **changes})


def document(**changes: Any) -> bytes:
    return json.dumps({**json.loads(card().to_bytes()), **changes}).encode()


def ramp(model: str = MODEL) -> StyleCard:
    return StyleCard("ramp", {model: {s: np.array([v], np.float32) for s, v in ((0.5, 0), (1.0, 1), (4.0, 2))}})


def test_a_card_survives_its_file() -> None:
    before = card()
    after = StyleCard.from_bytes(before.to_bytes())
    facts = ("name", "title", "artist", "date", "source", "movement", "place", "about", "aliases", "rank")
    for key in (*facts, "palette", "thumbnail", "swatch"):
        assert getattr(after, key) == getattr(before, key)
    assert list(after.codes[MODEL]) == [0.5, 1.0, 2.0]
    for scale, code in before.codes[MODEL].items():
        assert after.codes[MODEL][scale].dtype == np.float32
        np.testing.assert_array_equal(after.codes[MODEL][scale], code)
    assert after.to_bytes() == before.to_bytes()


def test_the_file_is_as_described() -> None:
    found = json.loads(card().to_bytes())
    assert found["impasto_style"] == 1
    numbers = np.frombuffer(base64.b64decode(found["codes"][MODEL]["0.5"]), "<f2")
    np.testing.assert_array_equal(numbers, card().codes[MODEL][0.5].astype(np.float16))
    assert base64.b64decode(found["thumbnail"]) == WEBP


def test_a_card_is_a_value() -> None:
    code = np.ones(3, np.float32)
    made = card(codes={MODEL: {1.0: code}})
    code[:] = 7
    assert made.code(MODEL).tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="read-only"):
        made.codes[MODEL][1.0][0] = 2
    assert pickle.loads(pickle.dumps(made)).to_bytes() == made.to_bytes()


@pytest.mark.parametrize(
    ("scale", "wanted"), [(0.1, 0), (0.5, 0), (2**-0.5, 0.5), (1, 1), (2, 1.5), (2**1.5, 1.75), (4, 2), (50, 2)]
)
def test_codes_are_interpolated_in_log2_and_clamped(scale: float, wanted: float) -> None:
    found = ramp().code(MODEL, scale)
    assert found.dtype == np.float32
    assert found[0] == pytest.approx(wanted, abs=1e-6)


def test_one_scale_serves_all() -> None:
    single = StyleCard("one", {MODEL: {1.0: np.array([3.0])}})
    assert [single.code(MODEL, s)[0] for s in (0.25, 1, 4)] == [3, 3, 3]


def test_a_code_for_another_model_is_an_error_with_a_remedy() -> None:
    with pytest.raises(StyleError, match=r"ramp has codes for instant@1, not for instant@2; add it again from"):
        ramp().code("instant@2")
    with pytest.raises(StyleError, match="scale is nan"):
        ramp().code(MODEL, float("nan"))
    with pytest.raises(StyleError, match="scale is 0"):
        ramp().code(MODEL, 0)


@pytest.mark.parametrize("name", ["a", "the-wave-2", "0", "x" * 64])
def test_good_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", "a--b", "A", "a b", "é", "../x", "a/b", "a.style", "x" * 65, "a\n", None, 3]
)
def test_bad_names(name: object) -> None:
    with pytest.raises(StyleError, match="not a style name"):
        check_name(name)


F = np.ones(4, np.float32)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": "Not A Slug"}, "not a style name"),
        ({"title": "x" * 301}, "title"),
        ({"artist": 5}, "artist"),
        ({"date": "18\x1b89"}, "control"),
        ({"source": "\ud800"}, "control"),
        ({"palette": ("red",)}, "palette"),
        ({"palette": ("#FFFFFF",)}, "palette"),
        ({"palette": ("#123456",) * 17}, "palette"),
        ({"palette": "#123456"}, "palette"),
        ({"thumbnail": b"\x89PNG" + bytes(20)}, "not a WebP"),
        ({"thumbnail": WEBP[:14]}, "not a WebP"),
        ({"thumbnail": WEBP + bytes(256 * 1024)}, "too large"),
        ({"thumbnail": "text"}, "thumbnail"),
        ({"swatch": b"\x89PNG" + bytes(20)}, "swatch of style starry-night is not a WebP"),
        ({"swatch": WEBP + bytes(64 * 1024)}, "swatch of style starry-night is too large"),
        ({"movement": "x" * 301}, "movement"),
        ({"place": None}, "place"),
        ({"about": "two\nlines"}, "control"),
        ({"aliases": "night"}, "aliases"),
        ({"aliases": ("night",) * 33}, "at most 32"),
        ({"aliases": ("x" * 65,)}, "1 to 64 characters"),
        ({"aliases": ("- ",)}, "with a letter"),
        ({"aliases": ("a\tb",)}, "control"),
        ({"aliases": (3,)}, "alias"),
        ({"rank": -1}, "rank"),
        ({"rank": 10_000}, "rank"),
        ({"rank": True}, "rank"),
        ({"rank": 1.0}, "rank"),
        ({"codes": {}}, "codes"),
        ({"codes": None}, "codes"),
        ({"codes": {MODEL: {}}}, "1 to 32 scales"),
        ({"codes": {MODEL: {float(s): F for s in range(1, 40)}}}, "1 to 32 scales"),
        ({"codes": {"": {1.0: F}}}, "not a model"),
        ({"codes": {7: {1.0: F}}}, "not a model"),
        ({"codes": {MODEL: {0.0: F}}}, "scale 0.0"),
        ({"codes": {MODEL: {float("nan"): F}}}, "scale nan"),
        ({"codes": {MODEL: {True: F}}}, "scale True"),
        ({"codes": {MODEL: {1.0: F[:0]}}}, "not a float vector"),
        ({"codes": {MODEL: {1.0: F[None]}}}, "not a float vector"),
        ({"codes": {MODEL: {1.0: [1.0]}}}, "not a float vector"),
        ({"codes": {MODEL: {1.0: F * np.inf}}}, "not finite"),
        ({"codes": {MODEL: {1.0: F * np.nan}}}, "not finite"),
        ({"codes": {MODEL: {1.0: F * 1e5}}}, "beyond 65504"),
        ({"codes": {MODEL: {1.0: F, 2.0: F[:2]}}}, "several lengths"),
    ],
)
def test_defects_are_named_when_a_card_is_made(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(StyleError, match=reason):
        card(**changes)


def nan() -> str:
    return base64.b64encode(np.full(2, np.nan, "<f2").tobytes()).decode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a style card"),
        (b"\xff\xfe", "not a style card"),
        (b"[]", "impasto_style is missing"),
        (b"{}", "impasto_style is missing"),
        (b"[" * 100_000, "not a style card"),
        (b'{"impasto_style": ' + b"9" * 5000 + b"}", "not a style card"),
        (b" " * (MAX_BYTES + 1), "more than 1048576 bytes"),
        (document(impasto_style=2), "version 2"),
        (document(impasto_style=True), "version True"),
        (document(impasto_style="1"), "version '1'"),
        (document(extra=1), "unknown field 'extra'"),
        (document(name=None), "not a style name"),
        (document(title=["a"]), "title"),
        (document(palette={"a": 1}), "palette"),
        (document(thumbnail="!"), "thumbnail is '!'"),
        (document(thumbnail=3), "thumbnail is 3"),
        (document(swatch="!"), "swatch is '!'"),
        (document(aliases={"a": 1}), "aliases"),
        (document(rank="1"), "rank"),
        (document(codes=[]), "codes is"),
        (document(codes={MODEL: 3}), "codes of 'instant@1' is 3"),
        (document(codes={MODEL: {"one": "AAA="}}), "scale 'one'"),
        (document(codes={MODEL: {"-1": "AAA="}}), "scale -1"),
        (document(codes={MODEL: {"1": "AA=="}}), "even number"),
        (document(codes={MODEL: {"1": "\u00e9"}}), "base64"),
        (document(codes={MODEL: {"1": ""}}), "not a float vector"),
        (document(codes={MODEL: {"1": nan()}}), "not finite"),
    ],
)
def test_defects_are_named_when_a_card_is_read(data: bytes, reason: str) -> None:
    with pytest.raises(StyleError, match=reason):
        StyleCard.from_bytes(data)


@pytest.mark.parametrize("field", ["name", "codes"])
def test_what_a_card_cannot_lack(field: str) -> None:
    whole = json.loads(card().to_bytes())
    del whole[field]
    with pytest.raises(StyleError, match=f"has no {field}"):
        StyleCard.from_bytes(json.dumps(whole).encode())


def test_what_a_card_may_lack() -> None:
    whole = json.loads(card().to_bytes())
    bare = {key: whole[key] for key in ("impasto_style", "name", "codes")}
    found = StyleCard.from_bytes(json.dumps(bare).encode())
    assert (found.title, found.palette, found.thumbnail) == ("", (), b"")
    assert (found.movement, found.place, found.about, found.aliases, found.swatch, found.rank) == ("",) * 3 + (
        (),
        b"",
        0,
    )


def test_a_card_without_the_newer_facts_is_the_file_that_it_always_was() -> None:
    plain = card(movement="", place="", about="", aliases=(), swatch=b"", rank=0)
    old = {"impasto_style", "name", "title", "artist", "date", "source", "palette", "codes", "thumbnail"}
    assert json.loads(plain.to_bytes()).keys() == old
    assert StyleCard.from_bytes(plain.to_bytes()).to_bytes() == plain.to_bytes()


@pytest.mark.parametrize(
    ("one", "another"),
    [("The Wave", "the-wave"), ("a  GRANDE onda", "A grande_onda"), ("São Jorge", "sao jorge"), ("星 夜", "星夜")],
)
def test_names_are_the_same_in_any_case_and_spacing(one: str, another: str) -> None:
    assert fold_name(one) == fold_name(another)


def test_other_names_stay_others() -> None:
    assert len({fold_name(name) for name in ("the-wave", "the-waves", "../the-wave", "the-wave/", "巨浪", "")}) == 6


def test_messages_stay_short() -> None:
    with pytest.raises(StyleError) as error:
        StyleCard.from_bytes(document(name="A" * 100_000))
    assert len(str(error.value)) < 300


def test_a_card_too_large_to_read_is_not_written() -> None:
    huge = card(codes={f"m{i}@1": {float(s): np.ones(65536) for s in (1, 2)} for i in range(4)})
    with pytest.raises(StyleError, match="more than 1048576 bytes"):
        huge.to_bytes()


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "a.style"
    path.write_bytes(card().to_bytes())
    assert StyleCard.from_file(path).title == "The Starry Night"
    path.write_bytes(b"{")
    with pytest.raises(StyleError, match=r"a\.style: this is not a style card"):
        StyleCard.from_file(path)
    path.write_bytes(bytes(MAX_BYTES + 5))
    with pytest.raises(StyleError, match="more than"):
        StyleCard.from_file(path)
    for missing in (tmp_path / "b.style", tmp_path, "a\0b"):
        with pytest.raises(StyleError, match="cannot read style card"):
            StyleCard.from_file(missing)


def reads(data: bytes) -> None:
    """A card or a StyleError, nothing else; and what is read can be written and read again."""
    try:
        found = StyleCard.from_bytes(data)
    except StyleError:
        return
    assert StyleCard.from_bytes(found.to_bytes()).to_bytes() == found.to_bytes()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    reads(data)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_cards_with_bytes_changed(data: st.DataObject) -> None:
    mutated = bytearray(card().to_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(mutated) - 1))
        mutated[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    reads(bytes(mutated))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_cards_with_values_changed(data: st.DataObject) -> None:
    mutated = json.loads(card().to_bytes())
    key = data.draw(st.sampled_from(sorted(mutated)))
    value = data.draw(json_values)
    place = data.draw(st.sampled_from(["field", "model", "scale"]))
    if place == "field":
        mutated[key] = value
    elif place == "model":
        mutated["codes"][data.draw(st.text(max_size=8))] = value
    else:
        mutated["codes"][MODEL][data.draw(st.text(max_size=8) | st.floats().map(str))] = data.draw(
            json_values | st.binary(max_size=20).map(lambda b: base64.b64encode(b).decode())
        )
    reads(json.dumps(mutated).encode())

"""The gallery: shipped cards and the user's own."""

from __future__ import annotations

import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from impasto.errors import OutputError, StyleError, StyleExists, UnknownStyle
from impasto.styles import Gallery, StyleCard
from impasto.styles import gallery as module
from impasto.styles.card import fold_name

SHIPPED = ("amber", "birch")
OLD = """
acanthus adele berlin-street burning-parliament calanque carceri composition-vii day-of-the-god dragon florence
four-horsemen lady-with-fan mermaid metzinger peinture-pure picasso red-tree san-giorgio sanjo-bridge senecio
skeleton-spectre starry-night strawberry-thief streams-and-mountains the-scream the-wave three-ships tiger trinity
udnie wheat-field zodiac
"""


def card(name: str, title: str = "") -> StyleCard:
    return StyleCard(name, {"instant@2": {1.0: np.ones(4, np.float32)}}, title=title)


@pytest.fixture
def gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gallery:
    """Two shipped cards, none of the user's own."""
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    for name in SHIPPED:
        (shipped / f"{name}.style").write_bytes(card(name, "shipped").to_bytes())
    monkeypatch.setattr(module, "_shipped", lambda: {p.stem: p for p in sorted(shipped.iterdir())})
    return Gallery(tmp_path / "home" / "styles")


def test_shipped_styles_are_there_and_nothing_is_created(gallery: Gallery) -> None:
    assert gallery.names() == SHIPPED
    assert [c.name for c in gallery] == list(SHIPPED)
    assert len(gallery) == 2
    assert gallery.get("amber").title == "shipped"
    assert gallery.problems() == ()
    assert not gallery.folder.parent.exists()


def test_names_reads_no_card(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery.add(card("mine"))

    def refuse(*args: object) -> None:
        raise AssertionError("a card was read")

    monkeypatch.setattr(StyleCard, "from_bytes", refuse)
    assert gallery.names() == (*SHIPPED, "mine")
    assert "mine" in gallery
    assert len(gallery) == 3
    with pytest.raises(AssertionError, match="was read"):
        gallery.get("amber")


def test_add_get_export_remove(gallery: Gallery) -> None:
    gallery.add(card("mine", "first"))
    assert gallery.folder.joinpath("mine.style").is_file()
    assert Gallery(gallery.folder).get("mine").title == "first"
    assert StyleCard.from_bytes(gallery.export("mine")).title == "first"
    assert (gallery.is_shipped("mine"), gallery.is_shipped("amber")) == (False, True)
    gallery.remove("mine")
    assert "mine" not in gallery
    assert list(gallery.folder.iterdir()) == []
    with pytest.raises(UnknownStyle, match="no style is named 'mine'"):
        gallery.remove("mine")


def test_names_that_are_taken(gallery: Gallery) -> None:
    gallery.add(card("mine", "first"))
    with pytest.raises(StyleExists, match="you have a style mine already"):
        gallery.add(card("mine", "second"))
    assert gallery.get("mine").title == "first"
    gallery.add(card("mine", "second"), overwrite=True)
    assert gallery.get("mine").title == "second"
    for overwrite in (False, True):
        with pytest.raises(StyleExists, match="amber is a style that comes with Impasto"):
            gallery.add(card("amber"), overwrite=overwrite)
    assert gallery.get("amber").title == "shipped"


def test_shipped_styles_cannot_be_removed(gallery: Gallery) -> None:
    with pytest.raises(StyleError, match="comes with Impasto and cannot be removed"):
        gallery.remove("amber")
    assert gallery.get("amber").name == "amber"


def test_shared_cards_are_loaded_from_bytes_and_files(gallery: Gallery, tmp_path: Path) -> None:
    path = tmp_path / "Downloaded (1).style"
    path.write_bytes(card("gift", "from a friend").to_bytes())
    assert gallery.load(path).title == "from a friend"
    assert "gift" in gallery
    with pytest.raises(StyleExists):
        gallery.load(path.read_bytes())
    assert gallery.load(card("gift", "again").to_bytes(), overwrite=True).title == "again"
    assert gallery.get("gift").title == "again"
    with pytest.raises(StyleError, match="not a style card"):
        gallery.load(b"junk")
    with pytest.raises(StyleError, match="cannot read"):
        gallery.load(tmp_path / "none.style")


@pytest.mark.parametrize("name", ["../amber", "amber.style", "/etc/passwd", "", "a\0", "amber/"])
def test_names_are_never_paths(name: str, gallery: Gallery) -> None:
    gallery.add(card("mine"))
    (gallery.folder.parent / "amber.style").write_bytes(card("amber").to_bytes())
    assert name not in gallery
    for act in (gallery.get, gallery.export, gallery.remove):
        with pytest.raises(UnknownStyle):
            act(name)


def test_a_style_goes_by_other_names_too(gallery: Gallery) -> None:
    gallery.add(replace(card("mine", "own"), aliases=("A Onda", "巨浪")))
    for asked in ("a onda", "A  ONDA", "a-onda", "巨浪", "MINE"):
        assert asked in gallery
        assert gallery.find(asked) == "mine"
        assert (gallery.get(asked).name, StyleCard.from_bytes(gallery.export(asked)).name) == ("mine", "mine")
    assert gallery.find("Amber") == "amber"
    assert gallery.find("onda") is None
    assert gallery.names() == (*SHIPPED, "mine")
    with pytest.raises(UnknownStyle):
        gallery.remove("a onda")
    assert "mine" in gallery


def test_a_name_goes_before_an_alias(gallery: Gallery, tmp_path: Path) -> None:
    gallery.add(replace(card("first"), aliases=("second", "amber", "third")))
    gallery.add(replace(card("later"), aliases=("third", "fourth")))
    assert gallery.get("second").name == "first"
    assert gallery.get("amber").title == "shipped"
    assert gallery.get("third").name == "first"
    gallery.add(card("second", "own"))
    assert gallery.get("second").title == "own"
    assert gallery.get("SECOND").title == "own"
    own = Gallery(tmp_path / "own", base=gallery)
    own.add(card("fourth", "another's"))
    assert own.get("fourth").title == "another's"
    assert gallery.get("fourth").name == "later"


def test_unknown_names_suggest_by_aliases(gallery: Gallery) -> None:
    gallery.add(replace(card("mine"), aliases=("noite estrelada", "星月夜")))
    for asked in ("noite estrlada", "星夜"):
        with pytest.raises(UnknownStyle, match="did you mean mine\\? Give one of the 3 names"):
            gallery.get(asked)


def test_what_is_no_text_is_not_in_the_gallery(gallery: Gallery) -> None:
    assert 5 not in gallery
    assert None not in gallery


def test_unknown_names_suggest_near_ones(gallery: Gallery) -> None:
    with pytest.raises(UnknownStyle, match="'Ambr'; did you mean amber\\? Give one of"):
        gallery.get("Ambr")
    with pytest.raises(UnknownStyle, match="'qqqq'; give one of"):
        gallery.get("qqqq")


def test_a_name_is_checked_before_there_is_a_card(gallery: Gallery) -> None:
    gallery.check_free("mine")
    gallery.add(card("mine"))
    gallery.check_free("mine", overwrite=True)
    for name, kind in (("mine", StyleExists), ("amber", StyleExists), ("No Name", StyleError)):
        with pytest.raises(kind):
            gallery.check_free(name)


def test_a_card_is_taken_over_under_another_name(gallery: Gallery) -> None:
    assert gallery.load(card("amber", "theirs").to_bytes(), name="ours").name == "ours"
    assert gallery.get("ours").title == "theirs"


def test_a_broken_card_hides_no_other(gallery: Gallery) -> None:
    gallery.add(card("mine"))
    for name in ("broken", "amber", "Bad Name"):
        (gallery.folder / f"{name}.style").write_bytes(b"{}")
    (gallery.folder / "notes.txt").write_text("no card")
    (gallery.folder / "folder.style").mkdir()
    assert gallery.names() == (*SHIPPED, "broken", "mine")
    assert [c.name for c in gallery] == [*SHIPPED, "mine"]
    assert gallery.get("amber").title == "shipped"
    with pytest.raises(StyleError, match=r"broken\.style: this is not a style card"):
        gallery.get("broken")
    bad, amber, broken = gallery.problems()
    assert bad.startswith("Bad Name.style is not a style name")
    assert amber.startswith("amber.style has the name of a style that comes with Impasto")
    assert broken.startswith("broken.style: this is not a style card")
    gallery.remove("broken")
    assert "broken" not in gallery


def test_a_renamed_file_renames_its_card(gallery: Gallery) -> None:
    gallery.add(card("mine", "kept"))
    (gallery.folder / "mine.style").rename(gallery.folder / "yours.style")
    assert (gallery.get("yours").name, gallery.get("yours").title) == ("yours", "kept")
    assert "mine" not in gallery


def test_a_folder_that_cannot_be_made(gallery: Gallery, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    blocked = Gallery(tmp_path / "file" / "styles")
    assert blocked.names() == SHIPPED
    with pytest.raises(OutputError, match="IMPASTO_HOME"):
        blocked.add(card("mine"))


def test_where_the_users_own_cards_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path))
    assert Gallery().folder == tmp_path / "styles"
    monkeypatch.delenv("IMPASTO_HOME")
    monkeypatch.setattr("platformdirs.user_data_path", lambda *args, **kwargs: tmp_path / "data")
    assert Gallery().folder == tmp_path / "data" / "styles"


def test_the_styles_of_a_base_are_there_and_read_only(gallery: Gallery, tmp_path: Path) -> None:
    own, another = (Gallery(tmp_path / name, base=gallery) for name in ("own", "another"))
    own.add(card("cliffs", "own"))
    gallery.add(card("beach", "base"))
    assert own.names() == ("amber", "birch", "beach", "cliffs")
    assert own.own() == ("cliffs",)
    assert another.names() == ("amber", "birch", "beach")
    assert gallery.names() == another.names()
    assert own.get("amber").title == "shipped"
    assert own.get("beach").title == "base"
    assert own.is_shipped("amber")
    assert not own.is_shipped("beach")
    with pytest.raises(UnknownStyle, match="did you mean beach"):
        another.get("beech")
    for name in ("amber", "beach"):
        with pytest.raises(StyleExists):
            own.add(card(name), overwrite=True)
        with pytest.raises(StyleError, match="cannot be removed"):
            own.remove(name)
    # One that was there before the base had it gives way.
    gallery.add(card("cliffs", "base"))
    assert own.get("cliffs").title == "base"
    gallery.remove("cliffs")
    assert own.get("cliffs").title == "own"
    own.remove("cliffs")
    assert own.own() == ()


def test_an_empty_gallery_is_still_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from impasto.styles import Style

    monkeypatch.setattr(module, "_shipped", dict)
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path))
    Gallery().add(card("mine"))
    empty = Gallery(tmp_path / "none")
    assert len(empty) == 0
    with pytest.raises(UnknownStyle):
        Style.of("mine", empty)


def test_the_shipped_cards_are_whole() -> None:
    cards = []
    for name, file in module._shipped().items():
        data = file.read_bytes()
        cards.append(StyleCard.from_bytes(data))
        assert cards[-1].name == name
        assert len(data) <= 300_000
        assert 0 < len(cards[-1].swatch) <= 20_000
        assert cards[-1].movement or cards[-1].about
        assert len(cards[-1].aliases) >= 4
    # What is known before any of them is read is what they say.
    assert [(card.name, card.aliases) for card in cards] == list(module._index().items())
    assert [card.rank for card in cards] == list(range(1, len(cards) + 1))


def test_no_alias_of_a_shipped_style_means_another() -> None:
    from impasto.server.compat.style_names import MODELS

    called: dict[str, str] = {fold_name(model): model.replace("_", "-") for model in MODELS}
    for name, aliases in module._index().items():
        for text in (name, *aliases):
            assert called.setdefault(fold_name(text), name) == name, text


@pytest.mark.parametrize("asked", ["Starry Night", "noite estrelada", "Noite  Estrelada", "星夜"])
def test_shipped_styles_are_found_in_three_languages(asked: str, tmp_path: Path) -> None:
    assert Gallery(tmp_path).get(asked).name == "starry-night"


def test_the_boldest_come_first_and_the_users_own_last(tmp_path: Path) -> None:
    gallery = Gallery(tmp_path)
    gallery.add(card("aaa"))
    names = gallery.names()
    assert names[0] == "starry-night"
    assert names[-1] == "aaa"
    assert [each.name for each in gallery] == list(names)
    ranks = [each.rank for each in gallery][:-1]
    assert ranks == sorted(ranks)


def test_the_list_of_paintings_is_sound() -> None:
    path = Path(__file__).parents[1] / "scripts" / "gallery.toml"
    if not path.is_file():
        pytest.skip("scripts/gallery.toml is not part of this copy")
    entries = tomllib.loads(path.read_text("utf-8"))["style"]
    names = [e["name"] for e in entries]
    assert len(set(names)) == len(names)
    # In this order they are in the gallery.
    assert names == list(module._index())
    assert set(names) >= set(OLD.split()), "somebody uses them by these names"
    assert {"starry-night", "the-scream", "the-wave", "composition-vii", "udnie"} <= set(names)
    for e in entries:
        assert card(e["name"], e["title"]).name == e["name"]
        assert all(e[key] for key in ("file", "artist", "date", "source", "about"))
        left, top, right, bottom = e.get("crop", (0, 0, 1, 1))
        assert 0 <= left < right <= 1
        assert 0 <= top < bottom <= 1
        assert 0.25 <= e.get("strokes", 1) <= 4
        facts = {"file", "title", "artist", "date", "source", "movement", "place", "about", "aliases"}
        assert e.keys() <= {"name", "crop", "strokes", *facts}


def test_styles_need_no_engine() -> None:
    import subprocess

    code = (
        "import sys, impasto.styles; print([m for m in ('torch', 'openvino', 'impasto.instant') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""What an order's names stand for is part of what it asks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from own_networks import installed
from pictures import noise, saved
from PIL import Image

from impasto import Gallery, StyleCard
from impasto.jobs.job_from_order import job_from_order
from impasto.jobs.name_resolution import NameResolver
from impasto.jobs.order import Order
from impasto.jobs.owners.styles import Galleries
from impasto.jobs.records.blobs import Blobs
from impasto.models import Store

SENT = "0" * 64


@pytest.fixture
def galleries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Galleries:
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "user"))
    return Galleries(Gallery(), tmp_path / "owners")


@pytest.fixture
def meanings(galleries: Galleries, tmp_path: Path) -> NameResolver:
    return NameResolver(galleries, Blobs(tmp_path / "blobs"))


def test_another_card_or_model_of_the_same_name_is_something_else(galleries: Galleries, meanings: NameResolver) -> None:
    for version in ("1", "2"):
        installed("candy", version=version, seed=int(version))
    Store().use("candy@1")
    galleries.for_owner("ann").add(StyleCard("mine", network="candy"))
    wave = replace(galleries.base.get("the-wave"), name="other")
    galleries.for_owner("ann").add(wave)
    sent = StyleCard("sent", network="candy").to_bytes()

    def all_of_them() -> list[str]:
        return [
            meanings.fingerprint(SENT, "ann", {}, ["starry-night"]),
            meanings.fingerprint(SENT, "ann", {}, ["other"]),
            meanings.fingerprint(SENT, "ann", {}, ["mine"]),
            meanings.fingerprint(SENT, "ann", {"model": "candy"}, ["starry-night"]),
            meanings.fingerprint(SENT, "ann", {}, [sent]),
            meanings.fingerprint(SENT, "ann", {"engine": "iterative"}, [b"a painting"]),
        ]

    before = all_of_them()
    assert all_of_them() == before
    assert len(set(before)) == len(before)
    assert {len(one) for one in before} == {64}
    Store().use("candy@2")
    assert [one == other for one, other in zip(before, all_of_them(), strict=True)] == [True] * 2 + [False] * 3 + [True]
    Store().use("candy@1")
    assert all_of_them() == before
    # The same identity, and other weights.
    Store().remove("candy@1")
    installed("candy", version="1", seed=9)
    assert [one == other for one, other in zip(before, all_of_them(), strict=True)] == [True] * 2 + [False] * 3 + [True]
    galleries.for_owner("ann").add(replace(wave, title="Another"), overwrite=True)
    assert all_of_them()[1] != before[1]
    assert meanings.fingerprint(SENT, "bob", {}, ["other"]) != before[1], "to another, there is no such style"


def test_a_job_knows_what_its_order_meant(galleries: Galleries, meanings: NameResolver, tmp_path: Path) -> None:
    photo = saved(Image.fromarray(noise(8, 8)), "png")
    card = galleries.base.export("the-wave")
    for kind, styles in (("stylize", ((1.0, "starry-night"), (2.0, card))), ("grid", ((1.0, card), (1.0, photo)))):
        order = Order(kind=kind, contents=(("a", photo),), styles=styles)  # type: ignore[arg-type]
        fingerprint = meanings.fingerprint(order.digest, "ann", order.settings, [style for _, style in order.styles])
        job = job_from_order(order, "ann", fingerprint, meanings._blobs.put, 60)
        assert meanings.current_fingerprint(job) == fingerprint

"""Another version of a model is put in use while the server paints: no request is dropped, none gets a mixture."""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from own_networks import installed
from PIL import Image
from serving import Served
from waiting import WAIT

from impasto import Gallery, Picture, StyleCard
from impasto.models import Store

_CLIENTS, _SWAPS = 4, 16


@dataclass(frozen=True)
class Painted:
    """An answer; ``began`` is how many versions had been put in use before it was asked for, ``ended`` how many had
    been, or just were, when it came."""

    began: int
    ended: int
    status: int
    model: str
    data: bytes


class Swaps:
    """Which version is in use when, and what was painted meanwhile."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.told: list[str] = []
        self.used = 0
        self.answers: list[Painted] = []
        self.came = threading.Condition()
        self.over = False

    def use(self, identity: str) -> None:
        # Somewhere between the two, others see it.
        self.told.append(identity)
        self._store.use(identity)
        self.used += 1

    def clients_ask(self, server: Served, photo: bytes, seed: int) -> None:
        """One after the other, until it is over."""
        # At boldness 0 there is no grain for a seed to change.
        asked = {"style": "candy", "deterministic": "true", "seed": seed, "boldness": 0}
        with server.client() as client:
            while not self.over:
                began = self.used
                answer = client.post("/v1/stylize", files={"content": ("photo.png", photo)}, data=asked)
                model = answer.headers.get("impasto-model", "")
                with self.came:
                    self.answers.append(Painted(began, len(self.told), answer.status_code, model, answer.content))
                    self.came.notify_all()

    def wait(self, several: int) -> None:
        """Until so many answers came that were asked for since the last version was put in use."""
        with self.came:
            found = self.came.wait_for(lambda: sum(a.began == self.used for a in self.answers) >= several, WAIT)
        assert found, "the clients got no answers"


def test_versions_are_swapped_under_load(tmp_path: Path, scene: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "user"))
    for version in ("1", "2"):
        installed("candy", version=version, seed=int(version))
    store = Store()
    swaps = Swaps(store)
    swaps.use("candy@1")
    Gallery().add(StyleCard("candy", network="candy"))
    photo = io.BytesIO()
    Image.fromarray(scene.resized((96, 64)).pixels).save(photo, "png")
    with Served(tmp_path) as server, ThreadPoolExecutor(_CLIENTS) as clients:
        asking = [clients.submit(swaps.clients_ask, server, photo.getvalue(), seed) for seed in range(_CLIENTS)]
        try:
            for swap in range(_SWAPS):
                # Now in the midst of what is painted, now after it.
                swaps.wait(1 + swap % 3)
                swaps.use(f"candy@{2 - swap % 2}")
                if swap % 8 == 4:
                    # One that comes and goes is nobody's business.
                    installed("candy", version="3", seed=3)
                    store.remove("candy@3")
            swaps.wait(_CLIENTS)
        finally:
            swaps.over = True
        for client in asking:
            client.result()
    assert {answer.status for answer in swaps.answers} == {200}
    painted: dict[str, set[bytes]] = {}
    for answer in swaps.answers:
        assert answer.model in swaps.told[answer.began - 1 : answer.ended], "a version that was in use meanwhile"
        painted.setdefault(answer.model, set()).add(np.asarray(Image.open(io.BytesIO(answer.data))).tobytes())
    assert set(painted) == {"candy@1", "candy@2"}
    assert all(len(pictures) == 1 for pictures in painted.values()), "each answer is wholly of the version it names"
    assert painted["candy@1"] != painted["candy@2"]

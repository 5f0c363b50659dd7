"""Another version of a model is put in use while the server paints: no request is dropped, none gets a mixture."""

from __future__ import annotations

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from own_networks import installed
from PIL import Image
from serving import Served

from impasto import Gallery, Picture, StyleCard
from impasto.models import Store

_CLIENTS, _SWAPS = 4, 24


def test_versions_are_swapped_under_load(tmp_path: Path, scene: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "user"))
    for version in ("1", "2"):
        installed("candy", version=version, seed=int(version))
    store = Store()
    store.use("candy@1")
    Gallery().add(StyleCard("candy", network="candy"))
    photo = io.BytesIO()
    Image.fromarray(scene.resized((96, 64)).pixels).save(photo, "png")
    over = threading.Event()
    with Served(tmp_path) as server:

        def ask(number: int) -> list[tuple[int, str, bytes]]:
            answers: list[tuple[int, str, bytes]] = []
            with server.client() as client:
                while not over.is_set() or not answers:
                    files = {"content": ("photo.png", photo.getvalue())}
                    # At boldness 0 there is no grain for a seed to change.
                    asked = {"style": "candy", "deterministic": "true", "seed": number, "boldness": 0}
                    answer = client.post("/v1/stylize", files=files, data=asked)
                    answers.append((answer.status_code, answer.headers.get("impasto-model", ""), answer.content))
            return answers

        with ThreadPoolExecutor(_CLIENTS) as clients:
            asked = [clients.submit(ask, number) for number in range(_CLIENTS)]
            for swap in range(_SWAPS):
                time.sleep(0.1)
                store.use(f"candy@{1 + (swap + 1) % 2}")
                if swap % 8 == 4:
                    # One that comes and goes is nobody's business.
                    installed("candy", version="3", seed=3)
                    store.remove("candy@3")
            store.use("candy@2")
            time.sleep(0.5)
            over.set()
            answers = [answer for future in asked for answer in future.result(60)]
    assert {status for status, _, _ in answers} == {200}
    painted: dict[str, set[bytes]] = {}
    for _, model, data in answers:
        painted.setdefault(model, set()).add(np.asarray(Image.open(io.BytesIO(data))).tobytes())
    assert set(painted) == {"candy@1", "candy@2"}
    assert all(len(pictures) == 1 for pictures in painted.values()), "each answer is wholly of the version it names"
    assert painted["candy@1"] != painted["candy@2"]
    assert answers[-1][1] == "candy@2"

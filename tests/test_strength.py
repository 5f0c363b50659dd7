from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.models import Model, find
from impasto.training.strength_curve import calibrate, even_curve, measure_curve


@given(st.lists(st.floats(0.001, 1), min_size=2, max_size=12))
def test_along_the_even_curve_equal_steps_are_equally_large(steps: list[float]) -> None:
    distance = np.concatenate([[0], np.cumsum(steps)])
    moved = np.linspace(0, 1, len(distance))
    curve = np.array(even_curve(np.stack([moved, distance]), steps=5))
    assert curve[0].tolist() == [0, 0]
    assert curve[-1].tolist() == [1, 1]
    found = np.interp(curve[:, 1], moved, distance)
    assert np.abs(np.diff(found) - distance[-1] / 4).max() < 0.01 * distance[-1]


def test_a_dip_does_not_turn_the_curve_back() -> None:
    curve = np.array(even_curve(np.array([[0, 0.25, 0.5, 0.75, 1], [0, 0.3, 0.2, 0.6, 0.5]])))
    assert (np.diff(curve[:, 1]) >= 0).all()


def test_strength_looks_even_with_what_ships(shared: Path, tmp_path: Path) -> None:
    images, vgg19 = shared / "images", shared / "weights" / "vgg19.npz"
    folder = tmp_path / "instant"
    shutil.copytree(find("instant").path, folder)
    curve = calibrate(folder, images / "photos", images / "paintings", vgg19, pairs=1)
    assert json.loads((folder / "manifest.json").read_text())["rules"]["strength"] == curve
    model = find("instant")
    moved, distance = measure_curve(model, images / "photos", images / "paintings", vgg19, pairs=3, steps=5)
    even = np.interp(np.linspace(0, 1, 5), *np.array(model.rules["strength"]).T)
    found = np.interp(even, moved, distance) / distance[-1]
    assert found[0] == pytest.approx(0, abs=1e-4)
    assert (np.diff(found) > 0.08).all(), found
    assert Model.read(folder).rules["strength"][-1] == [1, 1]

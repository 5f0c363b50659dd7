from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from impasto.errors import RequestError
from impasto.evaluation.faces import luma_shifts, places, read_faces
from impasto.evaluation.inputs import SIDE
from impasto.evaluation.measurements import Light


def test_boxes_follow_the_middle_square() -> None:
    # A photograph of 800x400: its square is the middle half of the width.
    assert places(((0.25, 0, 0.75, 1),), (800, 400)) == [(slice(0, SIDE), slice(0, SIDE))]
    assert places(((0.5, 0.25, 0.625, 0.5),), (800, 400)) == [(slice(128, 256), slice(256, 384))]
    assert places(((0.25, 0.5, 0.5, 0.625),), (400, 800)) == [(slice(256, 384), slice(128, 256))]


def test_a_box_is_cut_where_the_square_ends_and_left_out_beyond() -> None:
    assert places(((0.1, 0, 0.5, 0.5),), (800, 400)) == [(slice(0, 256), slice(0, 256))]
    assert places(((0.0, 0, 0.2, 1), (0.8, 0, 1, 1)), (800, 400)) == []


def test_light_moves_by_place_and_keeps_its_sign() -> None:
    photograph = np.full((SIDE, SIDE, 3), 100, np.uint8)
    pastiche = photograph.copy()
    pastiche[:128, :128], pastiche[200:, :] = 140, 90
    where = places(((0, 0, 0.25, 0.25), (0, 0.5, 1, 1), (0.5, 0, 1, 0.25)), (SIDE, SIDE))
    assert luma_shifts(pastiche, photograph, where) == pytest.approx((40, -10, 0), abs=1e-3)


def test_light_of_many_faces() -> None:
    found = Light.of([-10, 25, 40, -26])
    assert found is not None
    assert (found.faces, found.mean, found.largest, found.within) == (4, 25.25, 40, 0.5)
    assert Light.of([]) is None


def test_what_ships_names_photographs_with_faces() -> None:
    faces = read_faces()
    assert {"kodak_04.jpg", "kodak_15.jpg", "kodak_18.jpg", "clic_e0d8e29cadfc.jpg"} <= set(faces)
    assert all(faces.values())


def test_boxes_that_ship_lie_in_the_squares_of_their_photographs(shared: Path) -> None:
    index = json.loads((shared / "images" / "index.json").read_text())
    sizes = {Path(entry["file"]).name: (entry["width"], entry["height"]) for entry in index}
    for name, boxes in read_faces().items():
        found = places(boxes, sizes[name])
        assert len(found) == len(boxes), name
        for rows, columns in found:
            assert min(rows.stop - rows.start, columns.stop - columns.start) >= 16, f"{name} has a face of a few pixels"


def test_own_faces_are_read_instead(tmp_path: Path) -> None:
    file = tmp_path / "faces.json"
    file.write_text('{"me.jpg": [[0.25, 0, 1, 0.5]], "nobody.jpg": []}')
    assert read_faces(file) == {"me.jpg": ((0.25, 0, 1, 0.5),), "nobody.jpg": ()}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "not a list of faces"),
        ("{", "is not JSON"),
        ('{"me.jpg": 3}', "the faces of me.jpg are 3"),
        ('{"me.jpg": [0, 0, 1, 1]}', "the faces of me.jpg are"),
        ('{"me.jpg": [[0, 0, 1]]}', "give a list of"),
        ('{"me.jpg": [[0, 0, 1, true]]}', "fractions from 0 to 1"),
        ('{"me.jpg": [[0.5, 0, 0.5, 1]]}', "fractions from 0 to 1"),
        ('{"me.jpg": [[0, 0, 512, 512]]}', "fractions from 0 to 1"),
        ('{"me.jpg": [[0, NaN, 1, 1]]}', "fractions from 0 to 1"),
    ],
)
def test_what_is_no_list_of_faces_is_told(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "faces.json"
    file.write_text(text)
    with pytest.raises(RequestError, match=message):
        read_faces(file)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be read"):
        read_faces(tmp_path / "gone.json")

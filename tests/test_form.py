"""A multipart form as an order."""

from __future__ import annotations

import io

import pytest
from starlette.datastructures import FormData, UploadFile

from impasto.errors import RequestError
from impasto.jobs.limits import Limits
from impasto.jobs.order import Order
from impasto.request import PRESETS
from impasto.server.forms import _order, form_schema


def read(*fields: tuple[str, str]) -> Order:
    content = ("content", UploadFile(io.BytesIO(b"a photograph"), filename="a.jpg"))
    return _order(FormData([content, ("style", "udnie"), *fields]), Limits(), job=False, id=None)


def test_a_preset_gives_settings_and_those_sent_besides_go_before_its_own() -> None:
    assert read(("preset", "museum")).settings == PRESETS["museum"]
    assert read(("preset", "museum")).engine == "iterative"
    order = read(("preset", "quick"), ("steps", "5"), ("boldness", "0.75"))
    assert order.settings == {**PRESETS["quick"], "steps": 5, "boldness": 0.75}
    assert read(("preset", "")).settings == {}


def test_an_unknown_preset_is_told() -> None:
    with pytest.raises(RequestError, match="there is no preset 'slow'; choose one of quick, fine, museum, gatys-adam"):
        read(("preset", "slow"))


@pytest.mark.parametrize("job", [False, True])
def test_the_documentation_names_every_preset(job: bool) -> None:
    schema = form_schema(job=job)["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert schema["properties"]["preset"]["enum"] == list(PRESETS)


@pytest.mark.parametrize(
    ("name", "sent", "expected"),
    [
        ("strength", "0,5", "strength is '0,5'; give a number, with a point before its decimals"),
        ("weight", "1,5", "weight is '1,5'; give a number, with a point before its decimals"),
        ("steps", "1,000", "steps is '1,000'; give a whole number without commas"),
        ("strength", "half", "strength is 'half'; give a number"),
    ],
)
def test_a_number_with_a_comma_is_told_how_to_be_written(name: str, sent: str, expected: str) -> None:
    with pytest.raises(RequestError) as caught:
        read((name, sent))
    assert str(caught.value) == expected

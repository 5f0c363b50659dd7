"""The client without a server: forms, errors, addresses. With one it is used by ``impasto stylize --server``."""

from __future__ import annotations

from pathlib import Path

import pytest

from impasto import Client
from impasto.client import Busy, KeyRefused, NoAnswer, Upload
from impasto.client.errors import error_of_code
from impasto.client.multipart import multipart_form
from impasto.errors import ImpastoError, MissingExtra, OutputError, PictureError, RequestError, UnknownStyle


def test_weights_are_in_the_order_of_arrival_names_first() -> None:
    styles = {Upload("sea.png", b"sea"): 2.0, "udnie": 0.5, b"hill": 1.0}
    found = multipart_form([b"photo"], styles, {})
    assert found["data"] == {"style": ["udnie"], "weight": ["0.5", "2.0", "1.0"]}
    assert found["files"] == [
        ("content", ("picture", b"photo")),
        ("style", ("sea.png", b"sea")),
        ("style", ("picture", b"hill")),
    ]


def test_settings_are_texts_and_what_is_none_is_not_sent(tmp_path: Path) -> None:
    (tmp_path / "m.png").write_bytes(b"white")
    settings = {"deterministic": True, "size": None, "strength": 0.5, "mask": tmp_path / "m.png", "guide": None}
    found = multipart_form([Upload("a.jpg", b"photo")], ["udnie", "the-wave"], settings)
    assert found["data"] == {
        "style": ["udnie", "the-wave"],
        "weight": [],
        "deterministic": ["true"],
        "strength": ["0.5"],
    }
    assert found["files"] == [("content", ("a.jpg", b"photo")), ("mask", ("m.png", b"white"))]


def test_a_name_that_is_no_text_can_be_sent() -> None:
    found = multipart_form([Upload("\udcff.jpg", b"photo")], "udnie", {})
    assert found["files"] == [("content", ("�.jpg", b"photo"))]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"gone\.jpg cannot be read: No such file"):
        multipart_form([tmp_path / "gone.jpg"], "udnie", {})


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("unknown_style", UnknownStyle),
        ("bad_request", RequestError),
        ("no_key", KeyRefused),
        ("never_heard_of", ImpastoError),
        ("missing_extra", ImpastoError),
    ],
)
def test_an_answer_is_the_error_of_its_code(code: str, kind: type[ImpastoError]) -> None:
    error = error_of_code(code, "so it is", 418)
    assert type(error) is kind
    assert (error.code, str(error)) == (code, "so it is")
    assert not isinstance(error, MissingExtra)


def test_its_own_errors_have_codes_of_their_own() -> None:
    assert [(kind.code, kind.status) for kind in (Busy, KeyRefused, NoAnswer)] == [
        ("busy", 429),
        ("no_key", 401),
        ("no_answer", 503),
    ]
    assert issubclass(NoAnswer, OutputError)


def test_an_address_is_shown_without_its_password() -> None:
    with Client("https://anna:secret@studio.example:8443/paint/") as client:
        assert client.url == "https://studio.example:8443/paint"
    with pytest.raises(RequestError, match="give an address with http:// or https://"):
        Client("studio:8000")

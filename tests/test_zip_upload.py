"""Photographs in zips: what is taken, what is left out, and where it is done."""

from __future__ import annotations

import asyncio
import io
import threading
import zipfile
import zlib

import pytest
from hostile_zips import Part, hostile_zips, made
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request

from impasto.errors import RequestError
from impasto.jobs.errors import UploadTooLarge
from impasto.jobs.limits import Limits
from impasto.server import forms
from impasto.server.zip_upload import unpack_uploads

ZIPS = hostile_zips()


def zipped(*names: str, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Of each name a file that holds its name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name in names:
            archive.writestr(name, name)
    return buffer.getvalue()


def test_what_is_no_picture_by_its_name_is_left_out_and_told() -> None:
    others = [
        "Takeout/one.jpg.json",
        "one.xmp",
        "IMG_1.MOV",
        "IMG_1.AAE",
        "trip/Thumbs.db",
        "desktop.ini",
        ".DS_Store",
        "__MACOSX/trip/._two.jpg",
        "__MACOSX/two.jpg",
        "@eaDir/one.jpg/small.jpg",
        "readme",
        "more.zip",
    ]
    pictures = ["one.jpg", "trip/two.JPEG", "IMG_1.HEIC", "three.tif"]
    found, left = unpack_uploads([("all.zip", zipped("trip/", *others, *pictures))], Limits())
    assert [name for name, _ in found] == ["one.jpg", "two.JPEG", "IMG_1.HEIC", "three.tif"]
    assert [data.decode() for _, data in found] == pictures
    assert [name for name, _ in left] == others
    assert {why for _, why in left} == {"is not a picture by its name"}


def test_folders_of_another_separator_are_folders() -> None:
    data = zipped("trip/one.jpg").replace(b"trip/one.jpg", b"trip\\one.jpg")
    found, left = unpack_uploads([("all.zip", data)], Limits())
    assert ([name for name, _ in found], left) == (["one.jpg"], ())


def test_zips_stand_beside_photographs_and_other_zips() -> None:
    files = [("a.jpg", b"a"), ("b.zip", zipped("b.png")), ("c.zip", b"PK\x03\x04 no zip"), ("d.zip", zipped("d.gif"))]
    found, left = unpack_uploads(files, Limits())
    assert found == [("a.jpg", b"a"), ("b.png", b"b.png"), ("d.gif", b"d.gif")]
    ((name, why),) = left
    assert name == "c.zip"
    assert why.startswith("is a zip that cannot be read")


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (Part(b"bad.png", b"x", size=1, crc=1), "Bad CRC-32"),
        (Part(b"bad.png", b"\xff" * 50, 8, size=9), "invalid"),
        (Part(b"bad.png", bytes(40), size=28, flags=1), "is encrypted"),
        (Part(b"bad.png", b"no", 14, size=9), "method 14"),
    ],
)
def test_what_cannot_be_unpacked_is_no_harm_to_the_others(bad: Part, text: str) -> None:
    good = Part(b"good.png", b"good", size=4, crc=zlib.crc32(b"good"))
    found, left = unpack_uploads([("all.zip", made(bad, good))], Limits())
    assert found == [("good.png", b"good")]
    ((name, why),) = left
    assert name == "bad.png"
    assert text in why


def test_a_zip_without_photographs_says_what_it_holds() -> None:
    with pytest.raises(RequestError, match=r"no photograph in what was sent: 'notes.txt' is not a picture.*; 1 more"):
        unpack_uploads([("all.zip", zipped("notes.txt", "film.mov"))], Limits())
    with pytest.raises(RequestError, match=r"'all\.zip' is a zip that holds nothing"):
        unpack_uploads([("all.zip", zipped())], Limits())


def test_no_more_is_taken_than_may_be_sent() -> None:
    names = [f"{number}.jpg" for number in range(4)]
    with pytest.raises(RequestError, match="holds 4 photographs; send at most 3"):
        unpack_uploads([("all.zip", zipped(*names))], Limits(files=3))
    with pytest.raises(RequestError, match="holds 2 photographs; send at most 3"):
        unpack_uploads([("all.zip", zipped(*names[:2])), ("all.zip", zipped(*names[2:]))], Limits(files=3))
    with pytest.raises(UploadTooLarge, match="unpacks to more than"):
        unpack_uploads([("all.zip", zipped(*names))], Limits(upload_bytes=19))


def test_many_entries_are_counted_before_any_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("it was opened")

    monkeypatch.setattr(zipfile.ZipFile, "__init__", never)
    for name in ("many files", "many files and one told", "many files and a wide end"):
        with pytest.raises(RequestError, match="holds more than 5000 files"):
            unpack_uploads([("all.zip", ZIPS[name])], Limits())


def test_forms_are_read_and_unpacked_outside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def read(name: str, part: UploadFile | str) -> bytes:
        threads.append(threading.get_ident())
        return picture(name, part)

    def unpack(*given: object) -> object:
        threads.append(threading.get_ident())
        return unpack_uploads(*given)  # type: ignore[arg-type]

    picture = forms.picture
    monkeypatch.setattr(forms, "picture", read)
    monkeypatch.setattr(forms, "unpack_uploads", unpack)
    content = UploadFile(io.BytesIO(zipped("one.jpg", "notes.txt")), filename="all.zip")
    given = FormData([("content", content), ("style", "udnie"), ("kind", "batch")])

    async def parsed(*_: object, **__: object) -> FormData:
        return given

    monkeypatch.setattr(Request, "form", parsed)
    headers = [(b"content-type", b"multipart/form-data; boundary=x")]
    request = Request({"type": "http", "method": "POST", "headers": headers})
    order = asyncio.run(forms.read_order(request, Limits(), job=True))
    assert order.contents == (("one.jpg", b"one.jpg"),)
    assert order.left_out == (("notes.txt", "is not a picture by its name"),)
    assert len(threads) == 2
    assert threading.get_ident() not in threads

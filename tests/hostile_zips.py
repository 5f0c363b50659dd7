"""Zips that mean harm, or are broken: none holds a photograph that can be painted."""

from __future__ import annotations

import bz2
import io
import lzma
import struct
import zipfile
import zlib
from dataclasses import dataclass

__all__ = ["Part", "hostile_zips", "made", "many"]

_STORED, _DEFLATED, _BZIP2, _LZMA = 0, 8, 12, 14


@dataclass
class Part:
    """One file of a zip, with what is wrong about it. ``at`` is where it is said to begin, if not where it does."""

    name: bytes = b"a.png"
    packed: bytes = b""
    method: int = _STORED
    size: int = 0
    crc: int = 0
    flags: int = 0
    extra: bytes = b""
    version: int = 20
    at: int | None = None
    local_name: bytes | None = None

    def local(self) -> bytes:
        name = self.name if self.local_name is None else self.local_name
        facts = (self.version, self.flags, self.method, 0, 0, self.crc, len(self.packed), self.size, len(name), 0)
        return b"PK\x03\x04" + struct.pack("<5H3I2H", *facts) + name + self.packed

    def central(self, at: int) -> bytes:
        facts = (self.version, self.version, self.flags, self.method, 0, 0, self.crc, len(self.packed), self.size)
        lengths = (len(self.name), len(self.extra), 0, 0, 0, 0, at if self.at is None else self.at)
        return b"PK\x01\x02" + struct.pack("<6H3I", *facts) + struct.pack("<5H2I", *lengths) + self.name + self.extra


def end(count: int, size: int, at: int, comment: bytes = b"") -> bytes:
    counted = min(count, 65535)
    return b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, counted, counted, size, at, len(comment)) + comment


def made(*parts: Part, before: bytes = b"") -> bytes:
    body, directory = before, b""
    for part in parts:
        directory += part.central(len(body))
        body += part.local()
    return body + directory + end(len(parts), len(directory), len(body))


def many(count: int, part: Part | None = None, *, told: int | None = None) -> bytes:
    """A zip of so many entries, all one file, empty by default; its end tells of ``told``."""
    part = part or Part()
    local, directory = part.local(), part.central(0) * count
    return local + directory + end(count if told is None else told, len(directory), len(local))


def _wide(data: bytes, *, disks: int = 1, count: int = 1) -> bytes:
    """The same with an end as large zips have it, before the plain one, which points to that."""
    body, plain = data[:-22], data[-22:]
    size, at = struct.unpack("<2I", plain[12:20])
    record = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, at)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, len(body), disks)
    return body + record + locator + b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)


def _deflated(data: bytes) -> bytes:
    made = zlib.compressobj(9, wbits=-15)
    return made.compress(data) + made.flush()


def _zeros(megabytes: int) -> bytes:
    """So many of zeros, deflated, without ever holding them."""
    made, part = zlib.compressobj(9, wbits=-15), bytes(1 << 20)
    return b"".join(made.compress(part) for _ in range(megabytes)) + made.flush()


def _lzma(data: bytes, dictionary: int = 1 << 20) -> bytes:
    """``dictionary`` is what is told of its bytes."""
    packed = lzma.compress(data, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 20}])
    return struct.pack("<BBHBI", 9, 4, 5, 93, dictionary) + packed


def _zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def hostile_zips() -> dict[str, bytes]:
    zeros = bytes(64 << 20)
    bomb = Part(packed=_zeros(100), method=_DEFLATED, size=100 << 20)
    nested = _zipped({"a.png": bytes(1 << 20)})
    for _ in range(20):
        nested = _zipped({"a.zip": nested, "b.zip": nested[:1000]})
    text = _deflated(b"this is not a picture")
    return {
        "many files": many(100_000),
        "many files and one told": many(100_000, told=1),
        "many files and a wide end": _wide(many(100_000), count=3),
        "many pictures": many(2_000),
        "a bomb": made(bomb),
        "many bombs": made(*[Part(f"{i}.png".encode(), bomb.packed, _DEFLATED, 100 << 20) for i in range(50)]),
        "a bomb of lzma": made(Part(packed=_lzma(zeros), method=_LZMA, size=len(zeros))),
        "a wide dictionary of lzma": made(Part(packed=_lzma(b"x", 3 << 30), method=_LZMA, size=1)),
        "no lzma": made(Part(packed=struct.pack("<BBHBI", 9, 4, 5, 255, 1) + b"no", method=_LZMA, size=9)),
        "a bomb of bzip2": made(Part(packed=bz2.compress(zeros), method=_BZIP2, size=len(zeros))),
        "one bomb many times": many(400, bomb),
        "one nothing many times": many(400, Part(packed=b"\0\0\0\xff\xff" * 500_000, method=_DEFLATED, size=1)),
        "zips in zips": nested,
        "a zip of a zip": _zipped({"photographs.zip": nested}, zipfile.ZIP_STORED),
        "nothing": end(0, 0, 0),
        "folders": _zipped({"a/": b"", "a/b/": b""}),
        "what computers add": _zipped(
            {"Thumbs.db": b"x", "desktop.ini": b"x", ".DS_Store": b"x", "__MACOSX/._a.jpg": b"x", "a.xmp": b"x"}
        ),
        "half": made(Part(packed=text, method=_DEFLATED, size=18))[:40],
        "a beginning": b"PK\x03\x04",
        "a beginning and noise": b"PK\x03\x04" + bytes(range(256)) * 40,
        "a directory beyond the end": b"PK\x03\x04" + end(1, 2**31, 0),
        "a directory before the beginning": b"PK\x03\x04" + end(1, 46, 2**32 - 1),
        "a directory of noise": b"PK\x03\x04" + bytes(60) + end(1, 60, 4),
        "no deflate": made(Part(packed=b"\xff" * 50, method=_DEFLATED, size=9)),
        "a wrong sum": made(Part(packed=text, method=_DEFLATED, size=18, crc=1)),
        "a size that is none": made(Part(packed=text, method=_DEFLATED, size=2**32 - 1)),
        "encrypted": made(Part(packed=bytes(40), size=28, flags=1)),
        "strongly encrypted": made(Part(packed=bytes(40), size=28, flags=0x41)),
        "patched": made(Part(packed=bytes(40), size=28, flags=0x20)),
        "an unknown method": made(Part(packed=bytes(40), size=28, method=99)),
        "a later version": made(Part(packed=b"x", size=1, version=99)),
        "a file beyond the end": made(Part(packed=b"x", size=1, at=2**31)),
        "another name inside": made(Part(packed=b"x", size=1, local_name=b"b.png")),
        "no name": made(Part(b"", b"x", size=1)),
        "a name that is not text": made(Part(b"\xff\xfe.png", b"x", size=1, flags=0x800)),
        "a long name": made(Part(b"a" * 65_000 + b".png", b"x", size=1)),
        "a name of nothing": made(Part(b"\0" * 100 + b".png", b"x", size=1)),
        "names of other places": made(Part(b"../../etc/passwd.png", b"x", size=1), Part(b"/etc/a.png", b"y", size=1)),
        "an extra that is cut off": made(Part(packed=b"x", size=2**32 - 1, extra=struct.pack("<HH", 1, 900))),
        "an extra that is too short": made(Part(packed=b"x", size=2**32 - 1, extra=struct.pack("<HHB", 1, 1, 0))),
        "two disks": _wide(made(Part(packed=b"x", size=1)), disks=2),
        "a wide end that is far": made(Part(packed=b"x", size=1))[:-22]
        + struct.pack("<4sIQI", b"PK\x06\x07", 0, 2**62, 1)
        + end(65535, 2**32 - 1, 2**32 - 1),
        "no pictures": _zipped({f"{i}.jpg": b"this is not a picture" for i in range(5)}),
        "a picture before": made(Part(packed=b"x", size=1), before=b"\x89PNG\r\n\x1a\n"),
    }

"""Archive: photographs that come in a zip, as people, their phones and their computers make one."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable

from impasto.errors import RequestError
from impasto.jobs.errors import UploadTooLarge
from impasto.jobs.limits import Limits
from impasto.jobs.order import LeftOut
from impasto.picture.files import is_picture_name

__all__ = ["unpack_uploads"]

_BEGINNINGS = (b"PK\x03\x04", b"PK\x05\x06")
"""Of a zip that holds something, and of an empty one."""
_ENTRY = b"PK\x01\x02"
_ENTRIES = 10
"""For each photograph: it may bring folders, sidecars and a film, and some computers add a file to each of those."""
_ENCRYPTED = 1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Others, zipfile unpacks to whatever they hold, however little it is asked for."""
_STEP = 1 << 20


def unpack_uploads(
    files: Iterable[tuple[str, bytes]], limits: Limits
) -> tuple[list[tuple[str, bytes]], tuple[LeftOut, ...]]:
    """Photographs by name, those in zips in the place of their zip; and what was left out of those.

    As in a folder, that is what is not a picture by its name; and what cannot be unpacked, which does not harm the
    others. Raises :class:`RequestError` where there is no photograph, or more of anything than may be sent, and
    :class:`UploadTooLarge` for what unpacks to more: a small zip may hold much.
    """
    unpacking = _Unpacking(limits)
    for name, data in files:
        unpacking.add(name, data)
    found, left_out = unpacking.found, unpacking.left_out
    if left_out and not found:
        name, why = left_out[0]
        more = f"; {len(left_out) - 1} more were left out" if len(left_out) > 1 else ""
        raise RequestError(f"there is no photograph in what was sent: {name[-80:]!r} {why}{more}")
    return found, tuple(left_out)


class _Unpacking:
    def __init__(self, limits: Limits) -> None:
        self.found: list[tuple[str, bytes]] = []
        self.left_out: list[LeftOut] = []
        self._limits, self._room = limits, limits.upload_bytes

    def add(self, name: str, data: bytes) -> None:
        if not data.startswith(_BEGINNINGS):
            self.found.append((name, data))
            return
        most = _ENTRIES * self._limits.files
        if _entries(data) > most:
            raise RequestError(f"the zip {name[-80:]!r} holds more than {most} files; split it")
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                self._unpack(name, archive, len(data))
        except (RequestError, UploadTooLarge):
            raise
        except Exception as error:  # a zip is hostile input, and zipfile raises a dozen kinds
            self.left_out.append((name, f"is a zip that cannot be read ({_reason(error)}); make it again"))

    def _unpack(self, name: str, archive: zipfile.ZipFile, size: int) -> None:
        pictures: list[zipfile.ZipInfo] = []
        others: list[LeftOut] = []
        for entry in archive.infolist():
            path = _path(entry)
            if _is_picture(path):
                pictures.append(entry)
            elif not path.endswith("/"):
                others.append((path[-200:], "is not a picture by its name"))
        # Or each of many may be the same large one.
        if sum(entry.compress_size for entry in pictures) > size:
            raise zipfile.BadZipFile("its entries overlap")
        if len(self.found) + len(pictures) > self._limits.files:
            raise RequestError(
                f"the zip {name[-80:]!r} holds {len(pictures)} photographs; send at most {self._limits.files} at once"
            )
        self.left_out += others or ([] if pictures else [(name, "is a zip that holds nothing")])
        for entry in pictures:
            path = _path(entry)
            try:
                self.found.append((path.rpartition("/")[2][:200], self._read(archive, entry)))
            except UploadTooLarge:
                raise
            except Exception as error:
                self.left_out.append((path[-200:], f"cannot be unpacked ({_reason(error)}); make the zip again"))

    def _read(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
        if entry.flag_bits & _ENCRYPTED:
            raise zipfile.BadZipFile("it is encrypted")
        if entry.compress_type not in _METHODS:
            raise zipfile.BadZipFile(f"it is compressed by method {entry.compress_type}, and only deflate is read")
        parts: list[bytes] = []
        with archive.open(entry) as file:
            # What the entry says of its size need not be true.
            while part := file.read(_STEP):
                self._room -= len(part)
                if self._room < 0:
                    raise UploadTooLarge(
                        f"the zip unpacks to more than the {self._limits.upload_bytes / 1e6:.0f} MB that are allowed; "
                        "send fewer photographs at once"
                    )
                parts.append(part)
        return b"".join(parts)


def _entries(data: bytes) -> int:
    """How many entries a zip can have at most: what its end says of their number need not be true, and zipfile makes
    an object of each before it can be asked."""
    # In steps: other threads have their turn only between calls.
    return sum(data.count(_ENTRY, at, at + _STEP + len(_ENTRY) - 1) for at in range(0, len(data), _STEP))


def _path(entry: zipfile.ZipInfo) -> str:
    # Some programs for Windows write their own separator.
    return entry.filename.replace("\\", "/")


def _is_picture(path: str) -> bool:
    *folders, name = path.split("/")
    # What macOS adds to each file, and what galleries keep of their own.
    hidden = any(folder.startswith((".", "__MACOSX", "@eaDir")) for folder in folders)
    return is_picture_name(name) and not hidden


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__

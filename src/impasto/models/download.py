"""Download: a file from the network whose digest is known, beforehand or since it first came.

What is cut off goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from impasto.errors import ModelError, OutputError
from impasto.user_folders import ELSEWHERE, make_folder, unwritable_error

__all__ = ["Watcher", "download"]

Watcher = Callable[[int, int | None], None]
"""Called with the bytes that are there, and with how many there will be where that is known."""

_CHUNK = 2**20
_LOCAL = ("localhost", "127.0.0.1", "::1")
_AGAIN = "the same command goes on where it stopped"


def download(
    url: str,
    path: Path,
    sha256: str | None,
    *,
    sha1: str | None = None,
    size: int | None = None,
    progress: Watcher | None = None,
    timeout: float = 30.0,
) -> Path:
    """Fetch ``url`` to ``path`` and return ``path``, which is there only once its digests were found right.

    Whoever has no ``sha256`` remembers the one that came; ``sha1`` is for files of which that alone is published. What
    has arrived waits in ``path`` with ``.part`` added, and a later call goes on from there if the
    server can; what was there before is hashed with the rest. ``timeout`` is how many seconds the server may be silent.
    Proxies are those of the environment.

    Raises :class:`ModelError` for an address that is neither https nor this machine's own, without a
    connection, where the server has no such file or sends less than it promised, and for a wrong sha256,
    in which case what arrived is removed; :class:`OutputError` where the file cannot be written.
    """
    _check_address(url)
    part = path.with_name(f"{path.name}.part")
    try:
        if path.is_file() and sha256 is not None and _hashed(path).hexdigest() == sha256:
            return path
        make_folder(path.parent)
        resumed = part.stat().st_size if part.is_file() else 0
        found = _fetch(url, part, size, progress, timeout)
        wrong = _wrong(part, found, sha256, sha1)
        if wrong and resumed:
            # The old bytes may be another file's: once more, without them.
            part.unlink(missing_ok=True)
            found = _fetch(url, part, size, progress, timeout)
            wrong = _wrong(part, found, sha256, sha1)
        if wrong:
            part.unlink(missing_ok=True)
            raise ModelError(
                f"{url} has {wrong}: it is not what was published, or what came before, and was removed; give another "
                "address, or get the file from somebody you trust"
            )
        os.replace(part, path)
    except OSError as error:  # of the network's there is none left here
        raise OutputError(f"{unwritable_error(part, error)}; {_AGAIN}") from error
    return path


def _wrong(part: Path, found: str, sha256: str | None, sha1: str | None) -> str:
    """Which digest is another, in words; empty where none is."""
    if sha256 is not None and found != sha256:
        return f"sha256 {found[:12]}..., not {sha256[:12]}..."
    if sha1 is not None:
        with part.open("rb") as file:
            other = hashlib.file_digest(file, "sha1").hexdigest()
        if other != sha1:
            return f"sha1 {other[:12]}..., not {sha1[:12]}..."
    return ""


def _fetch(url: str, part: Path, size: int | None, progress: Watcher | None, timeout: float) -> str:
    """Bring ``part`` to its end; returns its sha256."""
    digest, done = _hashed(part), part.stat().st_size if part.is_file() else 0
    if size is not None and done >= size:
        if done == size:
            return digest.hexdigest()
        part.unlink()
        digest, done = hashlib.sha256(), 0
    with contextlib.closing(_ask(url, done, timeout)) as answer:
        if answer.status != 206 or _start(answer) != done:
            if answer.status == 206:
                raise ModelError(f"{_host(url)} sent another part of the file than was requested; try again later")
            # The server cannot go on in the middle.
            digest, done = hashlib.sha256(), 0
        total = _total(answer, done)
        if size is not None and total is not None and total != size:
            raise ModelError(f"{url} is {total} bytes long, not {size}: it is another file; check the address")
        total = size if total is None else total
        _check_room(part, done, total)
        with part.open("ab" if done else "wb") as file:
            if progress is not None:
                progress(done, total)
            while chunk := _receive(answer, url):
                done += len(chunk)
                if total is not None and done > total:
                    part.unlink()
                    raise ModelError(f"{url} is more than {total} bytes long: it is another file; check the address")
                file.write(chunk)
                digest.update(chunk)
                if progress is not None:
                    progress(done, total)
            file.flush()
            os.fsync(file.fileno())
    if total is not None and done != total:
        raise ModelError(f"{_host(url)} sent {done} of {total} bytes; {_AGAIN}")
    return digest.hexdigest()


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a server to where the download itself might go, and nowhere else."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        _check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _ask(url: str, start: int, timeout: float) -> http.client.HTTPResponse:
    headers = {"User-Agent": "impasto", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    opener = urllib.request.build_opener(_Redirects)
    try:
        # The address was checked, and each that it leads to is.
        answer = opener.open(urllib.request.Request(url, headers=headers), timeout=timeout)  # noqa: S310
        assert isinstance(answer, http.client.HTTPResponse)
        return answer
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and start:
            return _ask(url, 0, timeout)  # what is there is longer than the file
        if error.code in (404, 410):
            raise ModelError(f"{url} is not there ({error.code}); give another address") from error
        raise ModelError(f"{_host(url)} answers {error.code} {error.reason}; try again later") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise ModelError(
            f"cannot connect to {_host(url)}: {reason}; check the network and its proxy, or bring the file "
            "from a machine that has one"
        ) from error


def _receive(answer: http.client.HTTPResponse, url: str) -> bytes:
    try:
        # What is there, up to a chunk: a slow line still shows progress, and silence alone runs into the timeout.
        return answer.read1(_CHUNK)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ModelError(f"the connection to {_host(url)} broke ({error or type(error).__name__}); {_AGAIN}") from error


def _start(answer: http.client.HTTPResponse) -> int | None:
    match = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _total(answer: http.client.HTTPResponse, start: int) -> int | None:
    length = answer.headers.get("Content-Length", "")
    return start + int(length) if length.isdecimal() else None


def _check_address(url: str) -> None:
    try:
        address = urlsplit(url)
        trusted = address.scheme == "https" or (address.scheme == "http" and address.hostname in _LOCAL)
    except ValueError:
        trusted = False
    if not trusted:
        raise ModelError(f"{url} is not an address to download from; give one that begins with https://")


def _check_room(part: Path, done: int, total: int | None) -> None:
    there = part.stat().st_size - done if part.is_file() else 0
    free = shutil.disk_usage(part.parent).free + there
    if total is not None and total - done > free:
        raise OutputError(
            f"{part.parent} has room for {free / 1e6:.0f} MB, and {(total - done) / 1e6:.0f} are needed; {ELSEWHERE}"
        )


def _hashed(path: Path) -> hashlib._Hash:
    if not path.is_file():
        return hashlib.sha256()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256")


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]

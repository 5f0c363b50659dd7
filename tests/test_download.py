"""Downloads, from a server on this machine."""

from __future__ import annotations

import hashlib
import io
import random
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import Shelf, serving

from impasto.errors import ModelError, OutputError
from impasto.models.download import download

DATA = random.Random(0).randbytes(3_000_000)
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with serving(Shelf(DATA)) as shelf:
        yield shelf


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "file.pth"


def part(path: Path) -> Path:
    return path.with_name("file.pth.part")


def test_a_file_arrives_whole_and_its_progress_is_told(shelf: Shelf, path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    found = download(shelf.url, path, SHA256, size=len(DATA), progress=lambda *x: told.append(x))
    assert found == path
    assert path.read_bytes() == DATA
    assert not part(path).exists()
    assert shelf.asked == [None]
    assert told[0] == (0, len(DATA))
    assert told[-1] == (len(DATA), len(DATA))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert len(told) > 3
    download(shelf.url, path, SHA256)
    assert shelf.asked == [None], "what is there and right is not fetched again"
    path.write_bytes(b"altered")
    assert download(shelf.url, path, SHA256).read_bytes() == DATA


def test_what_was_cut_off_goes_on_where_it_stopped(shelf: Shelf, path: Path) -> None:
    shelf.cut = 1_200_000
    with pytest.raises(ModelError, match=r"127\.0\.0\.1:\d+ sent 1200000 of 3000000 bytes; the same command goes on"):
        download(shelf.url, path, SHA256)
    assert part(path).read_bytes() == DATA[:1_200_000]
    assert not path.exists()
    shelf.cut = None
    told: list[tuple[int, int | None]] = []
    download(shelf.url, path, SHA256, progress=lambda *x: told.append(x))
    assert path.read_bytes() == DATA
    assert shelf.asked == [None, "bytes=1200000-"]
    assert told[0] == (1_200_000, len(DATA))


def test_a_server_that_cannot_go_on_starts_over(shelf: Shelf, path: Path) -> None:
    path.parent.mkdir()
    part(path).write_bytes(DATA[:1_000])
    shelf.ranges = False
    download(shelf.url, path, SHA256)
    assert path.read_bytes() == DATA
    assert shelf.asked == ["bytes=1000-"]


def test_old_bytes_of_another_file_are_fetched_anew(shelf: Shelf, path: Path) -> None:
    path.parent.mkdir()
    part(path).write_bytes(b"\x00" * 1_000)
    download(shelf.url, path, SHA256, size=len(DATA))
    assert path.read_bytes() == DATA
    assert shelf.asked == ["bytes=1000-", None]
    # Too long, with its length known and not.
    for size in (len(DATA), None):
        path.rename(part(path))
        with part(path).open("ab") as file:
            file.write(b"more")
        download(shelf.url, path, SHA256, size=size)
        assert path.read_bytes() == DATA


def test_a_part_that_is_whole_needs_no_server(path: Path) -> None:
    path.parent.mkdir()
    part(path).write_bytes(DATA)
    download("https://nowhere.invalid/file.pth", path, SHA256, size=len(DATA))
    assert path.read_bytes() == DATA


def test_another_file_is_refused_and_removed(shelf: Shelf, path: Path) -> None:
    with pytest.raises(ModelError, match=rf"has sha256 {SHA256[:12]}\.\.\., not 000000000000\.\.\.: it is not what"):
        download(shelf.url, path, "0" * 64)
    assert list(path.parent.iterdir()) == []
    with pytest.raises(ModelError, match="is 3000000 bytes long, not 5: it is another file"):
        download(shelf.url, path, SHA256, size=5)
    shelf.sized = False
    with pytest.raises(ModelError, match="is more than 5 bytes long: it is another file"):
        download(shelf.url, path, SHA256, size=5)
    assert list(path.parent.iterdir()) == []
    assert download(shelf.url, path, SHA256).read_bytes() == DATA


def test_a_sha1_alone_or_nothing_is_checked_as_well(shelf: Shelf, path: Path) -> None:
    sha1 = hashlib.sha1(DATA).hexdigest()
    assert download(shelf.url, path, None, sha1=sha1).read_bytes() == DATA
    assert download(shelf.url, path, SHA256, sha1=sha1).read_bytes() == DATA
    assert shelf.asked == [None], "what is there and right is not fetched again"
    path.unlink()
    with pytest.raises(ModelError, match=rf"has sha1 {sha1[:12]}\.\.\., not 000000000000\.\.\.: it is not what"):
        download(shelf.url, path, None, sha1="0" * 40)
    assert list(path.parent.iterdir()) == []
    # Old bytes of another file, which only the sha1 tells.
    part(path).write_bytes(b"\x00" * 1_000)
    assert download(shelf.url, path, None, sha1=sha1).read_bytes() == DATA
    path.unlink()
    assert download(shelf.url, path, None, size=len(DATA)).read_bytes() == DATA


def test_a_server_that_sends_another_part_is_told(shelf: Shelf, path: Path) -> None:
    path.parent.mkdir()
    part(path).write_bytes(DATA[:1_000])
    shelf.shift = 7
    with pytest.raises(ModelError, match="sent another part of the file than was requested"):
        download(shelf.url, path, SHA256)


@pytest.mark.parametrize(
    ("status", "message"),
    [(404, r"file\.pth is not there \(404\); give another address"), (503, "answers 503 Service Unavailable; try")],
)
def test_what_a_server_answers_is_told(shelf: Shelf, path: Path, status: int, message: str) -> None:
    shelf.status = status
    with pytest.raises(ModelError, match=message):
        download(shelf.url, path, SHA256)
    assert list(path.parent.iterdir()) == []


def test_no_connection_is_told(path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ModelError, match=rf"cannot connect to 127\.0\.0\.1:{port}: .*; check the network"):
        download(f"http://127.0.0.1:{port}/file.pth", path, SHA256)


def test_a_server_that_falls_silent_is_told(path: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/file.pth"
        with pytest.raises(ModelError, match=r"cannot connect to .*timed out"):
            download(url, path, SHA256, timeout=0.1)


@pytest.mark.parametrize(
    "url", ["http://example.org/x", "ftp://localhost/x", "file:///etc/passwd", "x.pth", "https//x", "http://[1"]
)
def test_only_https_is_trusted(path: Path, url: str) -> None:
    with pytest.raises(ModelError, match="is not an address to download from; give one that begins with https://"):
        download(url, path, SHA256)


def test_nor_is_what_a_server_leads_to(shelf: Shelf, path: Path) -> None:
    shelf.status, shelf.location = 302, "http://example.org/file.pth"
    with pytest.raises(ModelError, match=r"http://example\.org/file\.pth is not an address to download from"):
        download(shelf.url, path, SHA256)


def test_a_full_disk_is_told(shelf: Shelf, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(path.parents[1])._replace(free=1_000_000)
    with monkeypatch.context() as little:
        little.setattr(shutil, "disk_usage", lambda _: usage)
        with pytest.raises(
            OutputError, match="has room for 1 MB, and 3 are needed; make room there, or set IMPASTO_HO"
        ):
            download(shelf.url, path, SHA256)

    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(28, "No space left on device")

    opened = Path.open
    monkeypatch.setattr(Path, "open", lambda self, mode="r": Full() if mode in ("wb", "ab") else opened(self, mode))
    with pytest.raises(OutputError, match=r"file\.pth\.part cannot be written: No space left on device; make room"):
        download(shelf.url, path, SHA256)


def test_a_folder_that_cannot_be_made_is_told(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"cannot be written: .*IMPASTO_HOME"):
        download(shelf.url, tmp_path / "file" / "new.pth", SHA256)


def test_an_interrupt_keeps_what_has_arrived(shelf: Shelf, path: Path) -> None:
    def stop(done: int, _: int | None) -> None:
        if done > 500_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(shelf.url, path, SHA256, progress=stop)
    arrived = part(path).read_bytes()
    assert 500_000 < len(arrived) < len(DATA)
    assert arrived == DATA[: len(arrived)]
    assert download(shelf.url, path, SHA256).read_bytes() == DATA
    assert shelf.asked[1] == f"bytes={len(arrived)}-"

"""Blobs: bytes on disk, named by what is in them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.errors import ImpastoError, OutputError
from impasto.jobs.records import blobs as room
from impasto.jobs.records.blobs import BlobGone, Blobs, is_sha256

SOURCE = Path(__file__).parents[1] / "src"
NOTHING = hashlib.sha256(b"").hexdigest()
OTHER = "0" * 64


def files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.name != "lock"}


def age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_what_was_put_is_there_under_its_sha256(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "deep" / "blobs")
    for data in (b"", b"x", bytes(range(256)) * 5000):
        sha256 = blobs.put(data)
        assert sha256 == hashlib.sha256(data).hexdigest()
        assert blobs.get(sha256) == data
        assert sha256 in blobs
        assert blobs.path(sha256) == tmp_path / "deep" / "blobs" / sha256[:2] / sha256
    assert blobs.put(b"x") == blobs.put(b"x")
    assert len(files(blobs.folder)) == 3
    assert Blobs(blobs.folder).get(NOTHING) == b""


def test_what_is_not_there_is_gone_and_told(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    assert OTHER not in blobs
    assert not blobs.path(OTHER).exists()
    with pytest.raises(BlobGone) as told:
        blobs.get(OTHER)
    assert isinstance(told.value, KeyError)
    assert str(told.value) == f"there is no blob {OTHER}; what it was kept for has been deleted"
    blobs.remove(OTHER)
    sha256 = blobs.put(b"x")
    blobs.remove(sha256)
    assert sha256 not in blobs
    assert files(tmp_path) == set()
    assert blobs.put(b"x") == sha256
    assert blobs.get(sha256) == b"x"


BAD = [
    "",
    "x",
    "../../etc/passwd",
    "0" * 63,
    "0" * 65,
    OTHER + "\n",
    "\n" + OTHER,
    "A" * 64,
    "/" * 64,
    "٠" * 64,
    None,
    3,
]


@pytest.mark.parametrize("name", BAD)
def test_bad_names_reach_no_file(tmp_path: Path, name: Any) -> None:
    blobs = Blobs(tmp_path)
    assert not is_sha256(name)
    assert name not in blobs
    for method in (blobs.path, blobs.get, blobs.remove):
        with pytest.raises(ValueError, match="names no blob; give 64 hexadecimal digits in lower case"):
            method(name)


@given(st.text(max_size=70) | st.text("0123456789abcdef", min_size=63, max_size=65))
def test_only_64_digits_are_a_name(name: str) -> None:
    good = len(name) == 64 and set(name) <= set("0123456789abcdef")
    assert is_sha256(name) == good


def test_many_threads_put_the_same_and_other_bytes(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    datas = [str(i % 20).encode() * 1000 for i in range(200)]
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(blobs.put, datas))
    assert [blobs.get(name) for name in names] == datas
    assert len(files(tmp_path)) == 20


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_what_fails_to_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    blobs = Blobs(tmp_path)
    there = blobs.put(b"there")
    (tmp_path / hashlib.sha256(b"new").hexdigest()[:2]).mkdir()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, step, full)
        with pytest.raises(OutputError, match=r"cannot write in .*: No space left on device; free some space there"):
            blobs.put(b"new")
    assert files(tmp_path) == {f"{there[:2]}/{there}"}
    blobs.put(b"new")
    assert blobs.get(hashlib.sha256(b"new").hexdigest()) == b"new"


def test_bytes_and_names_are_on_disk_before_it_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = Blobs(tmp_path)
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def told_fsync(descriptor: int) -> None:
        done.append(Path(f"/proc/self/fd/{descriptor}").resolve().name if sys.platform == "linux" else "")
        fsync(descriptor)

    def told_replace(source: Path, target: Path) -> None:
        done.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", told_fsync)
    monkeypatch.setattr(os, "replace", told_replace)
    sha256 = blobs.put(b"x")
    assert len(done) == 4
    assert done[2] == "replace", "the folder that was made for it, the bytes, then the name"
    if sys.platform == "linux":
        assert (done[0], done[3]) == (tmp_path.name, sha256[:2])
    # It may be there since another thread has just moved it, and is still about to sync the folder.
    done.clear()
    Blobs(tmp_path).put(b"x")
    assert "replace" not in done
    assert len(done) == 2 + 1, "the new object's own folder, and those of the blob"


def test_what_a_broken_disk_cut_off_is_written_again(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    sha256 = blobs.put(b"whole")
    blobs.path(sha256).write_bytes(b"")
    assert blobs.put(b"whole") == sha256
    assert blobs.get(sha256) == b"whole"


def test_a_sweep_takes_what_is_old_and_not_kept(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    kept, old, young, again = (blobs.put(data) for data in (b"kept", b"old", b"young", b"again"))
    for sha256 in (kept, old, again):
        age(blobs.path(sha256), 1000)
    stray = tmp_path / old[:2] / "notes.txt"
    stray.write_text("not ours")
    age(stray, 1000)
    assert blobs.put(b"again") == again, "putting it again makes it young"
    assert blobs.sweep({kept}, 500) == 1
    assert [s in blobs for s in (kept, old, young, again)] == [True, False, True, True]
    assert stray.exists()
    assert blobs.sweep({kept}, 0) == 2
    assert blobs.sweep(set(), 2000) == 0
    assert blobs.sweep(set(), 500) == 1
    assert files(tmp_path) == {f"{old[:2]}/notes.txt"}


def test_a_sweep_takes_what_never_arrived_but_not_what_is_arriving(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    stale, arriving = tmp_path / "incoming" / "stale", tmp_path / "incoming" / "arriving"
    for file in (stale, arriving):
        file.write_bytes(b"half")
    age(stale, 7200)
    assert blobs.sweep(set(), 7300) == 0
    assert blobs.sweep(set(), 0) == 1
    assert (stale.exists(), arriving.exists()) == (False, True)


def test_a_sweep_meanwhile_takes_nothing_that_is_put(tmp_path: Path) -> None:
    """Old blobs are put again by threads while others sweep: what was put after a sweep began is there."""
    blobs = Blobs(tmp_path)
    datas = [str(i).encode() for i in range(30)]
    for data in datas:
        age(blobs.path(blobs.put(data)), 1000)

    def sweep(_: int) -> int:
        return Blobs(tmp_path).sweep(set(), 500)

    with ThreadPoolExecutor(4) as pool:
        sweeps = [pool.submit(sweep, i) for i in range(5)]
        names = list(pool.map(blobs.put, datas))
    assert sum(s.result() for s in sweeps) <= 30
    assert [blobs.get(name) for name in names] == datas


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
def test_a_kill_leaves_whole_blobs_alone(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from typing import Any
from impasto.jobs.records.blobs import Blobs
blobs = Blobs(Path(sys.argv[1]))
for i in range(100000):
    print(blobs.put(str(i).encode() * 5000), flush=True)
"""
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    putting = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, env=environment)
    assert putting.stdout is not None
    said = [putting.stdout.readline() for _ in range(60)]
    putting.kill()
    said += putting.communicate()[0].splitlines(keepends=True)
    blobs = Blobs(tmp_path)
    # The last line may be cut off.
    for line in (line for line in said if line.endswith(b"\n")):
        blobs.get(line.decode().strip())
    for path in tmp_path.glob("??/*"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"cannot write in .*; free some space there, or name a folder you may write"):
        Blobs(tmp_path / "file" / "blobs")
    blobs = Blobs(tmp_path / "blobs")
    blobs.check_writable()
    assert files(tmp_path / "blobs") == set()
    (tmp_path / "blobs" / "incoming").rmdir()
    with pytest.raises(OutputError, match="No such file or directory"):
        blobs.check_writable()


def test_it_works_without_locks_between_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "fcntl", None)
    blobs = Blobs(tmp_path)
    sha256 = blobs.put(b"x")
    assert blobs.put(b"x") == sha256
    assert blobs.sweep(set(), 0) == 1
    assert not issubclass(BlobGone, ImpastoError)

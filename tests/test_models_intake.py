"""Models that are none, and models that two processes fetch or add at once."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner, Result
from networks import published
from servers import Shelf, serving

from impasto.cli.main import cli
from impasto.cli.ui import terminal
from impasto.encoders.vgg_conversion import convert_vgg
from impasto.encoders.weights_file import Weights
from impasto.errors import ModelError
from impasto.models import Model, Store
from impasto.models.file_lock import process_lock
from impasto.models.published import PUBLISHED, Published, PublishedFile

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
MISTAKEN = [
    (b"", "empty"),
    (POINTER, "a pointer of Git LFS"),
    (b"/annex/objects/SHA256E-s104", "a pointer of git-annex"),
    (b"../../.git/annex/objects/ab/cd/SHA256E-s104", "a pointer of git-annex"),
    (b"<!DOCTYPE html>\n<html>", "a web page"),
    (b"\xef\xbb\xbf\r\n <HTML lang=en>", "a web page"),
    (b"<!-- a comment -->\n<html>", "a web page"),
    (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code>', "XML"),
    (b'{"error": "not found"}', "JSON"),
    (b"Entry not found", "text, such as servers send in place of a file: 'Entry not found'"),
    ("404 – nicht gefunden: ü".encode() * 40, "text"),
    (b"\x1f\x8b\x08\x00", "an archive"),
    (b"Rar!\x1a\x07", "an archive"),
]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def impasto(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["models", *arguments])


def fails(result: Result, message: str) -> None:
    assert result.exit_code == 1, result.output
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: ")


@pytest.mark.parametrize(("data", "message"), MISTAKEN)
@pytest.mark.parametrize("name", ["net.pth", "net.t7", "net.onnx", "net.safetensors"])
def test_what_is_no_network_is_called_what_it_is(name: str, data: bytes, message: str) -> None:
    Path(name).write_bytes(data)
    fails(impasto("add", name), f"{name}: the file is of no format that is known: it is {message}")
    assert Store().models() == []


@pytest.mark.parametrize(("data", "message"), MISTAKEN)
def test_what_is_no_encoder_is_called_what_it_is(data: bytes, message: str, tmp_path: Path) -> None:
    for name in ("vgg.pth", "vgg.npz", "vgg.safetensors"):
        Path(name).write_bytes(data)
        fails(impasto("add", "vgg19", name), f"{name} is {message}")
    for name in ("vgg.npz", "vgg.safetensors"):
        with pytest.raises(ValueError, match=f"{name} is {message}"):
            Weights(Path(name))


def test_a_folder_is_called_one(tmp_path: Path) -> None:
    Path("net").mkdir()
    Path("a.onnx").touch()
    fails(
        impasto("add", "net"),
        "net is a folder, and none that impasto train export wrote: its manifest.json cannot be read",
    )
    fails(impasto("add", "net", "a.onnx"), "net is a folder; give the file of a network")
    fails(impasto("add", "vgg19", "net"), "net is a folder; give the file of vgg19")
    with pytest.raises(ModelError, match="is a folder"):
        convert_vgg(Path("net"), tmp_path, name="vgg19")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name")
def test_a_pipe_is_called_one() -> None:
    os.mkfifo("pipe")
    fails(impasto("add", "pipe"), "pipe is a pipe, which is read once only")


def test_a_model_of_which_git_brought_pointers_says_so(tmp_path: Path) -> None:
    convert_vgg(published(tmp_path / "vgg.pth"), tmp_path, name="vgg19")
    (tmp_path / "encoder.safetensors").write_bytes(POINTER)
    with pytest.raises(ModelError, match=r"encoder\.safetensors of vgg19@1 is a pointer of Git LFS"):
        Model.read(tmp_path).verify()


# Two at once


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """A publisher on this machine."""
    data = published(tmp_path / "vgg.pth").read_bytes()
    with serving(Shelf(data)) as shelf:
        file = PublishedFile(shelf.url, len(data), hashlib.sha256(data).hexdigest())
        entry = replace(PUBLISHED["vgg19"], files=(file,), licence="free")
        monkeypatch.setitem(cast("dict[str, Published]", PUBLISHED), "vgg19", entry)
        yield shelf


needs_locks = pytest.mark.skipif(sys.platform == "win32", reason="no locks of files")


@needs_locks
@pytest.mark.parametrize("arguments", [["pull", "vgg19"], ["add", "vgg19", "vgg.pth"]])
def test_what_another_process_fetches_is_waited_for_and_there_then(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    waits, notes, results = threading.Event(), list[str](), list[Result]()

    def note(message: str) -> None:
        notes.append(message)
        waits.set()

    monkeypatch.setattr(terminal, "note", note)
    store = Store()
    store.folder.mkdir(parents=True)
    runner = threading.Thread(target=lambda: results.append(impasto(*arguments)))
    with process_lock(store.folder / ".vgg19.lock"):
        runner.start()
        assert waits.wait(60)
        assert notes == ["another process is working on vgg19; waiting for it"]
        with store.installing("vgg19@1") as folder:
            convert_vgg(tmp_path / "vgg.pth", folder, name="vgg19")
    runner.join()
    assert results[0].exit_code == 0, results[0].output
    assert notes[1:] == [f"vgg19@1 already exists: {store.folder / 'vgg19@1'}"]
    assert shelf.asked == []


@needs_locks
def test_nothing_is_waited_for_where_nobody_is(shelf: Shelf) -> None:
    assert impasto("pull", "vgg19").exit_code == 0
    assert shelf.asked == [None]
    assert "waiting" not in impasto("pull", "vgg19").stderr


@needs_locks
def test_a_lock_lets_one_in_after_the_other(tmp_path: Path) -> None:
    inside, most, gate = 0, 0, threading.Barrier(4)

    def enter() -> None:
        nonlocal inside, most
        gate.wait()
        for _ in range(20):
            with process_lock(tmp_path / "lock"):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1

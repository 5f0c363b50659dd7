"""A server's backup, taken while it runs, and put back elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from ledgers import a_database, a_job, blob, told
from own_networks import installed
from serving import COMMAND, Served
from test_server import PHOTO, SLOW, finished, make, picture, wait

from impasto import Gallery
from impasto.errors import OutputError, RequestError
from impasto.jobs.records import backup as module
from impasto.jobs.records.backup import back_up, restore
from impasto.jobs.records.blobs import Blobs
from impasto.jobs.records.ledger import Ledger
from impasto.models import Store


def serve(*arguments: str, user: Path) -> subprocess.CompletedProcess[str]:
    """``impasto serve`` with what comes after it."""
    environment = os.environ | {"IMPASTO_HOME": str(user), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", COMMAND, "serve", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_a_server_is_copied_while_it_runs_and_put_back_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "old" / "user"))
    network = installed("at-dawn")
    Store().use(network.identity)
    with Served(tmp_path / "old") as server, server.client() as client:
        wait(client, "/readyz", lambda answer: answer.status_code == 200)
        card = {"picture": ("a.style", Gallery().export("starry-night"))}
        assert client.post("/v1/styles", files=card, data={"name": "mine"}).status_code == 201
        done = make(client, style="mine")["id"]
        finished(client, done)
        pastiche = client.get(f"/v1/jobs/{done}/result").content
        answer = client.post("/v1/jobs", files={"content": picture(5)}, data={"model": "at-dawn"})
        trained = answer.json()["id"]
        finished(client, trained)
        slow = make(client, picture(6), **SLOW | {"steps": "60"})["id"]
        wait(client, f"/v1/jobs/{slow}", lambda answer: (answer.json()["step"] or 0) > 1)
        waiting = [make(client, picture(7 + i), **SLOW | {"steps": "3"})["id"] for i in range(2)]
        run = serve("backup", str(tmp_path / "backup"), "--home", str(server.home / "jobs"), user=tmp_path / "old/user")
        assert run.returncode == 0, run.stderr
        assert run.stderr.startswith("5 jobs, ")
        assert "1 style and 1 model are in" in run.stderr
        # It went on meanwhile.
        assert client.get("/healthz").status_code == 200
        make(client, picture(20))
    home = str(tmp_path / "new" / "jobs")
    run = serve("--home", home, "restore", str(tmp_path / "backup"), user=tmp_path / "new/user")
    assert run.returncode == 0, run.stderr
    with Served(tmp_path / "new") as server, server.client() as client:
        assert client.get(f"/v1/jobs/{done}/result").content == pastiche
        assert client.get("/v1/styles/mine").status_code == 200
        (model,) = [m for m in client.get("/v1/models").json()["models"] if m["name"] == "at-dawn"]
        assert (model["version"], model["active"]) == (network.version, True)
        assert {job["id"] for job in client.get("/v1/jobs").json()["jobs"]} == {done, trained, slow, *waiting}
        for id in (slow, *waiting):
            assert finished(client, id)["state"] == "done"
            assert client.get(f"/v1/jobs/{id}/result").status_code == 200
        assert client.post("/v1/stylize", files={"content": PHOTO}, data={"model": "at-dawn"}).status_code == 200


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A server's folder with two blobs."""
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "user"))
    blobs = Blobs(tmp_path / "home" / "blobs")
    assert [blobs.put(name.encode()) for name in ("photo 0", "mask")] == [blob("photo 0"), blob("mask")]
    for name in ("styles/ab/x.style", "runs/y.state", "runs/.impasto-0.tmp", "promises/z.json", "uploads/half"):
        (tmp_path / "home" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "home" / name).write_bytes(b"it")
    return tmp_path / "home"


def entered(url: str, *ids: str) -> None:
    ledger = Ledger(url)
    for id in ids:
        ledger.add(a_job(id), {blob("photo 0"): 7, blob("mask"): 4})
    ledger.close()


def test_a_ledger_goes_from_one_database_to_another(home: Path, url: str, tmp_path: Path) -> None:
    entered(url, "one", "two")
    ledger = Ledger(url)
    ledger.finish("ann", "two", "failed", {"code": "x", "message": "y"})
    made = back_up(tmp_path / "backup", home, url)
    assert (made.jobs, made.pictures, made.missing, made.styles) == (2, 2, 0, 1)
    assert oct((tmp_path / "backup").stat().st_mode)[-3:] == "700"
    with a_database(tmp_path / "backup") as other:
        restored = tmp_path / "restored"
        database = other if other.startswith("postgresql") else None
        assert restore(tmp_path / "backup", restored, database) == made
        there = Ledger(database or f"sqlite:///{restored / 'jobs.sqlite'}")
        for id in ("one", "two"):
            old, new = ledger.get("ann", id), there.get("ann", id)
            assert 0 <= new.expires - old.expires < time.time() - made.time + 1
            assert replace(new, expires=old.expires) == old
        assert told(there) == told(ledger)
        assert there.last_event("ann") == ledger.last_event("ann")
        # It goes on from there.
        assert there.add(a_job("three"), {})[1]
        assert there.last_event("ann") == ledger.last_event("ann") + 1
        there.close()
    ledger.close()
    assert Blobs(restored / "blobs").get(blob("mask")) == b"mask"
    kept = {str(file.relative_to(restored)) for file in restored.rglob("*") if file.is_file()}
    assert {"styles/ab/x.style", "runs/y.state", "promises/z.json"} <= kept
    assert not any("uploads" in name or ".impasto-" in name for name in kept)


def test_what_is_deleted_meanwhile_is_left_out_and_what_was_lost_is_told(
    home: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered(url, "one", "two")
    ledger, copy = Ledger(url), module._copy_folder

    def deleting(source: Path, target: Path) -> int:
        # The ledger is copied, the pictures not yet.
        if source.name == "runs" and source.parent == home:
            ledger.delete("ann", "one")
            Blobs(home / "blobs").remove(blob("mask"))
        return copy(source, target)

    monkeypatch.setattr(module, "_copy_folder", deleting)
    made = back_up(tmp_path / "backup", home, url)
    ledger.close()
    assert (made.jobs, made.pictures, made.missing) == (1, 1, 1)
    copied = Ledger(f"sqlite:///{tmp_path / 'backup' / 'jobs.sqlite'}")
    assert [job.id for job in copied.list("ann")] == ["two"]
    copied.close()


def test_a_backup_that_fails_is_not_there(
    home: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "x")

    monkeypatch.setattr(module.shutil, "copyfile", full)  # type: ignore[attr-defined]
    with pytest.raises(OutputError, match=r"No space left on device .*see that there is room"):
        back_up(tmp_path / "backup", home, url)
    assert not (tmp_path / "backup").exists()


def test_what_is_there_is_never_written_over(home: Path, url: str, tmp_path: Path) -> None:
    entered(url, "one")
    target = tmp_path / "backup"
    with pytest.raises(RequestError, match="is not a folder of a server; give its --home"):
        back_up(target, tmp_path / "nowhere", url)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_bytes(b"mine")
    with pytest.raises(RequestError, match="is not empty; give a new folder"):
        back_up(tmp_path / "full", home, url)
    gallery = Gallery()
    gallery.load(gallery.export("starry-night"), name="mine")
    back_up(target, home, url)
    with pytest.raises(RequestError, match=r"is not empty; give a new folder with --home"):
        restore(target, home)
    with pytest.raises(RequestError, match="the database has jobs already"):
        restore(target, tmp_path / "new", url)
    mine = (gallery.folder / "mine.style").read_bytes() + b"changed since"
    (gallery.folder / "mine.style").write_bytes(mine)
    restore(target, tmp_path / "newer")
    assert (gallery.folder / "mine.style").read_bytes() == mine


@pytest.mark.parametrize("text", [None, "", "{}", "[]", '{"time": 1}'])
def test_what_is_no_whole_backup_is_refused(home: Path, url: str, tmp_path: Path, text: str | None) -> None:
    entered(url, "one")
    facts = tmp_path / "backup" / "backup.json"
    back_up(tmp_path / "backup", home, url)
    if text is None:
        facts.unlink()
    else:
        facts.write_text(text)
    with pytest.raises(RequestError, match="is not a whole backup"):
        restore(tmp_path / "backup", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_backup_of_a_later_form_is_refused(home: Path, url: str, tmp_path: Path) -> None:
    entered(url, "one")
    back_up(tmp_path / "backup", home, url)
    facts = tmp_path / "backup" / "backup.json"
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"format": 2}))
    with pytest.raises(RequestError, match="of format 2, and this Impasto reads 1"):
        restore(tmp_path / "backup", tmp_path / "new")


def test_a_database_of_a_running_server_is_not_filled(
    home: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("impasto.jobs.records.advisory_lock._PATIENCE", 0.2)
    entered(url, "one")
    back_up(tmp_path / "backup", home, url)
    with a_database(tmp_path / "running") as other:
        running = Ledger(other)
        running.claim(lost=lambda: None, beaten=lambda: None, regained=lambda: None)
        with pytest.raises(RequestError, match="another server has its jobs in"):
            restore(tmp_path / "backup", tmp_path / "new", other)
        assert running.list("ann") == []
        running.close()
        assert restore(tmp_path / "backup", tmp_path / "newer", other).jobs == 1

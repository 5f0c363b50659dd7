"""Pictures that were promised: what a full disk, a deletion, an expiry and a crash do to them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import httpx
import pytest
from pictures import noise, saved
from PIL import Image
from replaying import picture_of, replay, requests_form
from serving import Served
from waiting import WAIT, until

from impasto import Gallery
from impasto.errors import OutputError
from impasto.jobs.errors import QueueFull, UnknownJob
from impasto.jobs.limits import Limits
from impasto.jobs.order import Order
from impasto.jobs.service import Jobs
from impasto.server.app import make_app
from impasto.server.auth import Keys
from impasto.server.compat import pending_files as module
from impasto.server.compat.compat import Compat
from impasto.server.compat.pending_files import PendingFiles, PendingJob
from impasto.server.compat.storage import Storage

OWNER = "local"
PHOTO = saved(Image.fromarray(noise(40, 40, seed=1)), "png")


class Desk:
    """Jobs, a storage and pending_files in a folder, as a server has them; started again it finds what was there."""

    def __init__(self, home: Path) -> None:
        self.home, self.storage_folder, self.folder = home, home / "storage", home / "pending_files"
        self.open()

    def open(self) -> None:
        gallery = Gallery(self.home / "gallery")
        self.jobs = Jobs(self.home / "jobs", limits=Limits(kept_seconds=600), interactive=1, bulk=0, gallery=gallery)
        self.storage = Storage(self.storage_folder)
        self.pending_files = PendingFiles(self.jobs, self.storage, self.folder)
        self.looks = 0
        keep = self.pending_files._keep

        def looked(one: object) -> None:
            try:
                keep(one)  # type: ignore[arg-type]
            finally:
                self.looks += 1

        self.pending_files._keep = looked  # type: ignore[method-assign]

    def looked_again(self) -> None:
        """Wait until the one pending job was looked at again: what is not done by then is not going to be."""
        # The first may have begun before.
        wanted = self.looks + 2
        until(lambda: self.looks >= wanted)

    def start(self) -> None:
        self.jobs.start()
        self.pending_files.start()
        # Who asks earlier is told, after a few seconds, that no worker is free.
        until(lambda: self.jobs.ready)

    def close(self) -> None:
        self.pending_files.stop()
        self.jobs.stop(0)

    def promised(self, *models: str) -> PendingJob:
        id = str(uuid.uuid4())
        pending = PendingJob(id, OWNER, f"{id}.jpg", tuple(f"{id}_{model}.jpg" for model in models))
        styles = tuple((1.0, model.replace("_", "-")) for model in models)
        with self.pending_files.promised(pending):
            self.jobs.submit(
                Order(kind="grid", contents=(("file", PHOTO),), styles=styles, settings={"format": "jpeg"}, id=id),
                OWNER,
            )
            self.storage.put(pending.first, b"the first")
        return pending

    def files(self) -> set[str]:
        return {path.name for path in self.storage_folder.iterdir()} if self.storage_folder.is_dir() else set()

    def papers(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.2)
    desk = Desk(tmp_path)
    yield desk
    desk.close()


def test_a_disk_that_is_full_is_waited_out(desk: Desk) -> None:
    desk.start()
    pending = desk.promised("udnie", "the_wave")
    # As good as full: nothing can be written there.
    shutil.rmtree(desk.storage_folder)
    until(lambda: desk.jobs.get(OWNER, pending.id).is_final)
    desk.looked_again()
    assert desk.files() == set()
    assert json.loads((desk.folder / f"{pending.id}.json").read_bytes())["kept"] is False
    desk.storage_folder.mkdir()
    until(lambda: desk.files() == set(pending.files))
    for name in pending.files:
        assert picture_of((desk.storage_folder / name).read_bytes()).size == (40, 40)
    until(lambda: json.loads((desk.folder / f"{pending.id}.json").read_bytes())["kept"])
    (desk.storage_folder / pending.files[0]).unlink()
    desk.looked_again()
    assert desk.files() == {pending.files[1]}


def test_what_is_deleted_or_expires_takes_its_pictures_with_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.start()
    deleted, expired, kept = desk.promised("udnie"), desk.promised("the_wave"), desk.promised("zodiac")
    mine = desk.storage_folder / "notes.txt"
    mine.write_text("mine")
    until(lambda: {*deleted.files, *expired.files, *kept.files} <= desk.files())
    desk.jobs.delete(OWNER, deleted.id)
    until(lambda: not {deleted.first, *deleted.files} & desk.files())
    assert {expired.first, *expired.files} <= desk.files()
    monkeypatch.setattr(desk.jobs._ledger, "expired", lambda now: [desk.jobs.get(OWNER, expired.id)])
    desk.jobs.sweep()
    until(lambda: desk.files() == {kept.first, *kept.files, "notes.txt"})
    until(lambda: desk.papers() == {f"{kept.id}.json"})
    assert desk.pending_files.owner(kept.id) == OWNER
    assert desk.pending_files.owner(deleted.id) is None


def test_what_happens_is_heard_of(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nobody looks by himself.
    monkeypatch.setattr(module, "_LOOK_SECONDS", 10 * WAIT)
    desk.start()
    pending = desk.promised("udnie", "the_wave")
    until(lambda: set(pending.files) <= desk.files())
    desk.jobs.delete(OWNER, pending.id)
    until(lambda: desk.files() == set())


def test_a_server_that_is_busy_tells_each_client_in_its_words(desk: Desk) -> None:
    desk.start()
    desk.jobs.limits = Limits(at_once=0)
    compat = Compat(desk.jobs, storage=desk.storage_folder, pending_files=desk.folder)
    app = make_app(desk.jobs, Keys(), compat=compat)

    async def asked() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://backend") as client:
            pair = {"content": PHOTO, "style": PHOTO}
            return [
                await client.post("/candy", files={"file": PHOTO}),
                await client.post("/style", files={"content_image": PHOTO, "style_image": PHOTO}),
                await client.post("/predictions/nst", files=pair),
            ]

    candy, style, nst = asyncio.run(asked())
    for answer in (candy, style):
        assert (answer.status_code, list(answer.json())) == (429, ["detail"])
    assert (nst.status_code, nst.json()["code"], nst.json()["type"]) == (503, 503, "ServiceUnavailableException")
    assert {answer.headers["retry-after"] for answer in (candy, style, nst)} == {"2"}
    assert desk.files() == set()
    assert desk.papers() == set()


def test_a_job_that_is_given_up_and_tried_again_is_kept_in_the_end(desk: Desk) -> None:
    desk.start()
    pending = desk.promised("udnie", "the_wave", "zodiac")
    desk.jobs.cancel(OWNER, pending.id)
    until(lambda: desk.jobs.get(OWNER, pending.id).is_final)
    desk.jobs.retry(OWNER, pending.id)
    until(lambda: set(pending.files) <= desk.files())


def test_at_the_start_what_is_broken_or_has_no_job_is_dropped(desk: Desk) -> None:
    ids = [str(uuid.uuid4()) for _ in range(3)]
    # Killed between the pending job and its job.
    early = PendingJob(ids[0], OWNER, f"{ids[0]}.jpg", (f"{ids[0]}_candy.jpg",))
    (desk.folder / f"{ids[0]}.json").write_text(json.dumps(asdict(early)))
    (desk.storage_folder / early.first).write_bytes(b"")
    for id, text in ((ids[1], "{"), (ids[2], json.dumps(asdict(early)))):
        (desk.folder / f"{id}.json").write_text(text)
    far = json.dumps(asdict(early) | {"files": [f"../{ids[0]}_candy.jpg"]})
    (desk.folder / "far.json").write_text(far)
    (desk.folder / "list.json").write_text("[]")
    desk.start()
    until(lambda: desk.files() == set())
    until(lambda: desk.papers() == set())
    desk.promised("udnie")


def test_a_promise_whose_job_is_refused_is_void(desk: Desk) -> None:
    desk.start()
    id = str(uuid.uuid4())
    pending = PendingJob(id, OWNER, f"{id}.jpg", (f"{id}_udnie.jpg",))

    def refused() -> None:
        with desk.pending_files.promised(pending):
            assert desk.papers() == {f"{id}.json"}
            raise QueueFull("too much")

    with pytest.raises(QueueFull):
        refused()
    assert desk.papers() == set()
    assert desk.pending_files.owner(id) is None
    shutil.rmtree(desk.folder)
    with pytest.raises(OutputError), desk.pending_files.promised(pending):
        raise AssertionError("nothing is made without a pending job")
    desk.folder.mkdir()


def test_old_files_of_nobody_go_and_all_others_stay(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "storage")
    old, young, kept = (str(uuid.uuid4()) for _ in range(3))
    names = [f"{old}.jpg", f"{old}_candy.jpg", f"{young}.jpg", f"{kept}.jpg", f".impasto-{'0' * 16}.tmp"]
    others = [f"{old}.png", f"{old}_Candy.jpg", f"x{old}.jpg", "photo.jpg", ".impasto-mine.tmp"]
    for name in (*names, *others):
        (tmp_path / "storage" / name).write_bytes(b"")
        if not name.startswith(young):
            os.utime(tmp_path / "storage" / name, (1000, 1000))
    storage.sweep(time.time() - 60, {kept})
    left = {path.name for path in (tmp_path / "storage").iterdir()}
    assert left == {f"{young}.jpg", f"{kept}.jpg", *others}
    with pytest.raises(AssertionError):
        storage.put("../x.jpg", b"")


def test_a_server_that_cannot_write_says_so_and_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "storage"
    with Served(tmp_path, "--compat", "--storage", str(folder)) as server, server.client() as client:
        raw = requests_form("/candy", "127.0.0.1", {"file": PHOTO})
        folder.rmdir()
        answer = replay(server.address, raw)
        assert (answer.status, list(answer.json())) == (503, ["detail"])
        assert "cannot read or store" in answer.json()["detail"]
        assert str(tmp_path) not in answer.json()["detail"]
        assert client.get("/v1/jobs").json()["jobs"] == []
        assert list((tmp_path / "jobs" / "pending_files").iterdir()) == []
        folder.mkdir()
        assert replay(server.address, raw).status == 200


def test_a_job_of_that_id_that_somebody_made_since_is_no_hindrance(desk: Desk) -> None:
    desk.start()
    pending = desk.promised("udnie", "the_wave")
    until(lambda: set(pending.files) <= desk.files())
    desk.pending_files.stop()
    desk.jobs.delete(OWNER, pending.id)
    with pytest.raises(UnknownJob):
        desk.jobs.get(OWNER, pending.id)
    order = Order(kind="stylize", contents=(("a", PHOTO),), styles=((1.0, "udnie"),), id=pending.id)
    desk.jobs.submit(order, OWNER)
    (desk.folder / f"{pending.id}.json").write_text(json.dumps(asdict(pending)))
    desk.pending_files = PendingFiles(desk.jobs, desk.storage, desk.folder)
    desk.pending_files.start()
    other = desk.promised("zodiac")
    until(lambda: desk.files() == {other.first, *other.files})
    assert desk.jobs.get(OWNER, pending.id).kind == "stylize"

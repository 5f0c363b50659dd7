"""What is answered while the database, the disk or a folder cannot be used."""

from __future__ import annotations

import asyncio
import errno
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx
import pytest
from fastapi import APIRouter, FastAPI
from test_jobs import ended, order, photo
from waiting import until

from impasto import Gallery
from impasto.errors import ImpastoError, ModelError, OutputError, OutputExists
from impasto.jobs.errors import StorageAway, Suspended, WorkerLost
from impasto.jobs.limits import Limits
from impasto.jobs.records.error_codec import client_error, without_places
from impasto.jobs.records.job import EVERYONE
from impasto.jobs.service import Jobs
from impasto.jobs.workers.pool import Pool
from impasto.server import health as health_module
from impasto.server import run
from impasto.server.app import make_app
from impasto.server.auth import Keys
from impasto.server.compat.error_formats import Detailed, Modelled
from impasto.server.health import Health


class Client:
    """Asks an application in this process; nothing is started with it."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.request(method, path, **more)

        return asyncio.run(ask())

    def get(self, path: str) -> httpx.Response:
        return self.request("GET", path)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.request("POST", path, **more)


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    """Of a server whose workers are there, as far as it is asked."""
    monkeypatch.setattr(Pool, "ready", True)
    jobs = Jobs(tmp_path / "jobs", interactive=1, bulk=1, gallery=Gallery(tmp_path / "gallery"))
    yield jobs
    jobs._pool.stop(0)
    jobs._ledger.close()
    os.close(jobs._held)


@pytest.fixture
def client(jobs: Jobs) -> Client:
    return Client(make_app(jobs, Keys()))


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the server has uploads wait."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", "/a folder/that is read-only")
    run._use_spool_folder(tmp_path / "jobs" / "uploads")
    return tmp_path / "jobs" / "uploads"


def away(jobs: Jobs, tmp_path: Path) -> Callable[[], None]:
    """Take the database away; returns what puts it back."""
    jobs._ledger.close()
    file, aside = tmp_path / "jobs" / "jobs.sqlite", tmp_path / "aside"
    for old in (file.with_name(f"{file.name}{end}") for end in ("-wal", "-shm")):
        assert not old.exists()
    file.rename(aside)
    file.mkdir()

    def back() -> None:
        file.rmdir()
        aside.rename(file)

    return back


def is_away(answer: Any, tmp_path: Path, code: str = "storage_away") -> None:
    assert (answer.status_code, answer.json()["code"]) == (503, code), answer.text
    assert int(answer.headers["retry-after"]) > 0
    for secret in (str(tmp_path), "sqlite", "ledger"):
        assert secret not in answer.text


ASKED = [
    ("GET", "/v1/jobs"),
    ("GET", "/v1/jobs/one"),
    ("GET", "/v1/jobs/one/result"),
    ("GET", "/v1/jobs/one/trace"),
    ("POST", "/v1/jobs/one/cancel"),
    ("DELETE", "/v1/jobs/one"),
    ("GET", "/v1/status"),
    ("GET", "/v1/events"),
    ("GET", "/v1/events?after=3"),
]


def test_a_database_that_is_away_is_told_as_such(client: Client, jobs: Jobs, tmp_path: Path) -> None:
    assert client.get("/readyz").status_code == 200
    back = away(jobs, tmp_path)
    for method, path in ASKED:
        is_away(client.request(method, path), tmp_path)
    is_away(client.post("/v1/jobs", files={"content": photo(1)}, data={"style": "udnie"}), tmp_path)
    is_away(client.get("/readyz"), tmp_path, "not_ready")
    assert client.get("/healthz").status_code == 200
    assert client.get("/v1/styles").status_code == 200
    measured = client.get("/metrics")
    assert measured.status_code == 200
    assert "impasto_storage_up 0.0" in measured.text
    assert "impasto_workers{" in measured.text
    assert "impasto_jobs{" not in measured.text
    back()
    assert client.get("/readyz").status_code == 200
    assert client.get("/v1/jobs").json()["jobs"] == []
    measured = client.get("/metrics")
    assert "impasto_storage_up 1.0" in measured.text
    assert 'impasto_jobs{state="queued"} 0.0' in measured.text


def test_a_folder_or_disk_that_is_away_is_told_as_such(client: Client, tmp_path: Path) -> None:
    (tmp_path / "jobs" / "blobs" / "incoming").rmdir()
    is_away(client.get("/readyz"), tmp_path, "not_ready")
    assert "impasto_storage_up 0.0" in client.get("/metrics").text
    assert client.get("/v1/jobs").status_code == 200


def test_a_disk_with_hardly_any_room_is_full(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OutputError, match="No space left"):
        jobs.stored()
    assert list((jobs._blobs.folder / "incoming").iterdir()) == []


def test_uploads_wait_beside_the_jobs(client: Client, uploads: Path, tmp_path: Path) -> None:
    form: dict[str, Any] = {"files": {"content": photo(1) + bytes(3 << 20)}, "data": {"stile": "udnie"}}
    assert client.post("/v1/stylize", **form).json()["code"] == "bad_request"
    assert os.environ["TMPDIR"] == str(uploads)
    # Away with it: now, and only so, it cannot be read. What needs no file of its own can.
    uploads.rmdir()
    is_away(client.post("/v1/stylize", **form), tmp_path)
    is_away(client.post("/v1/jobs", **form), tmp_path)
    form["files"] = {"content": photo(1)}
    assert client.post("/v1/stylize", **form).json()["code"] == "bad_request"


def test_what_a_killed_server_left_of_uploads_goes(uploads: Path) -> None:
    (uploads / "half").write_bytes(b"half")
    run._use_spool_folder(uploads)
    assert list(uploads.iterdir()) == []


def test_nobody_waits_for_a_database_that_does_not_answer(
    client: Client, jobs: Jobs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(health_module, "_PATIENCE", 0.01)
    let_go, asked = threading.Event(), list[int]()

    def hanging() -> dict[str, int]:
        asked.append(1)
        let_go.wait()
        return {}

    monkeypatch.setattr(jobs, "stored", hanging)
    try:
        for _ in range(5):
            is_away(client.get("/readyz"), tmp_path, "not_ready")
            assert "impasto_storage_up 0.0" in client.get("/metrics").text
        assert len(asked) == 1, "they would be more and more"
    finally:
        let_go.set()
    until(lambda: client.get("/readyz").status_code == 200)


def test_an_operator_is_answered_though_every_thread_waits(jobs: Jobs, tmp_path: Path) -> None:
    key, line = Keys.new("ann")
    (tmp_path / "keys.txt").write_text(line)
    app = make_app(jobs, Keys(tmp_path / "keys.txt"))

    async def ask() -> list[int]:
        threads = anyio.to_thread.current_default_thread_limiter()
        while threads.available_tokens:
            threads.acquire_on_behalf_of_nowait(object())
        headers = {"Authorization": f"Bearer {key}"}
        async with asyncio.timeout(60), httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
            paths = ("/healthz", "/readyz", "/metrics")
            return [(await client.get(f"http://localhost{path}", headers=headers)).status_code for path in paths]

    assert asyncio.run(ask()) == [200, 200, 200]


def test_each_change_is_logged_once(
    client: Client, jobs: Jobs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "impasto.server")
    back = away(jobs, tmp_path)
    for _ in range(3):
        client.get("/readyz")
    back()
    client.get("/readyz")
    first, second = (record.getMessage() for record in caplog.records if record.module == Health.__module__[-6:])
    assert first.startswith("jobs cannot be read and stored: the ledger sqlite:///")
    assert second == "jobs can be read and stored again"


@pytest.mark.parametrize(
    "error",
    [
        OutputError("the ledger postgresql://host/name cannot be used: no route"),
        OSError(errno.ENOSPC, "No space left on device", "/tmp/secret"),
        OSError(errno.EROFS, "Read-only file system"),
    ],
    ids=["database", "full", "read-only"],
)
def test_other_programs_clients_are_told_in_their_words(error: Exception) -> None:
    app = FastAPI()
    for path, kind in (("/detailed", Detailed), ("/modelled", Modelled)):
        router = APIRouter(route_class=kind)

        @router.get(path)
        async def fail() -> None:
            raise error

        app.include_router(router)
    client = Client(app)
    for path, word in (("/detailed", "detail"), ("/modelled", "message")):
        answer = client.get(path)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()[word].startswith("the server cannot read or store jobs and pictures just now")


def test_a_client_that_is_gone_is_no_fault_of_a_disk() -> None:
    app = FastAPI()
    router = APIRouter(route_class=Detailed)

    @router.get("/")
    async def fail() -> None:
        raise ConnectionResetError("gone")

    app.include_router(router)
    assert Client(app).get("/").status_code == 500


def test_places_are_not_shown() -> None:
    for text, seen in (
        ("cannot read '/srv/jobs/a b.onnx'", "cannot read '(a place on the server) b.onnx'"),
        ("the ledger postgresql+psycopg://me@host:5/x is away", "the ledger (a place on the server) is away"),
        ("it is at C:\\models\\x.onnx; see", "it is at (a place on the server); see"),
        ("give 3/4 or and/or 1.5 / 2", "give 3/4 or and/or 1.5 / 2"),
    ):
        assert without_places(text) == seen
    for error, kind in (
        (OutputError("/a/b cannot be written"), StorageAway),
        (OutputExists("x exists"), OutputExists),
        (ModelError("/a/b.onnx is broken"), ModelError),
        (WorkerLost("no worker can be started: /bin/x is gone", "down"), WorkerLost),
    ):
        found = client_error(error)
        assert type(found) is kind
        assert "/" not in str(found)
    lost = client_error(WorkerLost("no worker can be started: /bin/x is gone", "down"))
    assert isinstance(lost, WorkerLost)
    assert lost.reason == "down"
    kept = ImpastoError("strength is 2")
    assert client_error(kept) is kept


@pytest.mark.parametrize(
    ("room", "deed", "error"),
    [
        ("_ledger", "publish", OutputError("the ledger cannot be used: no route to the host")),
        ("_ledger", "publish", Suspended("another server holds this server's database")),
        ("_pool", "paint", OutputError("the saved run cannot be written: No space left on device")),
    ],
    ids=["database", "lock", "disk"],
)
def test_a_job_outlives_what_is_away_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: str, deed: str, error: Exception
) -> None:
    monkeypatch.setattr("impasto.jobs.maintenance._SWEEP_SECONDS", 1e6)
    gallery = Gallery(tmp_path / "gallery")
    jobs = Jobs(tmp_path / "jobs", interactive=1, bulk=1, gallery=gallery, limits=Limits(attempts=2))
    jobs.start()
    tries: list[int] = []

    def fail(*_: object, **__: object) -> None:
        tries.append(1)
        raise error

    try:
        with monkeypatch.context() as patched:
            patched.setattr(getattr(jobs, room), deed, fail)
            until(jobs.ready)  # else a busy machine may let a picture wait too long
            job, _ = jobs.submit(order(3), EVERYONE)
            for count in (1, 2, 3, 4):
                until(lambda: len(tries) == count and not jobs._runner.doing)  # noqa: B023
                assert not jobs.get(EVERYONE, job.id).is_final, "an acknowledged job is lost"
                jobs.sweep()
        until(lambda: not jobs._runner.doing)
        jobs.sweep()
        assert ended(jobs, job).state == "done"
    finally:
        jobs.stop(0)

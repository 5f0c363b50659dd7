"""The options of ``impasto serve``: by the environment as well, limits by name, and signals."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import threading
from dataclasses import fields
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from serving import Served
from test_server import make, wait

from impasto.cli.commands.serve import serve, settable_limits
from impasto.cli.main import cli
from impasto.errors import RequestError
from impasto.jobs.limits import Limits
from impasto.server import shutdown as ending_module
from impasto.server.auth import Keys
from impasto.server.client_limits import ClientLimits
from impasto.server.shutdown import Shutdown


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the command up to the server, and returns what that was given."""
    given: dict[str, Any] = {}

    def served(home: Path, **more: Any) -> None:
        given.update(more, home=home)

    def left(status: int = 0) -> None:
        given["left"] = status

    monkeypatch.setattr("impasto.server.run.serve", served)
    monkeypatch.setattr("impasto.server.shutdown.exit_now", left)
    monkeypatch.setattr("impasto.logs.set_up", lambda *form: given.update(logs=form))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.delenv("IMPASTO_DATABASE", raising=False)

    def invoke(*arguments: str, **environment: str) -> tuple[Result, dict[str, Any]]:
        given.clear()
        monkeypatch.setenv("IMPASTO_SERVE_LOG", "")  # the command sets it for its workers
        return CliRunner().invoke(cli, ["serve", *arguments], env=dict(environment)), given

    return invoke


def test_every_option_can_be_given_by_the_environment(run: Any, tmp_path: Path) -> None:
    (tmp_path / "keys.txt").write_text(Keys.new("ann")[1])
    said = {
        "HOST": "0.0.0.0",
        "PORT": "81",
        "HOME": str(tmp_path),
        "DATABASE": "postgresql://there/jobs",
        "API_KEY_FILE": str(tmp_path / "keys.txt"),
        "INSECURE": "1",
        "HOST_NAME": "one two",
        "ROOT_PATH": "/impasto",
        "MAX_CONNECTIONS": "9",
        "WORKERS": "3",
        "BULK_WORKERS": "2",
        "MAX_UPLOAD": "7",
        "KEEP": "2",
        "LIMIT": "files=9 worker_memory=3G requests_per_minute=30",
        "LOG": "json",
        "LOG_LEVEL": "warning",
        "COMPAT": "yes",
        "STORAGE": str(tmp_path / "storage"),
        "COMPAT_SIZE": "640",
    }
    options = {str(param.name).upper() for param in serve.params} - {"NEW_KEY"}
    assert set(said) == options, "an option is not tried here"
    result, given = run(**{f"IMPASTO_SERVE_{name}": text for name, text in said.items()})
    assert result.exit_code == 0, result.output
    limits = given.pop("limits")
    assert (limits.upload_bytes, limits.kept_seconds, limits.files, limits.worker_memory) == (7 << 20, 7200, 9, 3 << 30)
    assert limits.requests_per_minute == 30
    del given["ready"]
    assert given == {
        "host": "0.0.0.0",
        "port": 81,
        "home": tmp_path,
        "database": "postgresql://there/jobs",
        "key_file": tmp_path / "keys.txt",
        "insecure": True,
        "names": ("one", "two"),
        "root": "/impasto",
        "clients": ClientLimits(connections=9),
        "interactive": 3,
        "bulk": 2,
        "compat": True,
        "storage": tmp_path / "storage",
        "compat_size": 640,
        "logs": ("json", "WARNING"),
        "left": 0,
    }


def test_what_is_typed_goes_before_the_environment(run: Any) -> None:
    _, given = run("--port", "82", IMPASTO_SERVE_PORT="81")
    assert given["port"] == 82
    _, given = run(IMPASTO_DATABASE="postgresql://a", IMPASTO_SERVE_DATABASE="postgresql://b")
    assert given["database"] == "postgresql://b"
    _, given = run(IMPASTO_DATABASE="postgresql://a", IMPASTO_SERVE_NEW_KEY="ann")
    assert (given["database"], given["port"]) == ("postgresql://a", 8000)


def test_what_stands_for_no_option_is_told(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    run(IMPASTO_SERVE_MAXUPLOAD="7", IMPASTO_SERVE_PORT="81")
    assert [record.getMessage() for record in caplog.records] == [
        "IMPASTO_SERVE_MAXUPLOAD is not an option of impasto serve, and is ignored"
    ]


def test_most_limits_can_be_set(run: Any) -> None:
    names = settable_limits(Limits())
    assert len(names) >= len(fields(Limits)) - 3
    for name in names:
        _, given = run("--limit", f"{name}=5")
        assert getattr(given["limits"], name) == 5
        assert type(getattr(given["limits"], name)) is names[name]
    _, given = run("--limit", "pixel_steps=1e9", "--limit", "job_seconds=0.5")
    assert (given["limits"].pixel_steps, given["limits"].job_seconds) == (1e9, 0.5)


def test_the_documentation_names_limits_that_there_are() -> None:
    docs = (Path(__file__).parents[1] / "docs" / "server.md").read_text("utf-8")
    table = docs.partition("sets any other limit")[2].partition("Every option")[0]
    named = set(re.findall(r"`([a-z_]+)`", table))
    assert len(named) > 10
    assert named <= set(settable_limits(Limits()))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file=9", "there is no limit 'file'; those there are: max_pixels, "),
        ("files", "--limit files=: give a whole number above 0, such as 100 or 4G"),
        ("files=0", "give a whole number above 0"),
        ("files=-1", "give a whole number above 0"),
        ("files=1.5", "give a whole number above 0"),
        ("files=many", "give a whole number above 0"),
        ("job_seconds=nan", "give a number above 0, such as 60 or 2e10"),
        ("job_seconds=inf", "give a number above 0"),
        ("upload_bytes=9", "the limit upload_bytes has an option of its own: --max-upload"),
    ],
)
def test_a_limit_that_cannot_be_is_refused(run: Any, text: str, said: str) -> None:
    result, given = run("--limit", text)
    assert (result.exit_code, given) == (2, {})
    assert said in " ".join(result.output.split())


@pytest.mark.parametrize("hours", ["nan", "inf", "-1", "0", "9000", "0,5", "a day"])
def test_jobs_are_kept_for_hours_that_there_are(run: Any, hours: str) -> None:
    for result, given in (run("--keep", hours), run(IMPASTO_SERVE_KEEP=hours)):
        assert (result.exit_code, given) == (2, {})
        assert "Invalid value for '--keep'" in result.output
        assert "; give a number" in result.output
    assert run("--keep", "0.5")[1]["limits"].kept_seconds == 1800


def test_a_server_that_cannot_start_says_so_in_json(
    run: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise RequestError("another server has its jobs there")

    monkeypatch.setattr("impasto.server.run.serve", refused)
    result, _ = run("--log", "json")
    assert (result.exit_code, result.stderr) == (2, "")
    assert [record.getMessage() for record in caplog.records] == ["another server has its jobs there"]
    result, _ = run()
    assert (result.exit_code, result.stderr) == (2, "error: another server has its jobs there\n")


def test_keys_are_read_again_at_a_hangup(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    (old, old_line), (new, new_line) = Keys.new("ann"), Keys.new("bob")

    def status(key: str) -> int:
        return httpx.get(f"{server.address}/v1/jobs", headers={"Authorization": f"Bearer {key}"}).status_code

    def hang_up(text: str, told: str) -> None:
        file.write_text(text)
        assert server.process is not None
        before = (tmp_path / "said.txt").read_text().count(told)
        server.process.send_signal(signal.SIGHUP)
        with server.client() as client:
            wait(client, "/healthz", lambda _: (tmp_path / "said.txt").read_text().count(told) > before)

    file.write_text(old_line)
    with Served(tmp_path, "--api-key-file", str(file)) as server:
        assert (status(old), status(new)) == (200, 401)
        hang_up(f"{old_line}\n{new_line}\n", "the keys were read again")
        assert (status(old), status(new)) == (200, 200)
        hang_up(new_line, "the keys were read again")
        assert (status(old), status(new)) == (401, 200)
        for broken in ("", "ann:short", "# nobody", f"local:{'0' * 64}"):
            hang_up(broken, "the keys stay as they were")
            assert (status(old), status(new), status("no")) == (401, 200, 401)
        file.unlink()
        assert server.process is not None
        assert server.stop() == 0


def test_it_ends_though_the_database_hangs(tmp_path: Path) -> None:
    """As without the end of its own it would wait for threads that wait for a database."""
    with Served(tmp_path) as server, server.client() as client:
        wait(client, "/readyz", lambda answer: answer.status_code == 200)
        make(client)
        files = [tmp_path / "jobs" / name for name in ("jobs.sqlite", "workflows.sqlite")]
        held = [sqlite3.connect(file, isolation_level=None, timeout=60) for file in files]
        for connection in held:
            connection.execute("BEGIN IMMEDIATE")
        asking = [threading.Thread(target=_ask, args=(server.address,)) for _ in range(3)]
        for thread in asking:
            thread.start()
        assert server.stop() == 0
        for thread in asking:
            thread.join()
        for connection in held:
            connection.close()


def _ask(address: str) -> None:
    try:
        httpx.post(f"{address}/v1/jobs/one/cancel", timeout=60)
    except httpx.HTTPError:
        return


def test_an_end_that_does_not_come_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending_module, "_SECONDS", 0.01)
    left = threading.Event()
    monkeypatch.setattr(ending_module, "exit_now", left.set)
    ending = Shutdown()
    ending.begin()
    ending.begin()
    assert left.wait(60)


def test_an_end_that_came_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []
    left = threading.Event()
    monkeypatch.setattr(ending_module, "exit_now", left.set)
    ending = Shutdown()
    ending.begin()
    threads += [thread for thread in threading.enumerate() if thread.name == "impasto-ending"]
    ending.finish()
    for thread in threads:
        thread.join(60)
    assert len(threads) == 1
    assert not left.is_set()


def test_a_new_key_is_printed(run: Any) -> None:
    result, given = run("--new-key", "ann")
    assert given == {}
    assert json.loads(result.stdout)["line"].startswith("ann:")
    assert "IMPASTO_SERVE_LOG" in os.environ

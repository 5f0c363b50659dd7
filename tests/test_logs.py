"""The server's log: lines with time, level and what they are about, as text and as JSON."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from serving import Served
from test_answers import failed
from test_guard import an_app, ask
from test_server import PHOTO, SLOW, STYLE, finished, make, wait
from waiting import until

from impasto import logs

TEXT_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO|WARNING|ERROR|CRITICAL) [a-z.]+: .+")


def said(code: str, form: str) -> list[str]:
    """What a process that logs in that form says on standard error."""
    script = f"import logging, sys, threading, warnings\nfrom impasto import logs\nlogs.set_up({form!r})\n{code}"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.stdout == ""
    return run.stderr.splitlines()


def test_a_line_has_time_level_and_what_it_is_about() -> None:
    code = """
with logs.log_context(job="one", owner="ann"):
    with logs.log_context(request="r"):
        logging.getLogger("impasto.x").info("it is %s", "done", extra={"facts": {"seconds": 1.5}})
    logging.getLogger("impasto.x").debug("too much")
    logging.getLogger("library").info("too much")
logging.getLogger("library").warning("begin\\nforged line")
"""
    first, second = said(code, "text")
    assert TEXT_LINE.fullmatch(first)
    assert first.endswith("INFO impasto.x: it is done job=one owner=ann request=r seconds=1.5")
    assert second.endswith("WARNING library: begin\\x0aforged line")
    one, two = map(json.loads, said(code, "json"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", one.pop("time"))
    about = {"job": "one", "owner": "ann", "request": "r", "seconds": 1.5}
    assert one == {"level": "info", "logger": "impasto.x", "message": "it is done", **about}
    assert two["message"] == "begin\nforged line"
    assert "job" not in two


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise ValueError('a\\nb')", "a\nb"),
        ("t = threading.Thread(target=lambda: 1 / 0, name='t')\nt.start()\nt.join()", "t failed: division by zero"),
        ("try:\n    1 / 0\nexcept ZeroDivisionError:\n    logging.exception('no')", "no"),
        ("warnings.warn('beware')", "beware"),
        ("import dbos._logger as d\nd.init_logger()\nd.dbos_logger.error('lost')", "lost"),
    ],
    ids=["uncaught", "thread", "caught", "warning", "queue"],
)
def test_whatever_is_said_is_one_line_of_json(code: str, message: str) -> None:
    (line,) = said(code, "json")
    found = json.loads(line)
    assert message in found["message"]
    assert {"time", "level", "logger"} < set(found)
    if "1 / 0" in code or "raise" in code:
        assert "Traceback" in found["error"]


def test_the_queues_own_lines_are_about_their_job() -> None:
    record = logging.LogRecord("dbos", logging.ERROR, "", 0, "lost", (), None)
    record.operationUUID = "ann/one/0123"
    assert json.loads(logs._Json().format(record))["job"] == "one"


def test_what_a_task_logs_is_about_its_request_alone() -> None:
    seen: list[Any] = []

    def task(id: str) -> None:
        logs.set_log_context(request=id)
        with logs.log_context(job="x"):
            seen.append(dict(logs.log_facts()))
        seen.append(dict(logs.log_facts()))

    for id in "ab":
        thread = threading.Thread(target=task, args=(id,))
        thread.start()
        thread.join()
    assert seen == [{"request": "a", "job": "x"}, {"request": "a"}, {"request": "b", "job": "x"}, {"request": "b"}]
    assert dict(logs.log_facts()) == {}


def test_a_server_logs_json_with_ids_on_every_line(tmp_path: Path) -> None:
    def lines() -> list[dict[str, Any]]:
        found = (tmp_path / "said.txt").read_text().splitlines()
        assert found
        return [json.loads(line) for line in found if line]

    with Served(tmp_path, "--log", "json") as server, server.client() as client:
        wait(client, "/readyz", lambda answer: answer.status_code == 200)
        answer = client.post(
            "/v1/jobs", files={"content": ("a", PHOTO)}, data=STYLE, headers={"X-Request-ID": "from-proxy/1"}
        )
        assert answer.headers["x-request-id"] == "from-proxy/1"
        job = answer.json()["id"]
        finished(client, job)
        odd = client.get("/healthz", headers={"X-Request-ID": "no good"})
        assert re.fullmatch(r"[0-9a-f-]{36}", odd.headers["x-request-id"])
        # A worker that is lost is lost to somebody.
        slow = make(client, PHOTO, **SLOW)["id"]
        wait(client, f"/v1/jobs/{slow}", lambda answer: (answer.json()["step"] or 0) > 0)
        (busy,) = [w["pid"] for w in client.get("/v1/status").json()["workers"] if w["state"] == "busy"]
        os.kill(busy, signal.SIGKILL)
        wait(client, "/readyz", lambda _: any("was lost" in line["message"] for line in lines()))
        client.post(f"/v1/jobs/{slow}/cancel")
        finished(client, slow)
        assert server.stop() == 0
    every = lines()
    assert all({"time", "level", "logger", "message"} <= set(line) for line in every)
    (made,) = [line for line in every if line.get("path") == "/v1/jobs" and line.get("method") == "POST"][:1]
    assert (made["request"], made["job"], made["status"], made["owner"]) == ("from-proxy/1", job, 202, "local")
    assert made["seconds"] > 0
    assert made["client"] == "127.0.0.1"
    queued = next(line for line in every if line["message"] == f"job {job} is queued")
    assert (queued["request"], queued["job"]) == ("from-proxy/1", job)
    assert [line["message"] for line in every if line.get("job") == job and "request" not in line] == [
        "it runs",
        "it is done",
    ]
    (lost,) = [line for line in every if "was lost" in line["message"]]
    assert (lost["job"], lost["level"]) == (slow, "warning")


def test_requests_can_be_left_out(tmp_path: Path) -> None:
    with Served(tmp_path, "--log-level", "info") as server, server.client() as client:
        client.get("/healthz")
        # An answer is logged once it is sent.
        until(lambda: "GET /healthz 200" in (tmp_path / "said.txt").read_text())
    assert all(TEXT_LINE.fullmatch(line) for line in (tmp_path / "said.txt").read_text().splitlines())


@pytest.mark.parametrize(
    ("root", "front"), [("", ""), ("/studio", ""), ("/studio", "/studio")], ids=["none", "cut off", "passed on"]
)
def test_below_a_path_of_its_host_lines_are_the_same(root: str, front: str, caplog: pytest.LogCaptureFixture) -> None:
    app = an_app(root=root)
    jobs = app.state.jobs
    jobs.get, jobs.check_room = lambda owner, id: failed("error"), lambda owner: None
    jobs.submit, jobs.view = lambda order, owner: (failed("error"), True), lambda job: {"id": "new", "left_out": []}
    caplog.set_level("INFO", "impasto.access")
    given = {"X-Request-ID": "from-proxy"}
    got = ask(app, "GET", f"{front}/v1/jobs/one", headers=given)
    made = ask(app, "POST", f"{front}/v1/jobs", headers=given, files={"content": ("a", PHOTO)}, data=STYLE)
    assert made.headers["location"] == f"{root}/v1/jobs/new"
    assert [answer.headers["x-request-id"] for answer in (got, made)] == ["from-proxy"] * 2
    found = [(record.getMessage(), vars(record)["facts"]) for record in caplog.records]
    assert [(text, facts["path"], facts["job"]) for text, facts in found] == [
        ("GET /v1/jobs/one 200", "/v1/jobs/one", "one"),
        ("POST /v1/jobs 202", "/v1/jobs", "new"),
    ]

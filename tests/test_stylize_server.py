"""``impasto stylize --server``, by a real server."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from serving import COMMAND, Served
from waiting import WAIT, until

from impasto import Client, ImpastoError
from impasto import stylizer as stylizer_module
from impasto.cli.main import cli
from impasto.cli.stylize.output_paths import Task
from impasto.cli.stylize.reporter import Display
from impasto.picture import Picture
from impasto.picture.provenance import read_settings
from impasto.request import Progress
from impasto.stylizer import Stylizer

SLOW = ["--steps", "5000", "--levels", "1", "--start", "content", "--optimiser", "adam"]

posix = pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("served")) as server:
        yield server


@pytest.fixture(scope="module")
def api(server: Served) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture(autouse=True)
def _album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stylizer: Stylizer) -> Iterator[None]:
    """A folder to work in, with ``a.jpg``, ``b.png`` and the paintings ``sea.png`` and ``hill.png``."""
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "home"))
    # One for all: where several were closed, OpenVINO leaves a stack for signals behind that is nobody's any more.
    monkeypatch.setattr(stylizer_module, "Stylizer", lambda *_, **__: stylizer)
    monkeypatch.delenv("IMPASTO_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("a.jpg", "b.png", "sea.png", "hill.png")):
        paint(name, seed)
    # A test run in the background ignores interrupts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


def paint(name: str, seed: int, size: tuple[int, int] = (48, 40)) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    spots = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), np.uint8)
    Image.fromarray(spots).resize(size, Image.Resampling.BICUBIC).save(path)


def impasto(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(cli, ["stylize", *arguments], input=stdin)


def records(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def jobs(api: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get("/v1/jobs").json()["jobs"]
    return found


def difference(one: str, other: str) -> int:
    return int(np.abs(Picture.open(one).pixels.astype(int) - Picture.open(other).pixels.astype(int)).max())


def begun(*arguments: str, prelude: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", prelude + COMMAND, "stylize", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        # A test run in the background ignores interrupts, and its children would, too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def stepping(api: httpx.Client) -> bool:
    return any((job["step"] or 0) > 2 for job in jobs(api))


@pytest.mark.parametrize(
    "arguments",
    [
        ["-s", "starry-night"],
        ["-s", "sea.png"],
        ["-s", "the-wave:2", "-s", "sea.png:0.5", "-s", "hill.png"],
        ["-s", "sea.png", "--mask", "mask.png", "--strength", "0.7", "--keep-colors", "--resize", "40"],
        ["-s", "sea.png", "--steps", "2", "--guide", "mask.png", "--initial", "b.png"],
    ],
)
def test_the_same_picture_and_record_come_from_either_place(server: Served, arguments: list[str]) -> None:
    mask = np.zeros((40, 48), np.uint8)
    mask[:, :24] = 255
    Image.fromarray(mask).save("mask.png")
    command = ["b.png", *arguments, "--deterministic", "--json"]
    here = impasto(*command, "-o", "here.png")
    there = impasto(*command, "-o", "there.png", "--server", server.address)
    assert (here.exit_code, there.exit_code, there.stderr) == (0, 0, ""), there.output
    assert difference("here.png", "there.png") <= 1
    (expected,), (found,) = records(here), records(there)
    assert found["seconds"] > 0
    assert found | {"seconds": 0, "output": ""} == expected | {"seconds": 0, "output": ""}
    assert list(found) == list(expected)
    assert list(found["settings"]) == list(expected["settings"])


def test_a_folder_is_painted_named_and_skipped_as_it_is_here(server: Served) -> None:
    for seed, name in enumerate(("trip/one.jpg", "trip/two.png", "trip/three.webp")):
        paint(name, seed)
    Path("trip/broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    command = ["trip", "gone.jpg", "-s", "sea.png", "-o", "out", "--server", server.address + "/"]
    result = impasto(*command)
    assert result.exit_code == 2
    assert sorted(os.listdir("out")) == ["one.sea.jpg", "three.sea.webp", "two.sea.png"]
    assert [Picture.open(f"out/{name}").format for name in ("one.sea.jpg", "three.sea.webp")] == ["jpeg", "webp"]
    broken, gone, last = result.stderr.splitlines()
    assert broken.startswith(f"error: {Path('trip/broken.jpg')}: content: the picture cannot be read")
    assert gone.startswith("error: gone.jpg cannot be read")
    assert last == "2 of 5 failed"
    again = impasto(*command, "--skip-existing", "--json")
    assert again.exit_code == 2
    assert [record["skipped"] for record in records(again)].count(True) == 3
    taken = impasto("trip/one.jpg", "-s", "sea.png", "-o", "out/", "--server", server.address)
    assert (taken.exit_code, "already exists; add --overwrite" in taken.stderr) == (1, True)
    assert impasto("out/*", "-s", "sea.png", "--server", server.address).exit_code == 2  # Impasto made them all


def test_a_photo_is_piped_through(server: Served) -> None:
    result = impasto("-", "-s", "starry-night", "--server", server.address, stdin=Path("a.jpg").read_bytes())
    assert (result.exit_code, result.stderr) == (0, "")
    image = Image.open(io.BytesIO(result.stdout_bytes))
    assert (image.format, image.size) == ("JPEG", (48, 40))
    assert impasto("-", "-s", "starry-night", "--server", server.address, stdin=b"").exit_code == 1


def test_the_outputs_name_says_the_format(server: Served) -> None:
    assert impasto("a.jpg", "-s", "udnie", "-o", "o.png", "--bits", "16", "--server", server.address).exit_code == 0
    assert Picture.open("o.png").format == "png"
    assert (read_settings("o.png") or {})["bits"] == 16
    assert impasto("a.jpg", "-s", "udnie", "-o", "plain", "--server", server.address).exit_code == 0
    assert Picture.open("plain").format == "jpeg"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["-s", "starry-nigth"], 1, "no style is named 'starry-nigth'; did you mean starry-night or"),
        (["-s", "broken.png"], 1, "broken.png cannot be read"),
        (["-s", "sea.png", "--mask", "gone.png"], 1, "gone.png cannot be read"),
        (["-s", "sea.png", "--deterministic", "--precision", "bf16"], 2, "deterministic needs f32"),
        (["-s", "sea.png", "--steps", "1", "--encoder", "/etc"], 2, "there is no encoder '/etc' here"),
        (["-s", "sea.png", "--regions", "sea.png=udnie"], 2, "--regions works only without --server; remove one of"),
        (["-s", "sea.png", "--trace", "t.jsonl"], 2, "--trace works only without --server; remove one of them"),
        (["-s", "sea.png", "--snapshots", "2"], 2, "--snapshots works only without --server; remove one of them"),
        (["-s", "sea.png", "--state", "s"], 2, "--state works only without --server; remove one of them"),
    ],
)
def test_what_cannot_be_is_told_once(
    server: Served, api: httpx.Client, arguments: list[str], status: int, message: str
) -> None:
    Path("broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    result = impasto("a.jpg", "b.png", *arguments, "--server", server.address)
    assert (result.exit_code, result.stdout) == (status, "")
    assert result.stderr.count("rror: ") == 1
    assert message in " ".join(result.stderr.split())
    assert jobs(api) == []


@pytest.mark.parametrize("engine", ["instant", "iterative"])
def test_no_server_is_one_sentence(engine: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    result = impasto("a.jpg", "b.png", "-s", "udnie", "--engine", engine, "--server", address)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: the server {address} does not answer (")
    assert result.stderr.endswith("; start it, or check the address\n")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("address", ["localhost:8000", "studio", "ftp://studio", "http://", "", "//x"])
def test_an_address_that_is_none_is_wrong_usage(address: str) -> None:
    result = impasto("a.jpg", "-s", "udnie", "--server", address)
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: the server is {address!r}; give an address with http:// or https://, such as http://localhost:8000\n"
    )


def test_a_key_is_asked_for_and_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = json.loads(CliRunner().invoke(cli, ["serve", "--new-key", "anna"]).stdout)
    Path("keys.txt").write_text(made["line"])
    with Served(tmp_path, "--api-key-file", str(tmp_path / "keys.txt")) as served:
        command = ["a.jpg", "b.png", "-s", "udnie", "--server", served.address]
        refused = impasto(*command)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert refused.stderr == (
            f"error: the server {served.address} asks for a valid API key; set IMPASTO_API_KEY to yours\n"
        )
        monkeypatch.setenv("IMPASTO_API_KEY", made["key"])
        assert impasto(*command).exit_code == 0
    monkeypatch.setenv("IMPASTO_API_KEY", "schlüssel")
    assert "the API key contains invalid characters" in impasto(*command).stderr


def test_steps_are_told_and_the_job_is_removed(
    server: Served, api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("impasto.cli.stylize.reporter._EVERY", 0.0)
    monkeypatch.setattr("impasto.cli.stylize.remote._EVERY", 0.01)
    result = impasto("a.jpg", "-s", "sea.png", "--steps", "30", "--server", server.address)
    assert (result.exit_code, result.stdout) == (0, "a.sea.jpg\n"), result.stderr
    told = result.stderr.splitlines()
    assert told
    assert all(line.startswith("step ") and " of 30, total loss " in line for line in told)
    settings = read_settings("a.sea.jpg") or {}
    assert (settings["engine"], settings["steps"]) == ("iterative", 30)
    assert jobs(api) == []


def test_what_the_engine_refuses_is_told_and_the_job_is_removed(server: Served, api: httpx.Client) -> None:
    result = impasto("a.jpg", "-s", "udnie", "--start", "style", "--server", server.address)
    assert result.exit_code == 2
    assert "udnie is a card without its picture" in result.stderr
    assert jobs(api) == []


def test_a_picture_that_cannot_be_written_stays_at_the_server(server: Served, api: httpx.Client) -> None:
    result = impasto("a.jpg", "-s", "sea.png", "--steps", "1", "-o", "b.png/o.png", "--server", server.address)
    assert result.exit_code == 1
    (job,) = jobs(api)
    assert f"; the server still has it, as the result of job {job['id']}\n" in result.stderr
    assert api.delete(f"/v1/jobs/{job['id']}").status_code == 204


@posix
def test_an_interrupt_keeps_the_best_so_far(server: Served, api: httpx.Client) -> None:
    process = begun("a.jpg", "b.png", "-s", "sea.png", *SLOW, "--json", "--server", server.address)
    until(lambda: stepping(api))
    process.send_signal(signal.SIGINT)
    output, error = process.communicate(timeout=WAIT)
    assert process.returncode == 130, error
    kept, stopped = error.splitlines()
    assert kept.startswith("stopped at step ")
    assert kept.endswith(" of 5000: kept the best so far (again to discard)")
    assert stopped == "stopped: 1 of 2 pictures done"
    record = json.loads(output)
    assert (record["ok"], record["complete"], record["output"]) == (True, False, "a.sea.jpg")
    assert Picture.open("a.sea.jpg").size == (48, 40)
    assert jobs(api) == []


def test_a_second_interrupt_discards(server: Served, api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    progress, stopped = Display.progress, Display.stopped

    def interrupt(display: Display, task: Task, told: Progress, size: tuple[int, int] | None = None) -> None:
        progress(display, task, told, size)
        if told.step:
            signal.raise_signal(signal.SIGINT)

    def again(display: Display, told: Progress) -> None:
        stopped(display, told)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Display, "progress", interrupt)
    monkeypatch.setattr(Display, "stopped", again)
    result = impasto("a.jpg", "-s", "sea.png", *SLOW, "--server", server.address)
    assert (result.exit_code, result.stdout) == (130, "")
    kept, last = result.stderr.splitlines()[-2:]
    assert kept.endswith(" of 5000: kept the best so far (again to discard)")
    assert last == "stopped: 0 of 1 picture done"
    assert not Path("a.sea.jpg").exists()
    assert jobs(api) == []


@posix
def test_whoever_is_told_to_end_leaves_no_job(server: Served, api: httpx.Client) -> None:
    process = begun("a.jpg", "-s", "sea.png", *SLOW, "-q", "--server", server.address)
    until(lambda: stepping(api))
    process.terminate()
    assert process.communicate(timeout=WAIT) == ("", "")
    assert process.returncode == 128 + signal.SIGTERM
    assert not Path("a.sea.jpg").exists()
    assert jobs(api) == []


@posix
def test_an_interrupt_while_it_waits_in_the_queue_discards(server: Served, api: httpx.Client) -> None:
    files = {"content": ("a.png", Path("b.png").read_bytes())}
    form = {"style": "udnie", "engine": "iterative", "steps": "5000", "levels": "1", "optimiser": "adam"}
    other = api.post("/v1/jobs", files=files, data=form).json()["id"]
    try:
        until(lambda: stepping(api))
        process = begun("a.jpg", "-s", "sea.png", *SLOW, "--server", server.address)
        until(lambda: any(job["state"] == "queued" for job in jobs(api)))
        process.send_signal(signal.SIGINT)
        output, error = process.communicate(timeout=WAIT)
        assert (process.returncode, output, error) == (130, "", "stopped: 0 of 1 picture done\n")
        assert [job["id"] for job in jobs(api)] == [other]
    finally:
        api.delete(f"/v1/jobs/{other}")


@posix
def test_a_server_that_is_killed_and_started_again_is_waited_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    patient = f"import impasto.client.retry as retry; retry._AWAY = {WAIT}; "
    with Served(tmp_path / "served", "--port", str(port)) as served:
        steps = ["--steps", "60", "--levels", "1", "--start", "content"]
        process = begun("b.png", "-s", "sea.png", *steps, "--json", "--server", served.address, prelude=patient)
        with served.client() as api:
            until(lambda: stepping(api))
        served.kill()
        with socket.create_server(("127.0.0.1", port)) as away:
            # It is asked for twice, in vain: not given up.
            for _ in range(2):
                away.accept()[0].close()
        assert process.poll() is None
        served.start()
        output, error = process.communicate(timeout=WAIT)
        assert (process.returncode, error) == (0, "")
        record = json.loads(output)
        assert (record["ok"], record["complete"], record["settings"]["steps"]) == (True, True, 60)
        assert Picture.open("b.sea.png").size == (48, 40)
        with served.client() as api:
            assert jobs(api) == []


def test_a_server_that_stays_away_is_given_up_and_the_job_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = Display.progress
    with Served(tmp_path / "served") as served:

        def kill(display: Display, task: Task, told: Progress, size: tuple[int, int] | None = None) -> None:
            progress(display, task, told, size)
            if told.step:
                served.kill()

        monkeypatch.setattr(Display, "progress", kill)
        monkeypatch.setattr("impasto.client.retry._AWAY", 0.0)
        result = impasto("a.jpg", "b.png", "-s", "sea.png", *SLOW, "-q", "--server", served.address)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    assert "does not answer" in result.stderr
    assert re.search(r"; the server resumes job [0-9a-f]{32} when it is back\n$", result.stderr)


def test_the_client_gets_the_pastiche_of_either_engine(server: Served) -> None:
    with Client(server.address) as client:
        assert client.status()["version"]
        instant = client.pastiche("a.jpg", "udnie")
        assert (instant.size, instant.complete, instant.model.split("@")[0]) == ((48, 40), True, "udnie")
        iterative = client.pastiche("a.jpg", ["udnie", "sea.png"], engine="iterative", steps=1, format="png")
        assert (iterative.size, iterative.complete, iterative.model.split("@")[0]) == ((48, 40), True, "pocket")
        assert iterative.seconds > 0
        assert Picture.open(iterative.data).format == "png"
        (job,) = client.jobs()
        job.check()
        client.job(job.id).delete()
        with pytest.raises(ImpastoError, match="udnie is a card without its picture"):
            client.pastiche("a.jpg", "udnie", engine="iterative", start="style")
        for left in client.jobs():
            left.delete()


@dataclass
class Stub:
    """A server that answers as it is told, then with a picture."""

    answers: list[tuple[int, dict[str, str]]]
    url: str = ""
    keys: list[str | None] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


@contextmanager
def stub(*answers: tuple[int, dict[str, str]]) -> Iterator[Stub]:
    stub = Stub(list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, {}, b"{}")

        def do_POST(self) -> None:
            stub.keys.append(self.headers.get("Authorization"))
            stub.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            if stub.answers:
                status, headers = stub.answers.pop(0)
                document = {"code": "queue_full", "detail": "9 requests wait already; try again in a few seconds"}
                self._answer(status, headers, json.dumps(document).encode() if status == 429 else b"<html>")
            else:
                facts = {"Impasto-Size": "48x40", "Impasto-Seconds": "0.5", "Impasto-Model": "instant@9"}
                self._answer(200, facts, b"a picture")

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    stub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_busy_server_is_asked_again_and_its_bytes_are_written_as_they_are() -> None:
    with stub((429, {"Retry-After": "0"}), (503, {}), (429, {"Retry-After": "Sat, 21 Nov 2026"})) as busy:
        result = impasto("a.jpg", "-s", "udnie", "--server", busy.url)
    assert (result.exit_code, result.stdout) == (0, "a.udnie.jpg\n")
    assert Path("a.udnie.jpg").read_bytes() == b"a picture"
    assert len(busy.bodies) == 4
    assert "9 requests wait already; try again in a few seconds; asking again for 120 s" in result.stderr
    # What is as it is by default is not sent, but what the output's name says.
    fields = {part.split(b'name="')[1].split(b'"')[0] for part in busy.bodies[0].split(b"form-data; ")[1:]}
    assert fields == {b"content", b"style", b"format"}


def test_a_server_that_stays_busy_is_given_up_with_its_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("impasto.client.retry._BUSY", 0.0)
    with stub(*[(429, {"Retry-After": "600"})] * 2) as busy:
        result = impasto("a.jpg", "b.png", "-s", "udnie", "-q", "--server", busy.url)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[:2] == [
        f"error: {name}: 9 requests wait already; try again in a few seconds" for name in ("a.jpg", "b.png")
    ]


def test_the_key_goes_to_no_other_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPASTO_API_KEY", "secret")
    with stub() as other, stub((307, {"Location": f"{other.url}/v1/stylize"})) as sending:
        result = impasto("a.jpg", "-s", "udnie", "--server", sending.url)
    assert (result.exit_code, other.keys, sending.keys) == (1, [], ["Bearer secret"])
    assert f"redirects to {other.url}/v1/stylize; give that address" in result.stderr


def test_what_is_no_impasto_server_is_told() -> None:
    with stub((404, {})) as other:
        result = impasto("a.jpg", "-s", "udnie", "--server", other.url)
    assert result.exit_code == 1
    assert f"{other.url} answered 404 to /v1/stylize, and not as an Impasto server does" in result.stderr


def test_without_httpx_the_client_is_told_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    result = impasto("a.jpg", "-s", "udnie", "--server", "http://127.0.0.1:1")
    assert result.exit_code == 1
    assert result.stderr.endswith("install it with: pip install 'impasto[client]'\n")

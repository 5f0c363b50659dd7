"""Every request in the server's documentation runs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from replaying import replay, requests_form
from serving import Served
from test_server import PAINTING, picture, wait
from trainings import a_base

DOCS = (Path(__file__).parents[1] / "docs" / "server.md").read_text("utf-8")
ADDRESS = "http://127.0.0.1:8000"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DOCS, re.MULTILINE | re.DOTALL)


BEGINNINGS: dict[str, bytes | tuple[bytes, ...]] = {
    ".jpg": b"\xff\xd8\xff",
    ".png": b"\x89PNG",
    ".json": (b'{"name":"/storage/', b'{"id":'),
}

CURLS = [line for block in blocks("sh") for line in block.replace("\\\n", "").splitlines() if line.startswith("curl")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    desk = tmp_path_factory.mktemp("desk")
    (desk / "photo.jpg").write_bytes(picture(1, kind="JPEG"))
    (desk / "monet.jpg").write_bytes(PAINTING)
    (desk / "photos").mkdir()
    (desk / "photos" / "one.jpg").write_bytes(picture(3, kind="JPEG"))
    a_base(desk / "user")
    with Served(desk, "--compat") as server:
        with server.client() as client:
            wait(client, "/readyz", lambda answer: answer.status_code == 200)
        yield server


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("command", CURLS)
def test_command(server: Served, command: str) -> None:
    line = (
        command.replace(ADDRESS, server.address).replace("minutes=20", "minutes=0.05")
        + " --fail-with-body --silent --show-error"
    )
    run = subprocess.run(["sh", "-c", line], cwd=server.home, capture_output=True, text=True)
    made = server.home / command.rpartition("-o ")[2].strip()
    assert run.returncode == 0, made.read_text()
    assert made.read_bytes().startswith(BEGINNINGS[made.suffix])


@pytest.mark.parametrize("code", blocks("python"))
def test_python(server: Served, code: str) -> None:
    quick = code.replace(ADDRESS, server.address).replace("steps=60", "steps=2").replace("minutes=20", "minutes=0.05")
    run = subprocess.run([sys.executable, "-c", quick], cwd=server.home, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert (server.home / "painted.jpg").exists()


def test_what_stands_in_for_styles_is_what_it_says(server: Served) -> None:
    with server.client() as client:
        found = {one["modelName"]: one["modelUrl"] for one in client.get("/models").json()["models"]}
    told = dict(re.findall(r"^\| `(\w+)` \| `([\w-]+)` \|$", DOCS, re.MULTILINE))
    assert told == {name: found[name] for name in ("candy", "feathers", "la_muse", "mosaic")}


def test_paths_and_measures_it_names_are_there(server: Served) -> None:
    with server.client() as client:
        paths = set(client.get("/openapi.json").json()["paths"])
        metrics = client.get("/metrics").text
    for name in re.findall(r"`/?(?:GET|POST|PUT|DELETE)? ?(/v1/[a-zA-Z/]+)", DOCS):
        pattern = name.replace("/ID", "/{id}").replace("/3", "/{index}").replace("/NAME", "/{name}")
        assert pattern in paths, name
    for name in re.findall(r"`(impasto_\w+)` \|", DOCS):
        assert name in metrics, name


def test_the_line_for_a_container_is_whole(tmp_path: Path) -> None:
    """At a free port, and with a folder of the test's as the storage; asked as the front end of the tutorial asks."""
    (line,) = re.findall(r"^impasto serve (--compat --host .+)$", DOCS, re.MULTILINE)
    storage = tmp_path / "storage"
    arguments = line.replace("--port 8080", "--port 0").replace("/storage", str(storage)).split()
    with Served(tmp_path, *arguments) as server:
        address = server.address.replace("0.0.0.0", "127.0.0.1")
        with server.client() as client:
            wait(client, f"{address}/readyz", lambda answer: answer.status_code == 200)
        for host, status in (("backend:8080", 200), ("10.2.3.4:8080", 200), ("elsewhere.example", 421)):
            raw = requests_form("/candy", host, {"file": picture(6, 32)})
            answer = replay(address, raw)
            assert answer.status == status, answer.body
            if status == 200:
                assert (storage / Path(answer.json()["name"]).name).is_file()
    told = set(re.findall(r"^\| `(--[a-z-]+)", DOCS.partition("The whole line")[2].partition("**")[0], re.MULTILINE))
    assert told == {word for word in arguments if word.startswith("--")} - {"--compat"} | {"--compat-size"}

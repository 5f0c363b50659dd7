"""Every command of docs/coming-from.md runs, and its tables tell of what there is."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from replaying import picture_of, replay, requests_form
from serving import Served
from test_server import PAINTING, picture, wait
from torch7_files import Nets, checkpoint, t7

from impasto.cli.commands.models import models as models_command
from impasto.cli.commands.serve import serve
from impasto.cli.commands.stylize import stylize

DOCS = Path(__file__).parents[1] / "docs"
TEXT = (DOCS / "coming-from.md").read_text("utf-8")
ADDRESS = "http://127.0.0.1:8000"
QUICK = ["--size", "48", "--steps", "2"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


LINES = [line for block in blocks("sh") for line in block.splitlines()]
CURLS = [line for line in LINES if line.startswith("curl")]
COMMANDS = [line for line in LINES if line.startswith("impasto") and "serve" not in line]
SERVES = [shlex.split(line) for line in LINES if line.startswith("impasto serve")]
CONTAINERS: list[list[str]] = [json.loads(line) for line in re.findall(r'\["impasto", .*\]', TEXT)]


def a_vgg(file: Path, convention: str, counts: tuple[int, ...]) -> None:
    """VGG with so many convolutions a level, of few channels and random weights."""
    from safetensors.numpy import save_file

    random, arrays, inputs = np.random.default_rng(0), dict[str, np.ndarray](), 3
    for level, count in enumerate(counts, 1):
        for index in range(1, count + 1):
            weight = random.normal(0, (2 / (inputs * 9)) ** 0.5, (8, inputs, 3, 3)).astype(np.float32)
            arrays[f"conv{level}_{index}.weight"] = weight
            arrays[f"conv{level}_{index}.bias"] = np.zeros(8, np.float32)
            inputs = 8
    save_file(arrays, file, {"architecture": file.stem, "convention": convention})


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the reader has."""
    desk = tmp_path_factory.mktemp("desk")
    (desk / "photo.jpg").write_bytes(picture(1, kind="JPEG"))
    for name in ("painting.jpg", "monet.jpg"):
        (desk / name).write_bytes(PAINTING)
    (desk / "candy.t7").write_bytes(t7(checkpoint(Nets().build())))
    # In place of what `impasto models pull` fetches.
    for name, counts in (("vgg19", (2, 2, 4, 4, 4)), ("vgg16", (2, 2, 3, 3, 3))):
        a_vgg(desk / f"{name}.safetensors", "torchvision", counts)
        run(desk, "-m", "impasto.cli", "models", "add", name, f"{name}.safetensors")
    return desk


def run(desk: Path, *arguments: str) -> str:
    environment = {**os.environ, "IMPASTO_HOME": str(desk / "home"), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run([sys.executable, *arguments], cwd=desk, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_nothing_is_left_out() -> None:
    assert {line.split()[0] for line in LINES} == {"pip", "impasto", "curl"}
    assert (len(SERVES), len(CONTAINERS)) == (2, 2)
    assert len(COMMANDS) > 10
    assert len(CURLS) > 5


@pytest.mark.parametrize("command", COMMANDS)
def test_command(command: str, desk: Path) -> None:
    words = shlex.split(command)[1:]
    if words[:2] == ["models", "pull"]:
        # Nothing is fetched here; but what is named is published.
        assert words[2] in run(desk, "-m", "impasto.cli", "models", "pull")
        return
    if {"--preset", "--engine"} & set(words):
        words += QUICK
    run(desk, "-m", "impasto.cli", *words)
    made = desk / words[words.index("-o") + 1] if "-o" in words else None
    assert made is None or picture_of(made.read_bytes()).size[0] > 0


@pytest.mark.parametrize("code", blocks("python"))
def test_python(code: str, desk: Path) -> None:
    quick = code.replace("steps=400, preview_every=100", "steps=2, preview_every=1, size=48")
    assert quick != code
    said = run(desk, "-c", quick).splitlines()
    assert [line.split()[0] for line in said][-2:] == ["1", "2"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, desk: Path) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("served")
    with Served(home, "--compat") as server, server.client() as client:
        wait(client, "/readyz", lambda answer: answer.status_code == 200)
        yield server


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("command", CURLS)
def test_request(command: str, server: Served, desk: Path) -> None:
    line = f"{command.replace(ADDRESS, server.address)} --fail-with-body --silent --show-error"
    ran = subprocess.run(["sh", "-c", line], cwd=desk, capture_output=True, text=True)
    made = desk / command.rpartition("-o ")[2].strip()
    assert ran.returncode == 0, made.read_text()
    if made.suffix == ".json":
        assert json.loads(made.read_bytes()).keys() & {"name", "status"}
    else:
        assert picture_of(made.read_bytes()).size == (64, 64)


@pytest.mark.parametrize("words", [*SERVES, *CONTAINERS], ids=" ".join)
def test_server_starts_as_it_says(words: list[str], tmp_path: Path) -> None:
    """At a free port and in a folder of the test's; asked by the name that the client of that line has for it."""
    assert words[:2] == ["impasto", "serve"]
    arguments = words[2:]
    if "--port" in arguments:
        arguments[arguments.index("--port") + 1] = "0"
    if "--storage" in arguments:
        arguments[arguments.index("--storage") + 1] = str(tmp_path / "storage")
    host = arguments[arguments.index("--host-name") + 1] if "--host-name" in arguments else "127.0.0.1"
    with Served(tmp_path, *arguments) as server, server.client(headers={"Host": f"{host}:8080"}) as client:
        address = server.address.replace("0.0.0.0", "127.0.0.1")
        client.base_url = address
        wait(client, "/readyz", lambda answer: answer.status_code == 200)
        assert client.get("/ping").json() == {"status": "Healthy"}
        assert client.get("/docs").status_code == 200
        answer = replay(address, requests_form("/udnie", f"{host}:8080", {"file": picture(6, 32)}))
        assert answer.status == 200, answer.body
        if "--storage" in arguments:
            assert (tmp_path / "storage" / Path(answer.json()["name"]).name).exists()
        assert server.stop() == 0


def test_options_and_links_that_it_names_are_there() -> None:
    known = {text for command in (stylize, serve, models_command) for one in command.params for text in one.opts}
    for command in models_command.commands.values():
        known |= {text for one in command.params for text in one.opts}
    theirs = {"--start", "--model-store", "--models", "--ts-config", "--extra-files", "--build"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT)) - known - theirs - {"--out"} == set()
    for link, anchor in re.findall(r"\]\(([^)#]*)(?:#([^)]+))?\)", TEXT):
        file = DOCS / link if link else DOCS / "coming-from.md"
        assert file.exists(), link
        if anchor:
            heads = re.findall(r"^##+ (.+)$", file.read_text("utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}, anchor


def test_every_system_has_a_table_that_says_works_or_differs_and_how() -> None:
    sections = TEXT.split("\n## ")[1:]
    assert len(sections) == 5
    for section in sections:
        rows = re.findall(r"^\| (.+?) \| (works|differs|no) \| (.*?) ?\|$", section, re.MULTILINE)
        table = [line for line in section.splitlines() if line.startswith("|")]
        assert len(rows) == len(table) - 2 >= 9, section[:40]
        assert all(why for _, word, why in rows if word != "works")

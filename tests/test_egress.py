"""Nothing leaves the machine, and nothing is written but where it was asked for, at every door.

Each door is a process of its own that watches itself (``watching/sitecustomize.py``), as do those that it starts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from foreign_graphs import one_style
from serving import COMMAND, Served
from test_server import wait
from trainings import a_painting, a_photo

from impasto.plots import TraceWriter

HERE = Path(__file__).parent
OWN = Path(".local", "share", "impasto")
"""Where the user's own things lie in a home folder."""
DEVICES = ("/dev/null", "/dev/tty", "/proc/self/oom_score_adj")


@dataclass
class Watch:
    """A desk to work at, a home folder, one for temporary files, and what was seen."""

    root: Path

    def __post_init__(self) -> None:
        for folder in (self.desk, self.home, self.temporary):
            folder.mkdir()
        self.seen.touch()
        (self.desk / "photo.png").write_bytes(a_photo())
        (self.desk / "painting.png").write_bytes(a_painting())

    @property
    def desk(self) -> Path:
        return self.root / "desk"

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def temporary(self) -> Path:
        return self.root / "temporary"

    @property
    def seen(self) -> Path:
        return self.root / "seen.jsonl"

    @property
    def environment(self) -> dict[str, str]:
        """Nothing more: libraries report to nobody where they find that they are tested."""
        kept = {name: os.environ[name] for name in ("PATH", "IMPASTO_TESTS") if name in os.environ}
        path = os.pathsep.join([str(HERE / "watching"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
        return kept | {
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "PYTHONPATH": path.rstrip(os.pathsep),
            "PYTHONDONTWRITEBYTECODE": "1",
            "IMPASTO_WATCHED": str(self.seen),
            "OMP_NUM_THREADS": "1",
        }

    def python(self, code: str, *arguments: str, **environment: str) -> str:
        """What it prints."""
        run = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=self.desk,
            env=self.environment | environment,
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stderr
        return run.stdout

    def impasto(self, *arguments: str) -> str:
        return self.python(COMMAND, *arguments)

    def check(self, processes: int = 1) -> None:
        """At least so many processes were seen, and of none anything that was not asked for."""
        noted = [json.loads(line) for line in self.seen.read_text().splitlines()]
        assert sum(event == "process" for event, _ in noted) >= processes
        left = [(event, what) for event, what in noted if event not in ("process", "write")]
        assert not left, left
        folders = (self.desk, self.home / OWN, self.temporary)
        written = {Path(what) for event, what in noted if event == "write"}
        parents = {self.home / parent for parent in OWN.parents}
        strange = {
            file
            for file in written - parents
            if str(file) not in DEVICES and not any(file.is_relative_to(folder) for folder in folders)
        }
        assert not strange, strange
        # What is written by other code than Python's is found here.
        assert [file for file in self.home.rglob("*") if self.home / OWN not in (file, *file.parents)] == [
            file for file in (self.home / ".local", self.home / ".local" / "share") if file.exists()
        ]
        assert list(self.temporary.iterdir()) == []


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    return Watch(tmp_path)


LIBRARY = """
import os, sys
before = dict(os.environ)
import impasto
for settings in SETTINGS:
    impasto.stylize("photo.png", **settings).save(f"painted.{settings['format']}", overwrite=True)
assert dict(os.environ) == before, set(os.environ.items()) ^ set(before.items())
assert None not in sys.modules.values()
"""


def test_the_library(watch: Watch) -> None:
    settings = [
        {"style": "udnie", "format": "png"},
        {"style": "painting.png", "format": "jpeg"},
        {"style": "painting.png", "engine": "iterative", "steps": 1, "format": "webp"},
    ]
    watch.python(LIBRARY.replace("SETTINGS", repr(settings)))
    assert list(watch.home.iterdir()) == []
    watch.check()


def test_the_library_on_onnx_runtime(watch: Watch) -> None:
    """As with impasto[gpu]."""
    code = """
import os, sys
before = dict(os.environ)
from impasto.models import find
from impasto.inference.graph import OnnxGraph
OnnxGraph(find("instant").file("encoder"), ["code"])
assert dict(os.environ) == before
"""
    watch.python(code)
    assert list(watch.home.iterdir()) == []
    watch.check()


def test_the_command(watch: Watch) -> None:
    assert watch.impasto("stylize", "photo.png", "--style", "udnie", "-o", "painted.png") == "painted.png\n"
    assert list(watch.home.iterdir()) == []
    (watch.desk / "mine.onnx").write_bytes(one_style("udnie"))
    watch.impasto("models", "add", "mine.onnx", "--licence", "Apache-2.0")
    assert (watch.home / OWN / "models" / "mine@1").is_dir()
    # That one is looked at in a process of its own.
    watch.check(processes=3)


def test_a_chart(watch: Watch) -> None:
    """matplotlib keeps a list of fonts: in our folder."""
    with TraceWriter(watch.desk / "run.jsonl") as trace:
        trace.begin("photo.png", "pocket@2", {})
        trace.step(1, level=0, size=(64, 48), seconds=1, loss=1.0, terms={"gram": 1.0})
    assert watch.impasto("plot", "run.jsonl") == "run.png\n"
    watch.check()


def test_training(watch: Watch) -> None:
    (watch.desk / "photos").mkdir()
    (watch.desk / "photos" / "a.png").write_bytes(a_photo())
    trained = watch.impasto(
        "train", "style", "painting.png", "--photos", "photos", "--name", "mine", "--minutes", "1e-3"
    )
    assert trained == "mine\n"
    watch.check()


@pytest.mark.parametrize(
    ("asked", "processes"),
    [
        # The server, and workers that paint at once and for long.
        ({"engine": "iterative", "steps": "1"}, 3),
        # And one that teaches.
        ({"kind": "train-style", "name": "mine", "minutes": "0.05"}, 4),
    ],
    ids=["painting", "teaching"],
)
def test_the_server_and_its_workers(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, asked: dict[str, str], processes: int
) -> None:
    for name in set(os.environ) - set(watch.environment):
        monkeypatch.delenv(name)
    for name, value in watch.environment.items():
        monkeypatch.setenv(name, value)
    files = [("content", ("a.png", a_photo())), ("style", ("b.png", a_painting()))]
    with Served(watch.desk / "served") as server, server.client() as client:
        wait(client, "/readyz", lambda answer: answer.status_code == 200)
        for path in ("/", "/openapi.json", "/v1/models", "/v1/styles", "/metrics"):
            assert client.get(path).status_code == 200, path
        assert client.post("/v1/stylize", files=files).status_code == 200
        made = client.post("/v1/jobs", files=files, data=asked)
        assert made.status_code == 202, made.text
        job = f"/v1/jobs/{made.json()['id']}"
        told = wait(client, job, lambda answer: answer.json()["state"] in ("done", "failed"))
        assert told.json()["state"] == "done", told.text
        assert server.stop() == 0
    assert list(watch.home.iterdir()) == []
    watch.check(processes)


NOBODY = """
import os, pwd, sys

def unknown(_):
    raise KeyError("uid not found")

# As of a user that the system does not know, with nothing in the environment that tells.
pwd.getpwuid = unknown
for name in ("HOME", "USER", "LOGNAME", "USERNAME", "LNAME"):
    os.environ.pop(name, None)
"""


def test_a_user_without_a_home_needs_none_until_something_is_kept(watch: Watch) -> None:
    code = """
import impasto
from impasto.models import Store, find

for style in ("udnie", "picasso", "painting.png"):
    impasto.stylize("photo.png", style).save("painted.png", overwrite=True)
assert impasto.Gallery().problems() == Store().problems() == ()
assert Store().models() == []
find("instant@2")
os.environ["IMPASTO_HOME"] = "own"
impasto.Gallery().add(impasto.Stylizer().card("mine", ["painting.png"]))
"""
    watch.python(NOBODY + code)
    assert (watch.desk / "own" / "styles" / "mine.style").is_file()
    watch.check()


def test_where_a_home_is_needed_the_sentence_says_what_to_set(watch: Watch) -> None:
    asked = {
        "styles": ["styles", "add", "mine", "painting.png"],
        "models": ["train", "style", "painting.png", "--photos", ".", "--name", "mine"],
        "jobs": ["serve", "--port", "0"],
    }
    backup = ["serve", "backup", "copy"]
    code = """
from impasto.cli.main import main
for arguments in ASKED:
    sys.argv[1:] = arguments
    try:
        main()
    except SystemExit as end:
        print(end.code)
"""
    run = NOBODY + code.replace("ASKED", repr([*asked.values(), backup]))
    ended = subprocess.run(
        [sys.executable, "-c", run], cwd=watch.desk, env=watch.environment, capture_output=True, text=True
    )
    assert ended.stdout == "1\n" * (len(asked) + 1)
    assert ended.stderr.splitlines() == [
        f"error: there is no home folder to keep {what} in; set IMPASTO_HOME to a folder that you may write"
        for what in [*asked, "jobs"]
    ]
    assert not (watch.desk / "~").exists()
    watch.check()

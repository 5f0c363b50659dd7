"""The pages of the site: all that is public is in the reference and has a docstring, and every example runs."""

from __future__ import annotations

import doctest
import importlib
import inspect
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from serving import Served

import impasto
from impasto.cli.main import cli

ROOT = Path(__file__).parents[1]
DOCS, README = ROOT / "docs", (ROOT / "README.md").read_text("utf-8")
TUTORIALS = sorted((DOCS / "tutorials").glob("*.md"))
PUBLIC = ("impasto", "impasto.encoders", "impasto.losses", "impasto.training", "impasto.errors", "impasto.client")
ADDRESS = "http://127.0.0.1:8000"
SESSIONS = sorted(
    ".".join(file.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
    for file in (ROOT / "src").rglob("*.py")
    if re.search(r"^\s*>>> ", file.read_text("utf-8"), re.MULTILINE)
)


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[list[str]]:
    return [shlex.split(line, comments=True) for block in blocks(page, "sh") for line in block.splitlines()]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the reader of a tutorial has."""
    desk = tmp_path_factory.mktemp("desk")
    y, x = np.mgrid[0:120, 0:160]
    photo = Image.fromarray(np.stack([x, y * 2, 255 - x], 2).astype(np.uint8))
    photo.save(desk / "photo.jpg")
    photo.rotate(180).save(desk / "other.jpg")
    photo.rotate(90).save(desk / "painting.jpg")
    for folder in ("holiday", "theirs"):
        (desk / folder).mkdir()
        photo.rotate(45).save(desk / folder / "one.jpg")
    (desk / "pairs.json").write_text('[{"id": "one", "content": "photo.jpg", "style": "painting.jpg"}]')
    return desk


@pytest.fixture(scope="module")
def server(desk: Path) -> Iterator[Served]:
    """As the operator's tutorial starts it, but for the port."""
    (started,) = [words for words in commands(DOCS / "tutorials" / "operator.md") if words[:2] == ["impasto", "serve"]][
        :1
    ]
    with Served(desk / "served", *(at_desk(word, desk) for word in started[2:])) as server:
        yield server


def at_desk(word: str, desk: Path) -> str:
    return f"{desk}{word}" if word.startswith(("/srv/", "/backups/")) else word


def needs_server(text: str) -> bool:
    return ADDRESS in text


# The reference


def shown() -> list[str]:
    """What the pages of the reference name."""
    pages = sorted((DOCS / "reference").glob("*.md"))
    return [name for page in pages for name in re.findall(r"^::: (\S+)", page.read_text("utf-8"), re.MULTILINE)]


def found(name: str) -> object:
    """What a dotted name of the reference means."""
    try:
        return importlib.import_module(name)
    except ImportError:
        module, _, last = name.rpartition(".")
        return getattr(importlib.import_module(module), last)


@pytest.mark.parametrize("module", PUBLIC)
def test_all_that_is_public_is_in_the_reference(module: str) -> None:
    named = {id(found(name)) for name in shown()}
    if "impasto.errors" in shown():
        named |= {id(getattr(importlib.import_module("impasto.errors"), name)) for name in impasto.errors.__all__}
    room = importlib.import_module(module)
    missing = [name for name in room.__all__ if not name.startswith("__") and id(getattr(room, name)) not in named]
    assert missing == []
    assert set(room.__all__) <= set(dir(room))


def test_nothing_is_in_the_reference_twice_and_all_of_it_exists() -> None:
    assert len(shown()) == len(set(shown())) > 60
    assert all(found(name) is not None for name in shown())


def test_all_of_it_has_docstrings() -> None:
    bare = []
    for name in shown():
        value = found(name)
        if inspect.isclass(value) or isinstance(value, FunctionType):
            bare += [name] * (not value.__doc__)
        for key, member in vars(value).items() if inspect.isclass(value) else ():
            plain = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
            if not key.startswith("_") and isinstance(plain, FunctionType):
                # An inherited docstring does, for what is overridden.
                bare += [f"{name}.{key}"] * (not inspect.getdoc(getattr(value, key)))
    assert bare == []


# The pages


def test_every_page_is_in_the_navigation_and_every_link_leads_somewhere() -> None:
    named = re.findall(r"^ +- .*?([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    assert (len(named), set(named)) == (len(pages), pages)
    for page in DOCS.rglob("*.md"):
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8")):
            assert link.startswith("http") or (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_site_asks_no_other_host() -> None:
    settings = (ROOT / "mkdocs.yml").read_text("utf-8")
    assert "font: false" in settings
    assert "strict: true" in settings
    assert "http" not in settings


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_commands_of_a_tutorial_run(
    page: Path, desk: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk)
    monkeypatch.setenv("IMPASTO_HOME", str(desk / "home"))
    for words in commands(page):
        if words[:2] == ["pip", "install"]:
            extras = re.findall(r"[\w-]+", words[2].partition("[")[2])
            assert all(f"{extra} = [" in (ROOT / "pyproject.toml").read_text("utf-8") for extra in extras)
            continue
        if shlex.join(words) in README:
            continue  # run by its own test
        if words[0] == "curl":
            address = request.getfixturevalue("server").address
            words = [word.replace(ADDRESS, address) for word in words]
            subprocess.run([*words, "--fail", "--silent", "--show-error"], check=True)
            assert Path(words[words.index("-o") + 1]).stat().st_size > 0
            continue
        assert words[0] == "impasto", words
        if words[1:3] == ["serve", "--home"]:
            request.getfixturevalue("server")
            continue
        if "--minutes" in words:
            words[words.index("--minutes") + 1] = "0.02"  # all the same but for the time
        ran = CliRunner().invoke(cli, [at_desk(word, desk) for word in words[1:]])
        assert ran.exit_code == 0, f"{words}\n{ran.output}"


@pytest.mark.parametrize("page", [page for page in TUTORIALS if blocks(page, "python")], ids=lambda page: page.stem)
def test_python_of_a_tutorial_prints_what_it_says(page: Path, desk: Path, request: pytest.FixtureRequest) -> None:
    script = "\n".join(blocks(page, "python"))
    if needs_server(script):
        script = script.replace(ADDRESS, request.getfixturevalue("server").address)
    environment = {**os.environ, "IMPASTO_HOME": str(desk / "home"), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], cwd=desk, env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "".join(blocks(page, "text"))


@pytest.mark.parametrize("module", SESSIONS)
def test_sessions_of_docstrings_are_true(
    module: str, desk: Path, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("photo.jpg", "other.jpg", "painting.jpg"):
        shutil.copy(desk / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "home"))
    room, count = importlib.import_module(module), 0
    for test in doctest.DocTestFinder(exclude_empty=True).find(room, globs={}):
        for example in test.examples:
            if needs_server(example.source):
                example.source = example.source.replace(ADDRESS, request.getfixturevalue("server").address)
        said = io.StringIO()
        result = doctest.DocTestRunner(verbose=False).run(test, out=said.write)
        assert result.failed == 0, said.getvalue()
        count += result.attempted
    assert count > 0, "its sessions are in no docstring"

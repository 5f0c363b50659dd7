"""The studio's files hold together: small, in all languages, nothing inline and nothing foreign."""

from __future__ import annotations

import gzip
import json
import re
from importlib.resources import files

import pytest

WEB = files("impasto") / "web"
STATIC = WEB / "static"
MODULES = sorted(file.name for file in STATIC.iterdir() if file.name.endswith(".js"))


def read(name: str) -> str:
    return (STATIC / name).read_text("utf-8")


def test_scripts_are_small() -> None:
    assert sum(len(gzip.compress(read(name).encode())) for name in MODULES) < 64_000


@pytest.mark.parametrize("language", ["pt", "zh"])
def test_languages_say_the_same(language: str) -> None:
    english, own = (json.loads(read(f"texts/{name}.json")) for name in ("en", language))
    assert english.keys() <= own.keys()
    for key, text in english.items():
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", own[key])), key


def test_the_service_worker_keeps_every_module() -> None:
    worker = read("sw.js")
    listed = re.findall(r"'([a-z]+)'", worker[worker.index("MODULES") : worker.index("];")])
    assert {f"{name}.js" for name in listed} | {"sw.js"} == set(MODULES)


def test_nothing_is_inline_and_nothing_foreign() -> None:
    page = (WEB / "studio.html").read_text("utf-8")
    assert " style=" not in page
    assert not re.search(r"<style[ >]", page)
    assert not re.search(r"\son\w+=", page)
    assert all('src="static/' in tag for tag in re.findall(r"<script[^>]*>", page))
    for name in MODULES:
        assert not re.search(r"innerHTML|\beval\(|https?://(?!www\.w3\.org)", read(name)), name


def test_every_icon_and_every_import_is_there() -> None:
    icons = set(re.findall(r'<symbol id="(\w+)"', read("icons.svg")))
    page = (WEB / "studio.html").read_text("utf-8")
    assert set(re.findall(r"icons\.svg#(\w+)", page + "".join(map(read, MODULES)))) <= icons
    for name in MODULES:
        for other in re.findall(r"""from '\./([\w.]+)'""", read(name)):
            assert other in MODULES, (name, other)


def test_every_address_is_seen_from_the_page() -> None:
    # A proxy may have the studio below a path of its host.
    for name in MODULES:
        assert not re.search(r"""["'`]/(?:v1|static|readyz)\b(?!/['"])""", read(name)), name

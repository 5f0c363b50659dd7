"""Who may ask: names of the host, pages of other sites, keys."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI

from impasto.errors import RequestError
from impasto.jobs.errors import QueueFull
from impasto.jobs.limits import Limits
from impasto.jobs.service import Jobs
from impasto.server.app import make_app
from impasto.server.auth import Keys
from impasto.server.middleware.allowed_hosts import AllowedHosts, same_origin


def turned_away(owner: str, id: str = "") -> None:
    raise QueueFull("enough wait already")


def an_app(keys: Keys | None = None, **settings: Any) -> FastAPI:
    """The application, of jobs that take nothing."""
    jobs = SimpleNamespace(
        limits=Limits(),
        ready=lambda: True,
        stored=dict,
        workers=lambda: {"waiting": 0, "workers": []},
        check_line=turned_away,
        check_room=turned_away,
        check_shelf=turned_away,
    )
    return make_app(cast(Jobs, jobs), keys or Keys(), **settings)


def ask(app: FastAPI, method: str, path: str, **more: Any) -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            return await client.request(method, path, **more)

    return asyncio.run(asked())


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8000",
        "localhost.",
        "localhost.:8000",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.3.2.1:8000",
        "[::1]",
        "[::1]:8000",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
    ],
)
@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost", "0.0.0.0", "::"])
def test_this_machine_is_ours_whatever_it_listens_at(address: str, host: str) -> None:
    assert host in AllowedHosts.of(address, ())


@pytest.mark.parametrize(
    "host",
    [
        "",
        ":8000",
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "[::1].evil.example",
        "::1",
        "[::1",
        "[evil.example]",
        "localhost:80:80",
        "localhost:8o",
        "evil.example@localhost",
        "localhost/evil",
        "localhost..",
    ],
)
@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::", "192.0.2.7", "impasto.example"])
def test_no_stranger_s_name_is(address: str, host: str) -> None:
    assert host not in AllowedHosts.of(address, ())
    assert host not in AllowedHosts.of(address, ["another.example"])


def test_an_address_is_no_stranger_s_where_others_reach_it() -> None:
    everywhere = AllowedHosts.of("0.0.0.0", ())
    for host in (
        "192.0.2.7:8000",
        "[2001:db8::7]",
        socket.gethostname(),
        f"{socket.gethostname().split('.')[0]}.local",
    ):
        assert host in everywhere
    assert "192.0.2.7" not in AllowedHosts.of("127.0.0.1", ())
    assert "Impasto.Example.:443" in AllowedHosts.of("127.0.0.1", ["impasto.example"])
    assert "impasto.example" in AllowedHosts.of("impasto.example", ())
    with pytest.raises(RequestError, match="'http://x' is not a host name"):
        AllowedHosts.of("127.0.0.1", ["http://x"])


@pytest.mark.parametrize(
    ("origin", "scheme", "host", "same"),
    [
        ("http://192.0.2.7:8000", "http", "192.0.2.7:8000", True),
        ("http://studio.test", "http", "Studio.test:80", True),
        ("https://studio.test", "https", "studio.test", True),
        ("http://[::1]:8000", "http", "[0::1]:8000", True),
        ("https://studio.test", "http", "studio.test", False),
        ("http://studio.test", "https", "studio.test", False),
        ("http://studio.test:8001", "http", "studio.test:8000", False),
        ("http://evil.test", "http", "studio.test", False),
        ("null", "http", "studio.test", False),
        ("", "http", "studio.test", False),
        ("http://", "http", "", False),
        ("file://", "http", "studio.test", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(origin: str, scheme: str, host: str, same: bool) -> None:
    assert same_origin(origin, scheme, host) is same


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        # A program.
        ({}, 429),
        # The studio on this machine or over TLS; over plain http elsewhere.
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://192.0.2.7"}, 429),
        ({"Origin": "http://192.0.2.7"}, 429),
        # Behind a proxy that asks for the server by another name.
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://studio.test"}, 429),
        # Other sites' pages.
        ({"Origin": "http://evil.test"}, 403),
        ({"Origin": "https://192.0.2.7"}, 403),
        ({"Origin": "http://192.0.2.7:8001"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "none", "Origin": "http://evil.test"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://192.0.2.7"}, 403),
        ({"Sec-Fetch-Site": ""}, 403),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/stylize"), ("POST", "/v1/jobs"), ("POST", "/v1/styles"), ("DELETE", "/v1/session")],
)
def test_pages_of_other_sites_change_nothing(headers: dict[str, str], status: int, method: str, path: str) -> None:
    app = an_app(hosts=AllowedHosts.of("0.0.0.0", ()))
    answer = ask(app, method, path, headers={"Host": "192.0.2.7"} | headers)
    wanted = 204 if method == "DELETE" and status == 429 else status
    assert answer.status_code == wanted, answer.text


def test_probes_ask_by_any_name_and_nobody_else() -> None:
    for address in ("127.0.0.1", "0.0.0.0"):
        app = an_app(hosts=AllowedHosts.of(address, ["impasto.example"]), root="/studio")
        for host in ("10.1.2.3:8000", "anything.example", ""):
            for path in ("/healthz", "/readyz", "/studio/healthz"):
                assert ask(app, "GET", path, headers={"Host": host}).status_code == 200
                assert ask(app, "HEAD", path, headers={"Host": host}).status_code == 200
        for path in ("/", "/v1/options", "/openapi.json", "/metrics", "/healthz/x"):
            answer = ask(app, "GET", path, headers={"Host": "anything.example"})
            assert (answer.status_code, answer.json()["code"]) == (421, "wrong_host")


def test_nobody_s_key_is_everyone_s(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    file.write_text(f"local:{hashlib.sha256(b'key').hexdigest()}\n")
    with pytest.raises(RequestError, match="'local' is the owner's name"):
        Keys(file)
    with pytest.raises(RequestError, match="give the owner another name"):
        Keys.new("local")


def test_where_keys_are_set_measures_need_one(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    file.write_text(f"anna:{hashlib.sha256(b'key').hexdigest()}\n")
    app = an_app(Keys(file))
    for method in ("GET", "HEAD"):
        assert ask(app, method, "/metrics").status_code == 401
        assert ask(app, method, "/metrics", headers={"Authorization": "Bearer other"}).status_code == 401
        assert ask(app, method, "/metrics", headers={"Authorization": "Bearer key"}).status_code == 200
    assert ask(app, "GET", "/healthz").status_code == 200
    assert ask(an_app(), "GET", "/metrics").status_code == 200

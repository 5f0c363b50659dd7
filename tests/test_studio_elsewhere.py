"""The studio where it is not at the root of this machine: below a proxy's path, under a name, beside other sites."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from browser import a_browser, a_studio, bring, file, go, painted, repainting
from playwright.sync_api import Browser, expect
from proxies import proxied
from serving import Served
from skimage import data

CAT = file("cat.png", data.chelsea()[::2, ::2])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Of this module's own: it knows two names more."""
    with a_browser("evil.test", "studio.test") as browser:
        yield browser


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that is called studio.test, too."""
    with Served(tmp_path_factory.mktemp("named"), "--host-name", "studio.test") as server:
        yield server


def test_below_a_proxys_path_everything_works(browser: Browser, served: Served) -> None:
    # Whatever is asked outside of the path fails the test.
    with proxied(served.address, "/art/studio") as address, a_studio(browser, address) as page:
        bring(page, CAT)
        with repainting(page):
            page.click(".thumb:has-text('Udnie')")
        broken = "() => [...document.images].filter((one) => one.complete && !one.naturalWidth).map((one) => one.src)"
        assert page.locator(".thumb img").count() > 30
        page.wait_for_function("() => [...document.querySelectorAll('.thumb img')].some((one) => one.naturalWidth)")
        assert page.evaluate(broken) == []
        page.wait_for_function("() => navigator.serviceWorker.controller?.state === 'activated'")
        assert page.evaluate("async () => (await navigator.serviceWorker.ready).scope") == f"{address}/"
        kept = page.evaluate(
            "async () => (await (await caches.open((await caches.keys())[0])).keys()).map((one) => one.url)"
        )
        assert f"{address}/" in kept
        assert all(url.startswith(f"{address}/") for url in kept)
        expect(page.locator("#connection")).to_be_empty()
        go(page, "status")
        expect(page.locator("#machine")).to_contain_text("udnie")
        page.reload()
        go(page, "studio")
        painted(page)


def test_the_root_path_is_in_what_the_server_says_of_addresses(tmp_path: Path, browser: Browser) -> None:
    with Served(tmp_path, "--root-path", "/art/") as server, server.client() as client:
        # Some proxies pass the path on, others cut it off.
        for front in ("", "/art"):
            found = client.get(f"{front}/v1/styles").json()["styles"][0]
            assert found["thumbnail"].startswith("/art/v1/styles/")
            assert client.get(found["thumbnail"]).status_code == 200
            job = client.post(f"{front}/v1/jobs", files={"content": ("a.png", CAT["buffer"])}, data={"style": "udnie"})
            assert job.headers["location"] == f"/art/v1/jobs/{job.json()['id']}"
        assert client.get("/art").headers["location"] == f"{server.address}/art/"
        assert client.get("/openapi.json").json()["servers"] == [{"url": "/art"}]
        with a_studio(browser, f"{server.address}/art") as page:
            bring(page, CAT)


def test_under_a_name_over_plain_http_the_studio_works_and_other_sites_do_not(browser: Browser, named: Served) -> None:
    port = named.address.rpartition(":")[2]
    with a_studio(browser, f"http://studio.test:{port}", expected="Cross-Origin-Opener-Policy") as page:
        # Here, browsers do not say Sec-Fetch-Site, but Origin.
        bring(page, CAT)

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = (
                f'<form method="post" enctype="multipart/form-data" action="http://studio.test:{port}/v1/jobs">'
                '<input name="content" type="file"><input name="style" value="udnie"></form>'
            )
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    evil = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=evil.serve_forever, args=(0.01,), daemon=True).start()
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(f"http://evil.test:{evil.server_port}/")
        page.set_input_files("input[type=file]", CAT)
        # To its end: another navigation would be cut off by it.
        with page.expect_navigation(url="**/v1/jobs"), page.expect_response("**/v1/jobs") as sent:
            page.evaluate("() => document.forms[0].submit()")
        assert sent.value.status == 403
        assert sent.value.request.all_headers()["origin"] == f"http://evil.test:{evil.server_port}"
        # The attacker's name, which now is this server's address.
        rebound = page.goto(f"http://evil.test:{port}/v1/jobs")
        assert rebound is not None
        assert rebound.status == 421
    finally:
        context.close()
        evil.shutdown()
        evil.server_close()
    assert httpx.get(f"{named.address}/v1/jobs").json()["jobs"] == []

"""scripts/clients.py leads clients to the server, and tells right from wrong; with clients of the test's own."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import httpx
import pytest
from serving import Served
from test_server import picture, wait

SCRIPT = Path(__file__).parents[1] / "scripts" / "clients.py"

# What the app's source says of its request, and no more.
APP = """
var uri = Uri.parse('http://192.168.2.11:8000/style');
  ..files.add(await http.MultipartFile.fromPath('content_img', contentPath))
  ..files.add(http.MultipartFile.fromBytes('style_img', bytes, filename: 'style.jpg'));
"""

# A front end: it asks for its server by the tutorial's name, and opens what that names.
FRONT_END = """
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.request import urlopen


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        told = json.load(urlopen("http://backend:8080/ping"))["status"]
        here = json.load(urlopen("http://localhost:8080/ping"))["status"]
        stored = open("/storage/a.jpg", "rb").read().decode()
        body = f"{told} {here} {stored}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


HTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
"""


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("clients_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    names = ["--host-name", "backend", "--host-name", "192.168.2.11"]
    with Served(tmp_path_factory.mktemp("clients"), "--compat", *names) as server:
        with server.client() as client:
            wait(client, "/readyz", lambda answer: answer.status_code == 200)
        yield server


def test_a_client_finds_the_server_by_its_names_and_the_pictures_in_its_folder(
    script: ModuleType, server: Served, tmp_path: Path
) -> None:
    (server.home / "jobs" / "storage" / "a.jpg").write_text("there")
    with script.running(sys.executable, ["-c", FRONT_END], tmp_path, server, "/") as address:
        assert httpx.get(address).text == "Healthy Healthy there"
    with (
        pytest.raises(SystemExit, match="does not answer"),
        script.running(sys.executable, ["-c", "raise SystemExit"], tmp_path, server, "/"),
    ):
        pass


def test_the_app_is_sent_its_pictures(
    script: ModuleType, server: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, styles = tmp_path / "flutter_app" / "lib", tmp_path / "flutter_app" / "assets" / "images"
    source.mkdir(parents=True)
    styles.mkdir(parents=True)
    (source / "main.dart").write_text(APP)
    (styles / "style0.jpg").write_bytes(picture(2, kind="JPEG"))
    script.flutter(tmp_path, server, tmp_path)
    assert capsys.readouterr().out.splitlines() == [
        "right  flutter: style0.jpg 200",
        "right  flutter: style0.jpg JPEG (720, 480), as the camera stored it",
        "right  flutter: 1 styles of the app",
    ]
    assert (tmp_path / "flutter-style0.jpg").exists()
    (source / "main.dart").write_text(APP.replace("style_img", "style-img"))
    with pytest.raises(SystemExit, match="another app than this script knows"):
        script.flutter(tmp_path, server, tmp_path)

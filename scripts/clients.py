"""Run the public clients that `impasto serve --compat` answers, unchanged, against it, and look at what they show.

usage: clients.py [--streamlit FOLDER] [--flask FOLDER] [--flutter FOLDER] [--out shots/]
                  [--streamlit-python PYTHON] [--flask-python PYTHON] [--jquery FILE]

The folders are clones of three public repositories, of which nothing is kept here:

    --streamlit   amalshaji/style-transfer        its front end (streamlit 1.2) in a browser: nine pictures appear
    --flask       quasi-researcher/style_transfer its page in a browser: ping, a transfer of a photograph of 12
                                                  megapixels, and whether the page still holds together
    --flutter     matheper/style_transfer         the app's request for each of its ten styles, byte for byte as Dart
                                                  sends it: the app itself needs a telephone

Each runs with a Python that has its requirements, such as that of an environment of its own (`python -m venv`; `pip
install streamlit==1.2.0 'altair<5' 'protobuf<3.21' 'click<8.1' requests` under Python 3.9 or 3.10; `pip install flask
requests`). What those clients expect of their machine, the name `backend`, port 8080 and the folder /storage, is led to
the server by a `sitecustomize` beside them. Their browser is Debian's Chromium, which finds no host but this one; the
Flask page fetches jQuery 3.5.1, so a file of it is needed (it is in the package XStatic-jQuery). Screenshots and
pictures go to the folder `--out`, to be looked at. It needs impasto[test].
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from skimage import data

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from replaying import dart_form, picture_of, replay  # noqa: E402
from serving import Served  # noqa: E402

SHOWN = 600_000
"""Milliseconds until what is waited for has to be there."""
SHIM = '''"""Leads the client's names for its server to where that is."""

import builtins
import io
import os
import socket

_PORT, _STORAGE = int(os.environ["CLIENTS_PORT"]), os.environ["CLIENTS_STORAGE"]
_resolve, _open = socket.getaddrinfo, builtins.open


def _getaddrinfo(host, port, *more, **named):
    if str(port) == "8080" and host in ("backend", "localhost", "127.0.0.1"):
        host, port = "127.0.0.1", _PORT
    return _resolve(host, port, *more, **named)


def _opened(file, *more, **named):
    if isinstance(file, str) and file.startswith("/storage/"):
        file = os.path.join(_STORAGE, file[len("/storage/"):])
    return _open(file, *more, **named)


socket.getaddrinfo, builtins.open, io.open = _getaddrinfo, _opened, _opened
'''


def photograph(width: int, height: int, turned: int = 1) -> bytes:
    """A cat, as a camera has it that was held as EXIF's ``turned`` says."""
    exif = Image.Exif()
    exif[0x0112] = turned
    buffer = io.BytesIO()
    cat = Image.fromarray(data.chelsea())
    if turned == 6:
        cat = cat.transpose(Image.Transpose.ROTATE_90)
    cat.resize((width, height)).save(buffer, "JPEG", exif=exif, quality=90)
    return buffer.getvalue()


@contextmanager
def running(python: str, arguments: list[str], folder: Path, server: Served, path: str) -> Iterator[str]:
    """A client of that folder, told of the server, until it answers; then its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as beside:
        (Path(beside) / "sitecustomize.py").write_text(SHIM)
        environment = os.environ | {
            "PYTHONPATH": beside,
            "CLIENTS_PORT": str(urlsplit(server.address).port),
            "CLIENTS_STORAGE": str(server.home / "jobs" / "storage"),
            "HOME": beside,
        }
        command = [python, *(text.replace("PORT", str(port)) for text in arguments)]
        client = subprocess.Popen(command, cwd=folder, env=environment)
        try:
            address = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + SHOWN / 1000
            while True:
                try:
                    httpx.get(f"{address}{path}", timeout=30).raise_for_status()
                    break
                except httpx.HTTPError as error:
                    if client.poll() is not None or time.monotonic() > deadline:
                        raise SystemExit(f"{' '.join(command)} does not answer; give another Python") from error
                    time.sleep(0.2)
            yield address
        finally:
            client.terminate()
            client.wait()


def streamlit(browser: Browser, folder: Path, python: str, server: Served, out: Path) -> None:
    """The front end: a photograph, a style, the button, and nine pictures."""
    arguments = ["-m", "streamlit", "run", "main.py", "--server.port", "PORT", "--server.headless", "true"]
    arguments += ["--server.address", "127.0.0.1", "--browser.gatherUsageStats", "false"]
    with running(python, arguments, folder / "frontend", server, "/") as address:
        page = browser.new_page(viewport={"width": 1000, "height": 1400})
        page.set_default_timeout(SHOWN)
        page.goto(address)
        page.locator("input[type=file]").set_input_files(
            {"name": "cat.jpg", "mimeType": "image/jpeg", "buffer": photograph(600, 400)}
        )
        page.get_by_text("cat.jpg").wait_for()
        page.get_by_role("button", name="Style Transfer").click()
        # Beside Streamlit's own, which are small.
        shown = "[...document.images].filter(one => one.complete && one.naturalWidth >= 400)"
        page.wait_for_function(f"() => {shown}.length >= 9", timeout=SHOWN)
        # Streamlit scrolls a part of its page: as high as the pictures, all of it is on show.
        page.set_viewport_size({"width": 1000, "height": 4800})
        page.screenshot(path=out / "streamlit.png")
        sizes = page.evaluate(f"() => {shown}.map(one => [one.naturalWidth, one.naturalHeight])")
        trouble = page.locator(".stException, [data-testid=stException]").count()
        page.close()
    expect(len(sizes) == 9 and not trouble, f"streamlit: nine pictures {sizes}, {trouble} errors")


def flask(browser: Browser, folder: Path, python: str, server: Served, out: Path, jquery: Path | None) -> None:
    """The page: the ping, then a transfer of a large photograph, whose answer is to have a place in the page."""
    with running(python, ["-m", "flask", "run", "--port", "PORT"], folder / "flask_app", server, "/") as address:
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.set_default_timeout(SHOWN)
        if jquery is not None:
            page.route("https://ajax.googleapis.com/**", lambda route: route.fulfill(path=jquery))
        page.goto(address)
        page.get_by_role("button", name="Ping").click()
        page.wait_for_url("**/ping*")
        status = page.get_by_text("Status of Torchserve").inner_text()
        large = {"name": "cat.jpg", "mimeType": "image/jpeg", "buffer": photograph(4000, 3000)}
        page.locator("#selected_c_image").set_input_files(large)
        painting = Image.fromarray(np.asarray(data.astronaut())[:, ::-1])
        buffer = io.BytesIO()
        painting.save(buffer, "PNG")
        page.locator("#selected_s_image").set_input_files(
            {"name": "style.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
        )
        page.get_by_role("button", name="Transfer style").click()
        page.wait_for_function("() => out_img.src && out_img.complete && out_img.naturalWidth > 0", timeout=SHOWN)
        sent = page.evaluate("() => out_img.src.length")
        width, height = page.evaluate("() => [out_img.naturalWidth, out_img.naturalHeight]")
        # Neither is the page wider than the window, nor does the picture lie on the text beside it.
        column = "document.querySelector('.two-column-div > :last-child')"
        apart = f"out_img.getBoundingClientRect().right <= {column}.getBoundingClientRect().left"
        fits = "document.documentElement.scrollWidth <= window.innerWidth"
        intact = page.evaluate(f"() => {fits} && {apart}")
        page.screenshot(path=out / "flask.png", full_page=True)
        page.close()
    expect(status.endswith(": Healthy"), f"flask: {status}")
    told = f"flask: a photograph of 4000x3000 comes back as {width}x{height}, {sent / 1e6:.2f} MB of base64; the page"
    expect(intact and max(width, height) <= 512 and sent < 2e6, f"{told} is {'intact' if intact else 'blown apart'}")


def flutter(folder: Path, server: Served, out: Path) -> None:
    """The request of ``styleImage`` in the app, with each of its styles."""
    source = (folder / "flutter_app" / "lib" / "main.dart").read_text("utf-8")
    uri = re.search(r"Uri\.parse\('(http://[^']+)'\)", source)
    fields = re.findall(r"MultipartFile\.from(?:Path|Bytes)\(\s*'(\w+)'", source)
    name = re.search(r"filename: '([^']+)'", source)
    if uri is None or len(fields) != 2 or name is None:
        raise SystemExit(f"{folder} has another app than this script knows; its styleImage() names a URI and two files")
    where = urlsplit(uri[1])
    styles = sorted((folder / "flutter_app" / "assets" / "images").glob("style*.jpg"))
    # A telephone's camera is lying on its side, and says so.
    photo = photograph(720, 480, turned=6)
    for style in styles:
        files = {fields[0]: ("2020-09-27 19:43:12.345678.png", photo), fields[1]: (name[1], style.read_bytes())}
        answer = replay(server.address, dart_form(where.path, where.netloc, files))
        expect(answer.status == 200, f"flutter: {style.name} {answer.status}")
        image = picture_of(answer.body)
        expect(image.size == (720, 480), f"flutter: {style.name} {image.format} {image.size}, as the camera stored it")
        # As the app shows it.
        image.transpose(Image.Transpose.ROTATE_270).save(out / f"flutter-{style.stem}.jpg")
    expect(len(styles) > 0, f"flutter: {len(styles)} styles of the app")


def warm(server: Served) -> None:
    """Wait until it can paint: its one worker begins again after a large picture."""
    with server.client() as client:
        while client.get("/readyz").status_code != 200:
            time.sleep(0.2)


def expect(is_right: bool, told: str) -> None:
    print(("right  " if is_right else "WRONG  ") + told, flush=True)
    if not is_right:
        _wrong.append(told)


_wrong: list[str] = []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("streamlit", "flask", "flutter"):
        parser.add_argument(f"--{name}", type=Path, metavar="FOLDER")
    parser.add_argument("--streamlit-python", default=sys.executable)
    parser.add_argument("--flask-python", default=sys.executable)
    parser.add_argument("--jquery", type=Path, metavar="FILE")
    parser.add_argument("--out", type=Path, default=Path("shots"))
    given = parser.parse_args()
    if not (given.streamlit or given.flask or given.flutter):
        parser.error("give the folder of a client, or of several")
    given.out.mkdir(parents=True, exist_ok=True)
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    flags += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    names = ["--host-name", "backend", "--host-name", "192.168.2.11"]
    with tempfile.TemporaryDirectory() as home, Served(Path(home), "--compat", *names) as server:
        warm(server)
        if given.flutter:
            flutter(given.flutter, server, given.out)
        if given.streamlit or given.flask:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
                if given.streamlit:
                    streamlit(browser, given.streamlit, given.streamlit_python, server, given.out)
                if given.flask:
                    warm(server)
                    flask(browser, given.flask, given.flask_python, server, given.out, given.jquery)
                browser.close()
    print(f"pictures of it are in {given.out}")
    sys.exit(1 if _wrong else 0)


if __name__ == "__main__":
    main()

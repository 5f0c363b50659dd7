"""A server on this machine for tests of downloads: it can go on in the middle, or cut off, or lie."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Shelf:
    """One file, and how it is given out."""

    data: bytes
    url: str = ""
    ranges: bool = True
    sized: bool = True
    cut: int | None = None  # bytes after which the connection is closed
    shift: int = 0  # how far beside what was asked for a part begins
    status: int = 200
    location: str = ""
    asked: list[str | None] = field(default_factory=list)  # the Range of every request


@contextmanager
def serving(shelf: Shelf) -> Iterator[Shelf]:
    """Serve it, at ``shelf.url``, while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            shelf.asked.append(wanted)
            if shelf.status != 200:
                self.send_response(shelf.status)
                if shelf.location:
                    self.send_header("Location", shelf.location)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and shelf.ranges else 0
            if wanted and shelf.ranges and start >= len(shelf.data):
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start += shelf.shift if start else 0
            body = shelf.data[start:]
            self.send_response(206 if wanted and shelf.ranges else 200)
            if wanted and shelf.ranges:
                self.send_header("Content-Range", f"bytes {start}-{len(shelf.data) - 1}/{len(shelf.data)}")
            if shelf.sized:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            # Who has seen enough leaves.
            with suppress(ConnectionError):
                self.wfile.write(body[: shelf.cut])

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    shelf.url = f"http://127.0.0.1:{server.server_port}/file.pth"
    try:
        yield shelf
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

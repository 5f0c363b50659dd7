"""A small proxy for tests: what it is asked for below a path, it asks another server for."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["proxied"]


@contextmanager
def proxied(address: str, prefix: str) -> Iterator[str]:
    """The server at ``address``, below ``prefix``, which is cut off as proxies do; all else there is 404."""
    host, _, port = address.removeprefix("http://").partition(":")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError):
            head, body = _head(client)
            line, _, fields = head.partition(b"\r\n")
            method, path, version = line.split(b" ")
            if not path.startswith(prefix.encode() + b"/"):
                client.sendall(b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
                return
            # One request for each connection; and by the name that the proxy knows, as is nginx's default.
            fields = re.sub(rb"(?im)^(connection|host):.*\r\n", b"", fields)
            fields = f"Host: {host}:{port}\r\nConnection: close\r\n".encode() + fields
            with socket.create_connection((host, int(port))) as server:
                server.sendall(b" ".join([method, path[len(prefix) :], version]) + b"\r\n" + fields + body)
                threading.Thread(target=_pass_on, args=(client, server), daemon=True).start()
                _pass_on(server, client)

    def accept() -> None:
        # Until it is closed.
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}{prefix}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _head(client: socket.socket) -> tuple[bytes, bytes]:
    """The head of a request, and the empty line with what has come of its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = client.recv(1 << 16)
        if not part:
            raise ConnectionError("it left")
        data += part
    end = data.index(b"\r\n\r\n") + 2
    return data[:end], data[end:]


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(1 << 16):
            target.sendall(part)
        target.shutdown(socket.SHUT_WR)

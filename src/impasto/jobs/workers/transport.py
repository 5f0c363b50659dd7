"""MessageSocket: messages over a socket, each a JSON object with byte strings; nothing in them is ever executed."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["Message", "MessageSocket"]

Message = tuple[Mapping[str, Any], Sequence[bytes]]

_HEAD = struct.Struct(">II")
_LONGEST_HEADER = 16 << 20
_MOST_BLOBS = 64
_MOST_AT_ONCE = 1 << 20
_MOST_BYTES = 4 << 30
"""Bounds of what the other end may announce, so that one gone mad costs no more than itself."""


class MessageSocket:
    """One end. Not safe to use from several threads."""

    def __init__(self, end: socket.socket, *, blocks: bool = True) -> None:
        self._end = end
        end.setblocking(blocks)
        # As much of a picture as the system allows goes through at once.
        for way in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            end.setsockopt(socket.SOL_SOCKET, way, _MOST_AT_ONCE)
        self.wait: Callable[[bool], None] | None = None
        """Where it does not block: is called with whether room to write (else something to read) is wanted, and returns
        when it is worth trying again."""

    def fileno(self) -> int:
        return self._end.fileno()

    def close(self) -> None:
        self._end.close()

    def send(self, header: Mapping[str, Any], blobs: Sequence[bytes] = ()) -> None:
        """Raises :class:`EOFError` where nobody is there any more."""
        text = json.dumps(header).encode()
        sizes = struct.pack(f">{len(blobs)}Q", *map(len, blobs))
        parts = [memoryview(part) for part in (_HEAD.pack(len(text), len(blobs)) + sizes + text, *blobs)]
        while parts:
            try:
                sent = self._end.sendmsg(parts)
            except BlockingIOError:
                self._until(writable=True)
                continue
            except OSError as error:
                raise EOFError("the other end is gone") from error
            while parts and sent >= len(parts[0]):
                sent -= len(parts.pop(0))
            if parts:
                parts[0] = parts[0][sent:]

    def receive(self) -> Message:
        """Raises :class:`EOFError` where nobody is there any more, and for what is not a message."""
        length, count = _HEAD.unpack(self._bytes(_HEAD.size))
        if length > _LONGEST_HEADER or count > _MOST_BLOBS:
            raise EOFError(f"a message announces {length} bytes and {count} more parts")
        sizes = struct.unpack(f">{count}Q", self._bytes(8 * count))
        if sum(sizes) > _MOST_BYTES:
            raise EOFError(f"a message announces {sum(sizes)} bytes")
        try:
            header = json.loads(self._bytes(length))
        except (ValueError, RecursionError) as error:
            raise EOFError("a message is not JSON") from error
        if not isinstance(header, dict):
            raise EOFError("a message is not a JSON object")
        return header, [self._bytes(size) for size in sizes]

    def _bytes(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size:
            try:
                part = self._end.recv(min(size, _MOST_AT_ONCE))
            except BlockingIOError:
                self._until(writable=False)
                continue
            except OSError as error:
                raise EOFError("the other end is gone") from error
            if not part:
                raise EOFError("the other end is gone")
            parts.append(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _until(self, *, writable: bool) -> None:
        assert self.wait is not None, "a socket that does not block needs a function to wait with"
        self.wait(writable)

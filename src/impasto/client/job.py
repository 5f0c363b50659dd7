"""RemoteJob: a job on a server, and what comes of it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from impasto.client.connection import QUICK, Connection
from impasto.client.errors import error_of_code

__all__ = ["RemoteJob", "RemotePastiche"]

_FINAL = ("done", "partial", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class RemotePastiche:
    """A finished pastiche as the server's file, its width and height, and the model and the seconds it took there.

    ``complete`` is false where it was ended before its time.
    """

    data: bytes = field(repr=False)
    size: tuple[int, int]
    seconds: float
    model: str
    complete: bool = True


class RemoteJob:
    """A job on a server, as it was when last looked at: ``facts`` is its JSON."""

    def __init__(self, connection: Connection, facts: Mapping[str, Any]) -> None:
        self._connection, self.facts = connection, facts

    @property
    def id(self) -> str:
        """By which :meth:`impasto.Client.job` finds it again."""
        return str(self.facts["id"])

    @property
    def state(self) -> str:
        """``queued``, ``running``, ``done``, ``partial`` (some items failed), ``failed`` or ``cancelled``."""
        return str(self.facts["state"])

    @property
    def is_final(self) -> bool:
        """Whether nothing will happen to it any more by itself."""
        return self.state in _FINAL

    def look(self) -> None:
        """Fetch its state again. Raises as :meth:`impasto.Client.stylize`, here and below."""
        self.facts = self._connection.request_json("GET", f"/v1/jobs/{self.id}", timeout=QUICK)

    def watch(self, every: float = 0.3) -> Iterator[Mapping[str, Any]]:
        """Look again every so many seconds, until it is over; yields its JSON."""
        while True:
            self.look()
            yield self.facts
            if self.is_final:
                return
            time.sleep(every)

    def wait(self, timeout: float | None = None) -> Self:
        """Until it is over, or for ``timeout`` seconds.

        Raises the error of a job that failed, wholly or in part, or was cancelled, and :class:`TimeoutError` for one
        that still goes on.
        """
        until = math.inf if timeout is None else time.monotonic() + timeout
        for _ in self.watch():
            if not self.is_final and time.monotonic() >= until:
                raise TimeoutError(f"job {self.id} is still {self.state} after {timeout:g} seconds; wait again")
        self.check()
        return self

    def check(self) -> None:
        """Raises the error of a job that failed, wholly or in part, or was cancelled; what is done of it is there all
        the same (:meth:`result`)."""
        if self.is_final and self.state != "done":
            error = self.facts["error"] or {"code": "cancelled", "message": f"job {self.id} was {self.state}"}
            raise error_of_code(error["code"], error["message"])

    def result(self, index: int = 0) -> bytes:
        """The file of one pastiche."""
        return self._connection.request("GET", f"/v1/jobs/{self.id}/result/{index}").content

    def pastiche(self, index: int = 0) -> RemotePastiche:
        """One pastiche of a job that is done, with what the server tells of it."""
        from impasto.picture.provenance import read_settings

        item, data = self.facts["items"][index], self.result(index)
        model = (read_settings(data) or {}).get("model", "")
        return RemotePastiche(data, (item["width"], item["height"]), item["seconds"], str(model), item["complete"])

    def cancel(self) -> None:
        """Cancel it."""
        self.facts = self._connection.request_json("POST", f"/v1/jobs/{self.id}/cancel", timeout=QUICK)

    def keep(self) -> None:
        """Stop it here, with the best so far."""
        self.facts = self._connection.request_json("POST", f"/v1/jobs/{self.id}/keep", timeout=QUICK)

    def delete(self) -> None:
        """Remove it and its pictures."""
        self._connection.request("DELETE", f"/v1/jobs/{self.id}", timeout=QUICK)

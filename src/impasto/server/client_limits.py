"""Client limits: how many clients may be connected, and how long the server waits for one."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ClientLimits"]


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """Seconds, and bytes a second.

    The head of a request must be there within ``head_timeout``. A body, and an answer that the client is to take, may
    take ``body_timeout`` and ``write_timeout``, and longer only while so many bytes a second go through.
    """

    connections: int = 500
    head_timeout: float = 20.0
    body_timeout: float = 30.0
    body_rate: float = 2000.0
    write_timeout: float = 60.0
    write_rate: float = 1000.0

    def body_seconds(self, arrived: int) -> float:
        """How long may have been waited for a body of which so many bytes are here."""
        return self.body_timeout + arrived / self.body_rate

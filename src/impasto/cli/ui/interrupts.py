"""Interrupts: signals that wait until a picture can be ended well."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["Interrupts"]


class Interrupts:
    """The first signal of each kind is noted while this is entered; the second does what it would have done."""

    def __init__(self, *kinds: signal.Signals) -> None:
        self._kinds = kinds
        self._before: dict[int, Any] = {}
        self._came: set[int] = set()

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return signal.SIGINT in self._came

    @property
    def terminated(self) -> bool:
        """Whether the process was asked to end."""
        return signal.SIGTERM in self._came

    def __enter__(self) -> Self:
        # Only the main thread may listen; and who started this in the background wants it ignored.
        if threading.current_thread() is threading.main_thread():
            for kind in self._kinds:
                before = signal.getsignal(kind)
                if before not in (None, signal.SIG_IGN):
                    self._before[kind] = signal.signal(kind, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _note(self, number: int, _: FrameType | None) -> None:
        self._came.add(number)
        signal.signal(number, self._before[number])

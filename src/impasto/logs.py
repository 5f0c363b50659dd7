"""Logs: lines on standard error, with time, level and what they are about, as text or as JSON."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal

__all__ = ["FORM_VARIABLE", "Form", "log_context", "log_facts", "set_log_context", "set_up"]

Form = Literal["text", "json"]
FORM_VARIABLE = "IMPASTO_SERVE_LOG"
"""The environment variable by which workers hear of the form."""

_ABOUT: ContextVar[Mapping[str, str]] = ContextVar("impasto_about", default=MappingProxyType({}))
_CONTROLS = {number: f"\\x{number:02x}" for number in (*range(32), *range(127, 160))}
"""A name that a client gave must not begin a line of its own."""


@contextmanager
def log_context(**of: str) -> Iterator[None]:
    """Lines that are logged in the block carry these facts: ``request``, ``job``, ``owner``."""
    token = _ABOUT.set({**_ABOUT.get(), **of})
    try:
        yield
    finally:
        _ABOUT.reset(token)


def set_log_context(**of: str) -> None:
    """Lines that this task logs from now on carry these facts."""
    _ABOUT.set(of)


def log_facts() -> Mapping[str, str]:
    """What lines that are logged here and now are about."""
    return _ABOUT.get()


def set_up(form: Form, level: str = "INFO") -> None:
    """Log to standard error from now on, also what libraries, warnings and errors that nobody caught say.

    A line in JSON has ``time``, ``level``, ``logger`` and ``message``, what it is :func:`log_context`, the facts given
    as ``extra={"facts": ...}``, and as ``error`` the traceback.
    """
    formatter = _Json() if form == "json" else _Text()

    def handler(level: str | int) -> logging.Handler:
        made = logging.StreamHandler(sys.stderr)
        made.setFormatter(formatter)
        made.setLevel(level)
        return made

    root, ours = logging.getLogger(), logging.getLogger("impasto")
    root.handlers = [handler(logging.NOTSET)]
    root.setLevel(logging.WARNING)
    ours.setLevel(level)
    # It does not pass on what it logs, and tells every second of a database that is away.
    transact = logging.getLogger("dbos")
    transact.handlers, transact.propagate = [handler(logging.ERROR)], False
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def _uncaught(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    logging.getLogger("impasto").critical("it failed: %s", error or kind.__name__, exc_info=(kind, error, trace))


def _uncaught_in_thread(told: threading.ExceptHookArgs) -> None:
    if told.exc_value is not None and not isinstance(told.exc_value, SystemExit):
        name = "a thread" if told.thread is None else told.thread.name
        error = (told.exc_type, told.exc_value, told.exc_traceback)
        logging.getLogger("impasto").error("%s failed: %s", name, told.exc_value, exc_info=error)


def _record_parts(record: logging.LogRecord) -> dict[str, Any]:
    about = dict(log_facts())
    if "job" not in about and isinstance(workflow := getattr(record, "operationUUID", None), str):
        # The queue's own lines: owner, job and a number.
        about |= dict(zip(("owner", "job"), workflow.split("/"), strict=False))
    return {**about, **getattr(record, "facts", {})}


def _timestamp(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Json(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"time": _timestamp(record), "level": record.levelname.lower(), "logger": record.name}
        line |= {"message": record.getMessage(), **_record_parts(record)}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class _Text(logging.Formatter):
    """For people; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        words = [_timestamp(record), record.levelname, f"{record.name}:", record.getMessage().strip()]
        words += [f"{name}={value}" for name, value in _record_parts(record).items()]
        line = " ".join(words).translate(_CONTROLS)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line

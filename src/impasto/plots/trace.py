"""Trace: the steps of a run of the iterative engine, as JSON lines that grow while it runs."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from impasto.errors import ImpastoError, OutputError, OutputExists, RequestError

__all__ = ["Snapshot", "Trace", "TraceStep", "TraceWriter"]

_KEY = "impasto_trace"
_VERSION = 1
_HEAD = json.dumps({_KEY: _VERSION}).encode().removesuffix(b"}")
_OWN = re.compile(rb'\s*\{\s*"impasto_trace"')
_LONGEST = 2**20  # bytes of a line: whatever is longer was never a trace
_MOST = 2**53  # whole numbers up to here are exact as floats


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One step: its pyramid level with ``(width, height)``, seconds since the start, and its loss.

    ``terms`` are multiplied by their weights and sum to ``loss``. What was not finite is NaN or infinite.
    """

    step: int
    level: int
    size: tuple[int, int]
    seconds: float
    loss: float
    terms: Mapping[str, float]

    @property
    def is_finite(self) -> bool:
        """Whether the loss and all of its terms are finite."""
        return all(map(math.isfinite, (self.loss, *self.terms.values())))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The picture as it was after ``step``. The file may be gone."""

    step: int
    path: Path


@dataclass(frozen=True, slots=True)
class Trace:
    """A run: what was repainted with which model and settings, its steps and snapshots in order.

    Where the run was resumed, photo, model and settings are those of the last time.
    """

    path: Path
    photo: str
    model: str
    settings: Mapping[str, Any]
    steps: tuple[TraceStep, ...]
    snapshots: tuple[Snapshot, ...]

    @property
    def terms(self) -> tuple[str, ...]:
        """The names of all terms, in the order in which they came."""
        return tuple(dict.fromkeys(name for step in self.steps for name in step.terms))

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Trace:
        """Read a trace, also of a run that is still going on or was killed: a torn last line is left out.

        A step that comes again replaces the earlier one. A run that was resumed from step ``n`` forgets
        what came after ``n`` before: that picture was given up. Raises :class:`RequestError`, naming the
        file and the line, for whatever is not a trace.
        """
        file = Path(path)
        collected = _TraceReader(file)
        try:
            with file.open("rb") as lines:
                for number, line, is_last in _numbered(lines):
                    try:
                        record = _parsed(line)
                    except ValueError as error:
                        if is_last:
                            break
                        if number > 1:
                            raise RequestError(f"{file} is broken in line {number}: {error}; remove it") from None
                        record = None
                    collected.add(number, record)
        except ImpastoError:
            raise
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or error
            raise RequestError(f"{file} cannot be read: {reason}") from error
        return collected.trace()


class TraceWriter:
    """Appends to a trace, each line as it comes; the file is made where there is none.

    ::

        with TraceWriter("run.jsonl") as trace:
            trace.begin("harbour.jpg", "pocket@2", settings)
            trace.step(1, level=0, size=(512, 384), seconds=0.3, loss=0.5, terms={"content": 0.2, "gram": 0.3})
            trace.snapshot(1, "step-1.png")

    A run that is resumed begins again in the same file. A line that was torn when the last one was
    killed is cut off first. Raises :class:`OutputExists` where the file is there and no trace, and
    :class:`OutputError` where it cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._file: FileIO | None = None
        self._begun = False

    def __enter__(self) -> Self:
        try:
            if self.path.is_file():
                _complete_last_line(self.path)
            self._file = FileIO(self.path, "a")
        except (OSError, ValueError) as error:
            raise self._refused(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def begin(self, photo: str, model: str, settings: Mapping[str, object]) -> None:
        """Say what runs, once for every time it is started. What JSON has no values for is written as text."""
        self._begun = True
        self._write({_KEY: _VERSION, "photo": photo, "model": model, "settings": dict(settings)})

    def step(
        self,
        step: int,
        *,
        level: int,
        size: tuple[int, int],
        seconds: float,
        loss: float,
        terms: Mapping[str, float],
    ) -> None:
        """A step that is done; see :class:`TraceStep`. Numbers that are not finite are written as null."""
        self._write(
            {
                "step": int(step),
                "level": int(level),
                "size": [int(side) for side in size],
                "seconds": round(float(seconds), 3),
                "loss": _jsonable(loss),
                "terms": {name: _jsonable(term) for name, term in terms.items()},
            }
        )

    def snapshot(self, step: int, path: str | os.PathLike[str]) -> None:
        """A picture that was saved; written relative to the trace where it lies in the same folder or below it."""
        absolute, folder = (Path(os.path.abspath(p)) for p in (path, self.path.parent))
        near = absolute.relative_to(folder) if absolute.is_relative_to(folder) else absolute
        self._write({"step": int(step), "snapshot": near.as_posix()})

    def _write(self, record: Mapping[str, object]) -> None:
        if self._file is None or not self._begun:
            raise RuntimeError("the trace is not open; enter TraceWriter with `with` and call begin() first")
        # Unbuffered: each line is on its way to the disk when this returns, and nothing is left to fail on closing.
        rest = memoryview(json.dumps(record, default=str).encode() + b"\n")
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise self._refused(error) from error

    def _refused(self, error: Exception) -> OutputError:
        if not self.path.parent.is_dir():
            return OutputError(f"{self.path} cannot be written: the folder does not exist; create it first")
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        return OutputError(f"{self.path} cannot be written: {reason}")


class _TraceReader:
    """A trace as its lines come in."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._head: dict[str, Any] | None = None
        self._steps: dict[int, TraceStep] = {}
        self._snapshots: dict[int, tuple[int, Snapshot]] = {}
        self._sitting = 0
        self._has_stepped = False

    def add(self, number: int, record: dict[str, Any] | None) -> None:
        if self._head is None and (record is None or _KEY not in record):
            raise RequestError(
                f"{self._path} is not a trace: its first line has no {_KEY}; give a file that stylize --trace wrote"
            )
        assert record is not None
        try:
            if _KEY in record:
                self._begin(record)
            elif "snapshot" in record:
                step = _whole(record, "step")
                path = self._path.parent / _text(record, "snapshot")
                self._snapshots[step] = self._sitting, Snapshot(step, path)
            else:
                self._step(_step(record))
        except ValueError as error:
            raise RequestError(f"{self._path} is broken in line {number}: {error}; remove it") from None

    def trace(self) -> Trace:
        if self._head is None:
            raise RequestError(f"{self._path} is not a trace: it is empty; give a file that stylize --trace wrote")
        steps = tuple(self._steps[number] for number in sorted(self._steps))
        snapshots = tuple(self._snapshots[number][1] for number in sorted(self._snapshots))
        return Trace(self._path, **self._head, steps=steps, snapshots=snapshots)

    def _begin(self, record: dict[str, Any]) -> None:
        version = record[_KEY]
        if type(version) is not int or version != _VERSION:
            raise RequestError(
                f"{self._path} is a trace of version {_short(version)}, but this Impasto reads {_VERSION}; update it"
            )
        if not isinstance(record.get("settings"), dict):
            raise ValueError(f"settings are {_short(record.get('settings'))}, where an object is needed")
        self._head = {
            "photo": _text(record, "photo"),
            "model": _text(record, "model"),
            "settings": record["settings"],
        }
        self._sitting += 1
        self._has_stepped = False

    def _step(self, step: TraceStep) -> None:
        if not self._has_stepped:
            self._has_stepped = True
            self._steps = {number: old for number, old in self._steps.items() if number < step.step}
            self._snapshots = {
                number: (sitting, old)
                for number, (sitting, old) in self._snapshots.items()
                if number < step.step or sitting == self._sitting
            }
        self._steps[step.step] = step


def _complete_last_line(path: Path) -> None:
    """Make the last line whole, so that another can follow."""
    data = path.read_bytes()
    if data and not _OWN.match(data) and not _HEAD.startswith(data):
        raise OutputExists(f"{path} exists and is not a trace; choose another name")
    whole = data.rfind(b"\n") + 1
    if data[whole:].strip(b"\0 \r"):
        try:
            _parsed(data[whole:])
        except ValueError:
            pass
        else:
            with path.open("ab") as file:
                file.write(b"\n")
            return
    if whole < len(data):
        os.truncate(path, whole)


def _numbered(file: IO[bytes]) -> Iterator[tuple[int, bytes, bool]]:
    """Lines that are not blank, with their numbers, and whether each is the last."""
    held: tuple[int, bytes] | None = None
    number = 0
    while line := file.readline(_LONGEST):
        number += 1
        if line.strip():
            if held is not None:
                yield *held, False
            held = number, line
    if held is not None:
        yield *held, True


def _parsed(line: bytes) -> dict[str, Any]:
    """Raises ``ValueError`` for what is not a JSON object."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON ({error})") from None
    if not isinstance(record, dict):
        raise ValueError(f"it is {_short(record)}, where an object is needed")
    return record


def _step(record: dict[str, Any]) -> TraceStep:
    number, level, size = _whole(record, "step"), _whole(record, "level"), record.get("size")
    if not isinstance(size, list) or len(size) != 2 or not all(_is_whole(side) and side > 0 for side in size):
        raise ValueError(f"size is {_short(size)}, where [width, height] is needed")
    seconds, loss, terms = _number(record, "seconds"), _number(record, "loss"), record.get("terms")
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"seconds is {seconds}, where 0 or more is needed")
    if not isinstance(terms, dict):
        raise ValueError(f"terms are {_short(terms)}, where an object is needed")
    return TraceStep(number, level, (size[0], size[1]), seconds, loss, {name: _number(terms, name) for name in terms})


def _is_whole(value: object) -> bool:
    return type(value) is int and 0 <= value <= _MOST


def _whole(record: dict[str, Any], name: str) -> int:
    value = record.get(name)
    if not _is_whole(value):
        raise ValueError(f"{name} is {_short(value)}, where a whole number is needed")
    assert isinstance(value, int)
    return value


def _number(record: dict[str, Any], name: str) -> float:
    """A number; null, which stands for one that was not finite, as NaN."""
    value = record.get(name, "missing")
    if value is None:
        return math.nan
    if type(value) in (int, float):
        try:
            return float(value)
        except OverflowError:
            pass
    raise ValueError(f"{name if len(name) < 80 else name[:77] + '...'} is {_short(value)}, where a number is needed")


def _text(record: dict[str, Any], name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is {_short(value)}, where a text is needed")
    return value


def _jsonable(number: float) -> float | None:
    # Python would write NaN, which is not JSON: other programs could not read the line.
    return float(number) if math.isfinite(number) else None


def _short(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # more digits than Python writes
        text = "a huge number"
    return text if len(text) <= 80 else f"{text[:77]}..."

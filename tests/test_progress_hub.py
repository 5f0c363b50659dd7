"""What is told of running jobs."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import pytest

from impasto.jobs.progress_hub import ProgressHub
from impasto.server.routes.events import _first_event, _stream


def test_losses_that_are_no_numbers_are_told_as_null() -> None:
    live, told = ProgressHub(lambda owner, after: [], lambda owner: 0), list[Any]()
    live.listen(lambda owner, message: told.append(message))
    live.begin("anna", "one")
    losses = {"gram": math.nan, "content": 2.0}
    report = {"step": 3, "losses": losses, "trace": [{"step": 3, "loss": math.inf, "losses": losses}], "preview": None}
    live.update("anna", "one", report, 0.5)
    assert live.progress("anna", "one")["losses"] == {"gram": None, "content": 2.0}
    assert live.trace("anna", "one") == [{"step": 3, "loss": None, "losses": {"gram": None, "content": 2.0}}]
    assert "NaN" not in json.dumps(told[0]["data"], allow_nan=False)


class Ledger:
    """Events that come in pages, as those of the ledger do."""

    def __init__(self) -> None:
        self.count, self.is_away = 0, False

    def messages(self, owner: str, after: int) -> list[Any]:
        if self.is_away:
            raise OSError("the database is away")
        return [{"event": "job", "id": n, "data": {}} for n in range(after + 1, min(self.count, after + 500) + 1)]

    def last(self, owner: str) -> int:
        return self.count


def test_all_that_was_not_told_is_told_however_much_it_is() -> None:
    ledger, told = Ledger(), list[int]()
    live = ProgressHub(ledger.messages, ledger.last)
    live.listen(lambda owner, message: told.append(message["id"]))
    live.follow("anna")
    ledger.count = 1700
    live.announce("anna")
    assert told == list(range(1, 1701))
    # What could not be read is told the next time.
    ledger.count, ledger.is_away = 1701, True
    live.announce("anna")
    ledger.is_away = False
    live.announce_all()
    assert told[-1] == 1701


def test_what_happens_while_nobody_listens_is_not_told_late() -> None:
    ledger, told = Ledger(), list[int]()
    live = ProgressHub(ledger.messages, ledger.last)
    end = live.listen(lambda owner, message: None)
    live.follow("anna")
    end()
    ledger.count = 700
    live.announce("anna")
    live.listen(lambda owner, message: told.append(message["id"]))
    live.follow("anna")
    ledger.count = 701
    live.announce("anna")
    assert told == [701]


def test_who_fails_at_listening_hurts_nobody(caplog: pytest.LogCaptureFixture) -> None:
    ledger, told = Ledger(), list[Any]()
    live = ProgressHub(ledger.messages, ledger.last)

    def fail(owner: str, message: object) -> None:
        raise RuntimeError("event loop is closed")

    live.listen(fail)
    live.listen(lambda owner, message: told.append(message["event"]))
    live.follow("anna")
    live.begin("anna", "one")
    live.update("anna", "one", {"step": 1, "losses": {}, "trace": [], "preview": None}, 0.5)
    ledger.count = 1
    live.announce("anna")
    assert told == ["progress", "job"]
    assert "event loop is closed" in caplog.text


def test_a_number_that_was_never_given_is_no_reason_to_be_silent() -> None:
    ledger = Ledger()
    ledger.count = 3
    heard: list[Any] = []

    class Jobs:
        messages, last_event = staticmethod(ledger.messages), staticmethod(ledger.last)

        @staticmethod
        def listen(owner: str, listener: Any) -> Any:
            heard.append(listener)
            return lambda: None

    async def read() -> list[str]:
        stream = _stream(Jobs(), "anna", _first_event(10**9, ledger.last("anna")), asyncio.Event())  # type: ignore[arg-type]
        said = [await anext(stream) for _ in range(4)]
        heard[0]("anna", {"event": "job", "id": 4, "data": {"id": "new"}})
        said.append(await anext(stream))
        await stream.aclose()  # type: ignore[attr-defined]
        return said

    assert [_first_event(since, 3) for since in (None, 0, 2, 3, 4)] == [3, 0, 2, 3, 0]
    said = asyncio.run(read())
    assert said[0].startswith("event: hello")
    assert [text.splitlines()[0] for text in said[1:]] == ["id: 1", "id: 2", "id: 3", "id: 4"]

"""The ledger beside a model of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from ledgers import NOW, a_database, a_job, blob, publish

from impasto.jobs.errors import JobConflict, UnknownJob
from impasto.jobs.records.job import FINAL, Job, JobState
from impasto.jobs.records.ledger import Ledger

OWNERS, IDS, ITEMS = ("ann", "bob"), ("one", "two", "three"), 3
indices = st.integers(0, ITEMS - 1)
keys = st.tuples(st.sampled_from(OWNERS), st.sampled_from(IDS))


class LedgerMachine(RuleBasedStateMachine):
    """The ledger beside the simplest thing that could be one."""

    @initialize()
    def begin(self) -> None:
        self.jobs: dict[tuple[str, str], Job] = {}
        self.told: list[tuple[str, str, str]] = []
        self.moment = NOW
        self.folder = tempfile.TemporaryDirectory(prefix="impasto-ledger-")
        self.place = a_database(Path(self.folder.name))
        self.url = self.place.__enter__()
        self.ledger = Ledger(self.url)

    def teardown(self) -> None:
        self.ledger.close()
        self.place.__exit__(None, None, None)
        self.folder.cleanup()

    def take(self, key: tuple[str, str], method: Callable[[], Any]) -> Any:
        """What ``method`` returns, or ``None`` where there is no such job, which it has to say."""
        if key in self.jobs:
            return method()
        with pytest.raises(UnknownJob):
            method()
        return None

    def expect(self, key: tuple[str, str], kind: str | None, **changed: Any) -> Job:
        """The model changes, and with ``kind`` an event tells of it."""
        if kind:
            self.told.append((*key, kind))
        self.jobs[key] = replace(self.jobs[key], **changed)
        return self.jobs[key]

    @rule(key=keys, content=st.sampled_from("xxxxy"), items=st.integers(1, ITEMS), priority=st.integers(0, 9))
    def add(self, key: tuple[str, str], content: str, items: int, priority: int) -> None:
        self.moment += 1
        job = a_job(key[1], key[0], items, priority=priority, fingerprint=blob(content), created=self.moment)
        there = self.jobs.get(key)
        if there is None:
            assert self.ledger.add(job, dict.fromkeys(job.blobs, 1)) == (job, True)
            self.jobs[key] = job
            self.expect(key, "queued")
        elif there.fingerprint == job.fingerprint:
            found, new = self.ledger.add(job, {})
            assert (found.created, new) == (there.created, False)
        else:
            with pytest.raises(JobConflict):
                self.ledger.add(job, {})

    @rule(key=keys)
    def start(self, key: tuple[str, str]) -> None:
        found = self.take(key, lambda: self.ledger.start(*key))
        if found and not self.jobs[key].is_final:
            queued = self.jobs[key].state == "queued"
            self.expect(key, "running" if queued else None, state="running", attempt=self.jobs[key].attempt + 1)

    @rule(key=keys, index=indices, fails=st.booleans())
    def settle(self, key: tuple[str, str], index: int, fails: bool) -> None:
        owner, id = key
        error, result = {"code": "error", "message": "no"}, blob(f"{owner} {id} {index}")

        def settle() -> bool:
            return self.ledger.fail_item(owner, id, index, **error) if fails else publish(self.ledger, owner, id, index)

        job = self.jobs.get(key)
        if job and index >= len(job.items):
            with pytest.raises(IndexError):
                settle()
            return
        now = self.take(key, settle)
        if job is None:
            return
        item = job.items[index]
        assert now == (job.state == "running" and item.state == "waiting")
        if now:
            facts = {"media_type": "image/png", "width": 640, "height": 480, "seconds": 1.25, "result": result}
            new = replace(item, state="failed", error=error) if fails else replace(item, state="done", **facts)  # type: ignore[arg-type]
            self.expect(key, "item", items=(*job.items[:index], new, *job.items[index + 1 :]))

    @rule(key=keys, state=st.sampled_from(sorted(FINAL)))
    def finish(self, key: tuple[str, str], state: JobState) -> None:
        error = None if state == "done" else {"code": "error", "message": "\u0000"}
        found = self.take(key, lambda: self.ledger.finish(*key, state, error))
        if found is not None:
            job = self.jobs[key]
            assert found == (job.state == "running" or (job.state == "queued" and state not in ("done", "partial")))
            if found:
                self.expect(key, state, state=state, error=error, cancelling=False)

    @rule(key=keys)
    def ask_cancel(self, key: tuple[str, str]) -> None:
        if self.take(key, lambda: self.ledger.request_cancel(*key)):
            if self.jobs[key].state == "queued":
                self.expect(key, "cancelled", state="cancelled")
            elif self.jobs[key].state == "running":
                self.expect(key, None, cancelling=True)

    @rule(key=keys)
    def ask_keep(self, key: tuple[str, str]) -> None:
        if self.take(key, lambda: self.ledger.request_keep(*key)) and self.jobs[key].state == "running":
            self.expect(key, None, keep=True)

    @rule(key=keys)
    def reopen(self, key: tuple[str, str]) -> None:
        if self.take(key, lambda: self.ledger.reopen(*key)):
            job = self.jobs[key]
            failed = any(item.state == "failed" for item in job.items)
            if job.state in ("partial", "failed", "cancelled") or (job.state == "done" and failed):
                waiting = (replace(i, state="waiting", error=None) if i.state == "failed" else i for i in job.items)
                new = {"error": None, "cancelling": False, "keep": False, "attempt": 0, "items": tuple(waiting)}
                self.expect(key, "queued", state="queued", **new)

    @rule(key=keys)
    def delete(self, key: tuple[str, str]) -> None:
        found = self.take(key, lambda: self.ledger.delete(*key))
        if found is not None:
            self.expect(key, "deleted")
            gone = self.jobs.pop(key).blobs
            others = {one for job in self.jobs.values() for one in job.blobs}
            assert found == sorted(gone - others)

    @precondition(lambda self: self.jobs)
    @rule()
    def begin_again(self) -> None:
        self.ledger.close()
        self.ledger = Ledger(self.url)

    @invariant()
    def all_is_as_expected(self) -> None:
        ledger, jobs = self.ledger, list(self.jobs.values())
        for key, job in self.jobs.items():
            found = ledger.get(*key)
            assert (found.started is None, found.finished is None) == (
                found.state == "queued" or (found.started is None and found.is_final),
                not found.is_final,
            )
            assert replace(found, started=None, finished=None, expires=job.expires) == job
            assert found.expires >= job.expires
            before = [j for j in jobs if j.state == "queued" and (j.priority, j.created) < (job.priority, job.created)]
            assert ledger.position(found) == (len(before) if job.state == "queued" else 0)
        for owner in OWNERS:
            mine = sorted((job for job in jobs if job.owner == owner), key=lambda job: -job.created)
            assert [job.id for job in ledger.list(owner)] == [job.id for job in mine]
            done = [job.id for job in mine if job.state == "done"]
            assert [job.id for job in ledger.list(owner, states=["done"])] == done
            assert ledger.count_queued(owner) == sum(job.state == "queued" for job in mine)
            twins = [job for job in mine if job.state in ("queued", "running", "done") and job.fingerprint == blob("x")]
            twin = next((job.id for job in twins if not job.cancelling and not job.keep), None)
            alike = ledger.find_twin(owner, blob("x"))
            assert (alike.id if alike else None) == twin
            events = [(e.number, e.job, e.kind) for e in ledger.events(owner, 0)]
            assert events == [(i + 1, job, kind) for i, (who, job, kind) in enumerate(self.told) if who == owner]
            assert ledger.last_event(owner) == max((number for number, _, _ in events), default=0)
        states: list[str] = [job.state for job in jobs]
        assert ledger.counts() == {state: states.count(state) for state in ledger.counts()}
        unfinished = sorted((job for job in jobs if not job.is_final), key=lambda job: (job.priority, job.created))
        assert [job.id for job in ledger.unfinished()] == [job.id for job in unfinished]
        assert ledger.referenced() == {one for job in jobs for one in job.blobs}


LedgerMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
TestLedgerBesideAModel = LedgerMachine.TestCase

"""Metrics: what Prometheus reads at /metrics.

==============================  =========  ======================================================
``impasto_requests_total``      counter    requests by ``route``, ``method`` and ``status``
``impasto_request_seconds``     histogram  how long they took, by ``route``
``impasto_storage_up``          gauge      1 where jobs can be read and stored, else 0
``impasto_jobs``                gauge      jobs by ``state``; none where they cannot be read
``impasto_waiting``             gauge      requests that wait for a picture at once
``impasto_workers``             gauge      workers by ``lane`` and ``state``
``impasto_worker_bytes``        gauge      resident memory by ``lane``, summed
``impasto_worker_restarts``     gauge      workers replaced since the start, by ``lane``
==============================  =========  ======================================================
"""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from impasto.jobs.service import Jobs

__all__ = ["CONTENT_TYPE", "MeasureRequests", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Of one server."""

    def __init__(self, jobs: Jobs) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter("impasto_requests", "Requests", ["route", "method", "status"], registry=self._registry)
        self.seconds = Histogram(
            "impasto_request_seconds",
            "How long requests took",
            ["route"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
            registry=self._registry,
        )
        self._now = _CurrentState(jobs)
        self._registry.register(self._now)

    def text(self, counts: Mapping[str, int] | None) -> bytes:
        """In Prometheus' text format; ``counts`` are the jobs by state, none where they cannot be told."""
        self._now.counts = counts
        return generate_latest(self._registry)


class _CurrentState(Collector):
    """What is so when it is asked for."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self.counts: Mapping[str, int] | None = None

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        status, counts = self._jobs.workers(), self.counts
        yield GaugeMetricFamily("impasto_storage_up", "Jobs can be read and stored", value=counts is not None)
        yield _gauge("impasto_jobs", "Jobs", ["state"], {(state,): n for state, n in (counts or {}).items()})
        yield GaugeMetricFamily("impasto_waiting", "Requests that wait for a picture", value=status["waiting"])
        workers: list[dict[str, Any]] = status["workers"]
        states = Tally((w["lane"], w["state"]) for w in workers)
        yield _gauge("impasto_workers", "Workers", ["lane", "state"], states)
        sums: dict[str, Tally[tuple[str, ...]]] = {"rss": Tally(), "restarts": Tally()}
        for worker in workers:
            for key, tally in sums.items():
                tally[(worker["lane"],)] += worker[key] or 0
        yield _gauge("impasto_worker_bytes", "Resident memory of workers", ["lane"], sums["rss"])
        yield _gauge("impasto_worker_restarts", "Workers replaced", ["lane"], sums["restarts"])


def _gauge(name: str, text: str, labels: list[str], values: Mapping[Any, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(list(key), value)
    return family


class MeasureRequests:
    """Counts and times every request."""

    def __init__(self, app: ASGIApp, measures: Metrics) -> None:
        self._app, self._metrics = app, measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began = 499, time.perf_counter()

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception:
            # It is answered farther out.
            status = 500
            raise
        finally:
            # The pattern, not the path: paths hold ids.
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.requests.labels(route, method, str(status)).inc()
            # Of a stream, how long somebody listened says nothing.
            if route != "/v1/events":
                self._metrics.seconds.labels(route).observe(time.perf_counter() - began)


_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")

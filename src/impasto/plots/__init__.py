"""Traces: the losses of the iterative engine's steps, read, written and drawn."""

from impasto.plots.trace import Snapshot, Trace, TraceStep, TraceWriter

__all__ = ["Snapshot", "Trace", "TraceStep", "TraceWriter"]

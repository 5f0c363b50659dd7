"""Steps: what the engine ``iterative`` reports, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from impasto.cli.ui import terminal

if TYPE_CHECKING:
    from impasto.request import Progress

__all__ = ["briefly", "planned", "stepped"]


def planned(name: str, size: tuple[int, int], progress: Progress) -> str:
    """``photo.jpg: 512 x 384, 40 steps: about 5 s, 0.4 GB``."""
    # Not the report's size: that is the coarsest level's.
    width, height = size
    time = "" if progress.seconds_left is None else f"about {_spell(max(progress.seconds_left, 1))}, "
    memory = f"{max((progress.memory or 0) / 1e9, 0.1):.1f} GB"
    what = terminal.amount(progress.steps or 0, "step")
    return f"{terminal.printable(name)}: {width} x {height}, {what}: {time}{memory}"


def stepped(progress: Progress) -> str:
    """``step 23 of 40, total loss 0.412, 4 s left``."""
    return ", ".join([f"step {progress.step} of {progress.steps}", *_facts(progress)])


def briefly(progress: Progress) -> str:
    """The same beside a bar: ``23/40  total loss 0.412  4 s left``."""
    return "  ".join([f"{progress.step}/{progress.steps}", *_facts(progress)])


def _facts(progress: Progress) -> list[str]:
    facts = [] if progress.loss is None else [f"total loss {progress.loss:.3g}"]
    return facts if progress.seconds_left is None else [*facts, f"{_spell(progress.seconds_left)} left"]


def _spell(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"

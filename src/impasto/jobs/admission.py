"""Admission: which orders become jobs."""

from __future__ import annotations

from collections.abc import Iterable

from impasto.errors import PictureTooLarge, RequestError, UnknownStyle
from impasto.jobs.errors import QueueFull, QuotaExceeded
from impasto.jobs.galleries import Galleries
from impasto.jobs.ledger import Ledger
from impasto.jobs.limits import Limits
from impasto.jobs.order import Order
from impasto.jobs.pool import Pool
from impasto.request import options

__all__ = ["Admission"]

_OPTIONS = {option.name: option for option in options()}


class Admission:
    """Looks at orders before anything is promised."""

    def __init__(self, ledger: Ledger, pool: Pool, galleries: Galleries, limits: Limits) -> None:
        self._ledger, self._pool, self._galleries, self._limits = ledger, pool, galleries, limits

    def check(self, order: Order, owner: str) -> None:
        """Raise what is wrong with an order: the pictures' own errors, :class:`UnknownStyle`, :class:`QueueFull`,
        :class:`QuotaExceeded`, and :class:`RequestError` for too many photographs."""
        self._check_room(order, owner)
        self._check_pictures(order, owner)

    def _check_room(self, order: Order, owner: str) -> None:
        limits = self._limits
        if len(order.contents) > limits.files:
            raise RequestError(f"{len(order.contents)} photographs are too many; send at most {limits.files} at once")
        queued, own = self._ledger.counts().get("queued", 0), self._ledger.queued_of(owner)
        if queued >= limits.queued:
            raise QueueFull(f"{queued} jobs wait already; try again in a minute", 60)
        if own >= limits.queued_per_owner:
            raise QuotaExceeded(f"{own} of your jobs wait already; cancel some, or try again in a minute", 60)
        stored = self._ledger.stored_bytes(owner)
        if stored >= limits.stored_per_owner:
            raise QuotaExceeded(
                f"your jobs hold {stored / 1e9:.1f} GB of {limits.stored_per_owner / 1e9:.1f} allowed; delete some",
                60,
            )

    def _check_pictures(self, order: Order, owner: str) -> None:
        """Every picture is decoded once, by a worker, before anything is promised."""
        paintings = [style for _, style in order.styles if isinstance(style, bytes)]
        gallery = self._galleries.of(owner)
        for _, style in order.styles:
            if isinstance(style, str) and style not in gallery:
                raise UnknownStyle(gallery.unknown(style))
        contents = [data for _, data in order.contents]
        sizes = self._pool.probe([*contents, *paintings, *order.files.values()], self._limits.max_pixels)
        self._check_steps(order, sizes[: len(contents)])

    def _check_steps(self, order: Order, sizes: Iterable[tuple[int, int]]) -> None:
        """Refuse what would take days."""
        if order.engine != "iterative":
            return
        steps = order.settings.get("steps", _OPTIONS["steps"].default)
        assert isinstance(steps, int)
        for width, height in sizes:
            longest = order.settings.get("size")
            share = min(1.0, longest / max(width, height)) if isinstance(longest, int) else 1.0
            work = width * height * share**2 * steps * (20 if order.settings.get("optimiser") == "scipy" else 1)
            if work > self._limits.pixel_steps:
                raise PictureTooLarge(
                    f"{steps} steps of {width} x {height} pixels are {work:.2g} pixels times steps, and "
                    f"{self._limits.pixel_steps:.2g} are allowed; give fewer steps, or a smaller size"
                )

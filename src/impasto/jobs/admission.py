"""Admission: which orders become jobs."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any, cast

from impasto.errors import MissingExtra, PictureError, PictureTooLarge, RequestError, StyleExists, UnknownStyle
from impasto.iterative.pyramid import level_steps, levels
from impasto.jobs.errors import QueueFull, QuotaExceeded, WorkerLost
from impasto.jobs.limits import Limits
from impasto.jobs.order import Order, unknown_model_error
from impasto.jobs.owners.models import Networks
from impasto.jobs.owners.styles import Galleries
from impasto.jobs.records.ledger import Ledger
from impasto.jobs.training_order import Training
from impasto.jobs.workers.pool import Pool
from impasto.picture.error_context import naming_errors
from impasto.picture.scaling import fit_side
from impasto.request import options

__all__ = ["Admission"]

_NEEDED = ("torch", "onnx")
_UNFINISHED = ("queued", "running")
_MANY = 10_000
_MOST_LOST = 3
"""Photographs that took the worker that looked at them with it, after which no more are looked at."""
_OPTIONS = {option.name: option for option in options()}


class Admission:
    """Looks at orders before anything is promised."""

    def __init__(self, ledger: Ledger, pool: Pool, galleries: Galleries, networks: Networks, limits: Limits) -> None:
        self._ledger, self._pool, self._limits = ledger, pool, limits
        self._galleries, self._networks = galleries, networks

    def check(self, order: Order, owner: str) -> dict[int, PictureError]:
        """What is wrong with single ones of many photographs, by their index: the others are done without them.

        Raises what is wrong with all of an order: the pictures' own errors, :class:`UnknownStyle`, :class:`QueueFull`,
        :class:`QuotaExceeded`, :class:`RequestError` for too many photographs and for a model that is another owner's;
        and of a training what :meth:`check_name` raises, and :class:`MissingExtra` where torch is not installed."""
        self.check_model(order, owner)
        if len(order.contents) > self._limits.files:
            raise RequestError(
                f"{len(order.contents)} photographs are too many; send at most {self._limits.files} at once"
            )
        self.check_room(owner)
        if order.training is not None:
            self._check_training(order.training, owner)
        return self._check_pictures(order, owner)

    def check_model(self, order: Order, owner: str) -> None:
        """Raise :class:`RequestError` for a model that is another owner's: to this one, it does not exist."""
        model = order.settings.get("model")
        if isinstance(model, str) and not self._networks.is_visible(owner, model):
            raise unknown_model_error("model", model)

    def check_name(self, name: str, owner: str) -> None:
        """Raise :class:`StyleExists` for the name of a style, or of one that is being trained; :class:`QuotaExceeded`
        where the owner has enough styles."""
        self._galleries.for_owner(owner).check_free(name)
        if name in self._styles_in_training(owner):
            raise StyleExists(f"a network for the style {name} is being trained; give another name, or cancel that job")
        self.check_shelf(owner)

    def check_shelf(self, owner: str) -> None:
        """Raise :class:`QuotaExceeded` where the owner has enough styles."""
        own = len(self._galleries.for_owner(owner).own()) + len(self._styles_in_training(owner))
        if own >= self._limits.styles_per_owner:
            raise QuotaExceeded(f"you have {own} styles of your own already; delete some", 60)

    def _styles_in_training(self, owner: str) -> list[str]:
        """The names of styles that are being trained."""
        unfinished = self._ledger.list(owner, states=_UNFINISHED, limit=_MANY)
        return [str(job.settings["name"]) for job in unfinished if job.kind == "train-style"]

    def check_room(self, owner: str) -> None:
        """Raise :class:`QueueFull` and :class:`QuotaExceeded` where one more job of that owner is one too many.

        Whoever has less than an equal share of the places is let in even where others have taken them all."""
        limits = self._limits
        queued, own = self._ledger.counts().get("queued", 0), self._ledger.count_queued(owner)
        if queued >= limits.queued and own >= max(
            min(1, limits.queued), limits.queued // (self._ledger.others_queued(owner) + 1)
        ):
            raise QueueFull(f"{queued} jobs wait already; try again in a minute", 60)
        if own >= limits.queued_per_owner:
            raise QuotaExceeded(f"{own} of your jobs wait already; cancel some, or try again in a minute", 60)
        stored = self._ledger.stored_bytes(owner)
        if stored >= limits.stored_per_owner:
            raise QuotaExceeded(
                f"your jobs hold {stored / 1e9:.1f} GB of {limits.stored_per_owner / 1e9:.1f} allowed; delete some",
                60,
            )

    def _check_training(self, training: Training, owner: str) -> None:
        shortest, longest = self._limits.train_minutes
        if not shortest <= training.minutes <= longest:
            raise RequestError(f"minutes is {training.minutes:g}; give a number from {shortest:g} to {longest:g}")
        if any(find_spec(module) is None for module in _NEEDED):
            raise MissingExtra("training a style", "train")
        self.check_name(training.name, owner)

    def _check_pictures(self, order: Order, owner: str) -> dict[int, PictureError]:
        """Every picture is decoded once, by a worker, before anything is promised."""
        gallery, most = self._galleries.for_owner(owner), self._limits.max_pixels
        for _, style in order.styles:
            if isinstance(style, str) and style not in gallery:
                raise UnknownStyle(gallery.unknown(style))
        for number, (_, style) in enumerate(order.styles, 1):
            if isinstance(style, bytes):
                with naming_errors("style", number, of=len(order.styles)):
                    self._pool.probe([style], most, owner=owner)
        for role, data in order.files.items():
            with naming_errors(role):
                self._pool.probe([data], most, owner=owner)
        broken: dict[int, PictureError] = {}
        lost = 0
        for index, (name, data) in enumerate(order.contents):
            try:
                with naming_errors(f"content {name[:80]!r}"):
                    self._check_steps(order, self._pool.probe([data], most, owner=owner))
            except PictureError as error:
                # Each costs a worker and its time: nobody has many such photographs.
                lost += isinstance(error.__cause__, WorkerLost)
                if lost == _MOST_LOST or len(broken) + 1 == len(order.contents):
                    raise
                # Not with the traceback, which holds on to all the photographs.
                broken[index] = error.with_traceback(None)
        return broken

    def _check_steps(self, order: Order, sizes: Iterable[tuple[int, int]]) -> None:
        """Refuse what would take days."""
        if order.engine != "iterative":
            return
        steps, growth, count = (
            cast(Any, order.settings.get(name, _OPTIONS[name].default)) for name in ("steps", "coarse_steps", "levels")
        )
        asked, side = (cast(Any, order.settings.get(name, _OPTIONS[name].default)) for name in ("size", "size_side"))
        for width, height in sizes:
            seen = levels(fit_side((width, height), asked, side), count)
            counts = level_steps(steps, growth, len(seen))
            work = sum(w * h * number for (w, h), number in zip(seen, counts, strict=True))
            work *= 20 if order.settings.get("optimiser") == "scipy" else 1
            if work > self._limits.pixel_steps:
                raise PictureTooLarge(
                    f"{steps} steps of {width} x {height} pixels are {work:.2g} pixels times steps, and "
                    f"{self._limits.pixel_steps:.2g} are allowed; give fewer steps, or a smaller size"
                )

"""The engine ``iterative``: the picture itself is optimised against perceptual losses (Gatys et al. 2016)."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.encoders.encoder import STYLE_LAYERS, Encoder
from impasto.encoders.open import FoundEncoder, encoder_name, find_encoder, open_any
from impasto.errors import MissingExtra, RequestError
from impasto.inference.heap import keep_heap
from impasto.inference.machine import describe
from impasto.instant.arbitrary import SCALES
from impasto.instant.engine import InstantEngine
from impasto.instant.postprocess import finish, restore
from impasto.iterative.checkpoint import Checkpoint, digest
from impasto.iterative.memory import RunPlan, plan_run, seconds_per_pixel
from impasto.iterative.objective_builder import Layers, ObjectiveBuilder, chosen_layers, pixels_at_all_scales
from impasto.iterative.optimisers import Optimiser, make_optimiser
from impasto.iterative.pyramid import initial_picture, level_steps, levels, working_size
from impasto.iterative.regions import region_weights
from impasto.iterative.targets import Targets, card_code, picture_tensor
from impasto.picture.picture import Picture
from impasto.picture.raster import Pixels
from impasto.picture.scaling import fit
from impasto.picture.transparency import fill_transparent
from impasto.request import Enough, Progress, Request, Result, run_to_end

__all__ = ["IterativeEngine"]

_PREVIEW = 1024
_FLAT_STEPS = 10
_HISTORY = 10
_REMEMBERED = 45_000_000
"""Pixels of all steps that L-BFGS remembers: with what two tensors of each take, 1 GiB."""


class IterativeEngine:
    """Paints with one encoder at a time. Safe to use from several threads."""

    def __init__(self, encoder: Encoder | None = None, *, starter: InstantEngine | None = None) -> None:
        """``encoder`` is one of the caller's own, in place of what requests name; ``starter`` makes the pastiches
        to start from, by default with the model ``instant``."""
        self._custom_encoder, self._starter = encoder, starter
        self._open_cached = lru_cache(maxsize=4)(_open)
        self._machine = lru_cache(maxsize=1)(describe)

    def run(
        self, request: Request, *, state: Path | None = None, save_every: float = 5.0
    ) -> Generator[Progress, None, Result]:
        """Repaint ``request.content``; yields progress before the first and after every step, returns the result.

        Closing the generator cancels; :class:`impasto.request.Enough` thrown into it ends it with the best so far.
        With ``state``, a file, the run is saved there every ``save_every`` seconds and when it is cancelled, and goes
        on from there when it is run again, in deterministic mode to the same pixels; a finished run removes it.

        Raises :class:`PictureTooLarge` where the memory does not suffice, :class:`StyleError` for a style that has
        not what the encoder needs, :class:`ModelError` for an unknown encoder.
        """
        began = time.perf_counter()
        yield Progress("style", 0.0, 0.0)
        content = request.content.as_type(np.dtype(np.uint16)) if request.bits == 16 else request.content
        identity, encoder, layers = self._encoder(request)
        complete = True
        if request.strength == 0:
            pastiche = content.resized(fit(content.size, request.resize))
        else:
            working = fill_transparent(content).resized(working_size(request))
            run = _Run(self, request, working, identity, encoder, layers, state, save_every, began)
            yield run.report("plan", memory=run.plan.memory, left=run.plan.seconds)
            with keep_heap():
                painted, complete = yield from run.paint()
            if request.strength < 1 and (working.size != content.size or content.alpha is not None):
                painted = restore(painted, working, content, 1 - request.strength)
            pastiche = finish(painted, request)
        return Result(pastiche, request, identity, time.perf_counter() - began, complete)

    def finish(self, request: Request) -> Result:
        """Run to the end."""
        return run_to_end(self.run(request))

    def codes(self, pictures: Sequence[Picture]) -> dict[str, dict[float, Pixels]]:
        """What a style card keeps for the encoder that ships, at each of :data:`SCALES`, of pictures of one style."""
        encoder = self._open_cached("pocket", STYLE_LAYERS, "max", "replicate", False)
        return {_find_encoder("pocket").identity: {scale: card_code(encoder, pictures, scale) for scale in SCALES}}

    @property
    def starter(self) -> InstantEngine:
        """What makes the pastiches to start from."""
        if self._starter is None:
            self._starter = InstantEngine()
        return self._starter

    def _encoder(self, request: Request, *, wide: bool = False) -> tuple[str, Encoder, Layers]:
        """Name, encoder and layers of a request; ``wide`` is in float32 whatever the request says."""
        half = request.arithmetic == "bf16" or (request.arithmetic == "auto" and self._machine().bf16)
        half = half and not wide
        if self._custom_encoder is not None:
            _check_tiles(request, type(self._custom_encoder))
            return (
                "own",
                self._custom_encoder,
                chosen_layers(request, type(self._custom_encoder), self._custom_encoder.layers),
            )
        name = encoder_name(request)
        known = _find_encoder(name)
        _check_tiles(request, known.kind)
        # A plugin's has its own layers alone, and nobody knows whether it can be narrowed.
        own = known.plugin is not None
        layers = chosen_layers(request, known.kind, known.layers, closed=own)
        return (
            known.identity,
            self._open_cached(name, layers.all, request.pooling, request.padding, half and not own),
            layers,
        )


@dataclass
class _Run:
    """One picture being painted."""

    engine: IterativeEngine
    request: Request
    working: Picture
    identity: str
    encoder: Encoder
    layers: Layers
    state: Path | None
    save_every: float
    began: float
    level: int = 0
    step: int = 0
    done: int = 0
    before: float = 0.0
    recent_losses: tuple[float, ...] = ()
    tile: int | None = None
    picture: Tensor = field(init=False, repr=False)
    mean: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        request = self.request
        self.sizes = levels(self.working.size, request.levels)
        self.counts = level_steps(request.steps, request.coarse_steps, len(self.sizes))
        self.optimiser = self._optimiser()
        self.keep = self.optimiser.average if request.average is None else request.average
        self.steps = sum(self.counts)

    @cached_property
    def plan(self) -> RunPlan:
        """Memory, tiles and time."""
        request, encoder = self.request, self.encoder
        times = 20 if request.optimiser == "scipy" else 1
        return plan_run(
            encoder,
            self.working.size,
            list(self.layers.content),
            tensors=self.optimiser.tensors,
            free=describe().memory_free,
            tile=request.tile,
            pace=seconds_per_pixel(encoder),
            passes=[(work, times) for work in self._pixels_by_level],
        )

    @property
    def _pixels_by_level(self) -> list[int]:
        """Pixels that are looked at at each level."""
        return [
            pixels_at_all_scales(size, self.request.scales) * n for size, n in zip(self.sizes, self.counts, strict=True)
        ]

    @cached_property
    def digest(self) -> str:
        """A digest that identifies this run."""
        return digest(self.request, self.identity)

    @cached_property
    def start(self) -> Picture:
        """The initial picture, at the finest level."""
        request = self.request
        shares = (
            region_weights(request.regions, self.working.size, rest=request.style is not None)
            if request.regions
            else []
        )
        return initial_picture(request, self.working, self.engine.starter, [share.numpy() for share in shares])

    def paint(self) -> Generator[Progress, None, tuple[Picture, bool]]:
        """Go through the levels; returns the picture, and whether it was not ended before its time."""
        point, self.tile = None, self.plan.tile
        if self.state is not None:
            point = Checkpoint.read(self.state, self.digest)
        if point is not None and self.request.deterministic:
            self.tile = point.tile
        complete = True
        try:
            for level, size in enumerate(self.sizes):
                if point is not None and level < point.level:
                    continue
                self._begin_level(level, size, point if point is not None and level == point.level else None)
                if not (yield from self._level(size)):
                    complete = False
                    break
        except GeneratorExit:
            self._save()
            raise
        if self.state is not None and complete:
            self.state.unlink(missing_ok=True)
        return self._result_picture(), complete

    def _level(self, size: tuple[int, int]) -> Generator[Progress, None, bool]:
        """The steps at one level; returns false where somebody had enough."""
        request = self.request
        objective = self._objective_builder().objective(size)
        deadline, saved = self._deadline(), time.monotonic()
        if self.step == 0 and request.preview_every:
            try:
                yield self.report("paint", preview=True)
            except Enough:
                return False
        while self.step < self.counts[self.level] and time.perf_counter() < deadline and not self._is_flat():
            if self.optimiser.stalls > 1:
                if not self._is_bf16():
                    break
                # Its first steps are smaller than bf16 can see.
                _, self.encoder, _ = self.engine._encoder(request, wide=True)
                objective, self.optimiser = self._objective_builder().objective(size), self._optimiser()
            found = self.optimiser.step(self.picture, objective)
            self.step, self.done = self.step + 1, self.done + 1
            self.mean.lerp_(self.picture, (1 - self.keep) / (1 - self.keep**self.step))
            self.recent_losses = (*self.recent_losses, found.loss)[-_FLAT_STEPS - 1 :]
            if self.state is not None and time.monotonic() - saved >= self.save_every:
                self._save()
                saved = time.monotonic()
            try:
                preview = bool(request.preview_every) and self.step % request.preview_every == 0
                yield self.report("paint", losses=found.losses, preview=preview)
            except Enough:
                self._save()
                return False
        return True

    def _begin_level(self, level: int, size: tuple[int, int], point: Checkpoint | None) -> None:
        """Begin a level: from a checkpoint, from the start, or from the coarser level's picture."""
        if point is not None:
            self.level, self.step, self.done, self.before = level, point.step, point.done, point.seconds
            self.picture, self.mean = point.tensors["picture"], point.tensors["average"]
            self.optimiser.restore(point.optimiser())
            self.recent_losses, self.optimiser.stalls = point.recent, point.stalls
            return
        start = picture_tensor(self.start.resized(size).pixels)
        if level > 0:
            coarse = (self.mean.shape[2], self.mean.shape[3])
            # What the coarser level cannot hold comes from the start: its finest detail.
            detail = start - _scaled(_scaled(start, coarse), size[::-1])
            start = (_scaled(self.mean, size[::-1]) + detail).clamp(0, 1)
        # A coarser level may have come to where bf16 sees nothing more; this one is not there yet.
        _, self.encoder, _ = self.engine._encoder(self.request)
        self.level, self.step, self.recent_losses = level, 0, ()
        self.done = sum(self.counts[:level])
        self.picture, self.mean = start, start.clone()
        self.optimiser = self._optimiser()

    def _objective_builder(self) -> ObjectiveBuilder:
        if self._targets is None or self._targets.encoder is not self.encoder:
            self._targets = Targets(self.encoder, self.identity)
        return ObjectiveBuilder(self.request, self._targets, self.layers, self.working, self.tile)

    def _optimiser(self) -> Optimiser:
        request = self.request
        width, height = self.working.size
        history = request.history or min(_HISTORY, max(2, _REMEMBERED // (width * height)))
        return make_optimiser(request.optimiser, request.learning_rate, history)

    def _deadline(self) -> float:
        """When to leave this level, so that each gets its share of the seconds allowed."""
        if self.request.seconds is None:
            return float("inf")
        left = self.request.seconds - self._elapsed()
        works = self._pixels_by_level[self.level :]
        return time.perf_counter() + left * works[0] / max(sum(works), 1)

    def _is_flat(self) -> bool:
        flat, recent = self.request.flat, self.recent_losses
        return flat is not None and len(recent) > _FLAT_STEPS and recent[0] - recent[-1] < flat * recent[0]

    def _is_bf16(self) -> bool:
        return next(self.encoder.parameters(), torch.zeros(())).dtype == torch.bfloat16

    def _save(self) -> None:
        if self.state is None or not hasattr(self, "picture"):
            return
        tensors = {"picture": self.picture, "average": self.mean}
        tensors |= {f"optimiser.{name}": value for name, value in self.optimiser.state().items()}
        facts = (self.digest, self.level, self.step, self.done, self._elapsed())
        Checkpoint(*facts, tensors, self.recent_losses, self.optimiser.stalls, self.tile).write(self.state)

    def _elapsed(self) -> float:
        return time.perf_counter() - self.began + self.before

    def _result_picture(self) -> Picture:
        painted = _picture_of_tensor(self.mean, self.working)
        return painted.resized(self.working.size)

    def report(
        self,
        stage: str,
        *,
        losses: dict[str, float] | None = None,
        preview: bool = False,
        memory: int | None = None,
        left: float | None = None,
    ) -> Progress:
        """A report of how far it is."""
        spent = self._elapsed()
        works = self._pixels_by_level
        here = works[self.level] * self.step / max(self.counts[self.level], 1)
        share = (sum(works[: self.level]) + here) / max(sum(works), 1)
        if left is None and self._first is not None:
            at, then = self._first
            left = (spent - then) / (share - at) * (1 - share) if share > at else None
        elif stage == "paint":
            self._first = (share, spent)
        if left is not None and self.request.seconds is not None:
            left = min(left, max(0.0, self.request.seconds - spent))
        shown = None
        if preview:
            shown = _picture_of_tensor(self.mean, self.working)
            shown = shown.resized(fit(shown.size, min(_PREVIEW, max(shown.size))))
        return Progress(
            stage,
            share,
            spent,
            left,
            shown,
            step=self.done,
            steps=self.steps,
            size=self.sizes[self.level],
            losses=losses or {},
            memory=memory,
        )

    _first: tuple[float, float] | None = None
    _targets: Targets | None = None


def _find_encoder(name: str) -> FoundEncoder:
    try:
        return find_encoder(name)
    except MissingExtra:
        raise
    except ImportError as error:
        raise MissingExtra("the engine iterative", "iterative") from error
    except ValueError as error:
        raise RequestError(f"the encoder {name} cannot do this: {error}") from error


def _check_tiles(request: Request, kind: type[Encoder]) -> None:
    if not kind.tiled and (request.tile is not None or request.regions):
        raise RequestError("tiles and regions need an encoder with known strides, such as vgg19 or pocket")


def _open(name: str, layers: tuple[str, ...], pooling: str, padding: str, half: bool) -> Encoder:
    try:
        encoder = open_any(name, layers, pooling=pooling, padding=padding)  # type: ignore[arg-type]
    except MissingExtra:
        raise
    except ImportError as error:
        raise MissingExtra("the engine iterative", "iterative") from error
    except ValueError as error:
        raise RequestError(f"the encoder {name} cannot do this: {error}") from error
    encoder = encoder.requires_grad_(False)
    return encoder.bfloat16() if half else encoder


def _scaled(picture: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(picture, size, mode="bicubic", antialias=size[0] < picture.shape[2], align_corners=False)


def _picture_of_tensor(tensor: Tensor, like: Picture) -> Picture:
    """A tensor as whole numbers such as ``like`` has."""
    values = tensor[0].permute(1, 2, 0).clamp(0, 1) * like.peak + 0.5
    return Picture(values.numpy().astype(like.pixels.dtype))

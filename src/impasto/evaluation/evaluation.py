"""Evaluation: paint and gather the pictures of every pair, score them beside two controls, and write it all down."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from impasto.errors import OutputExists, RequestError
from impasto.evaluation.contact_sheet import Sheet
from impasto.evaluation.contestant import Contestant, FromEngine, FromFolder, Kind
from impasto.evaluation.engine_trials import STRENGTHS, Seams, TileTrial, distances
from impasto.evaluation.faces import Faces
from impasto.evaluation.inputs import SIDE, make_output_folder, read_square, write_picture
from impasto.evaluation.large_pictures import COLUMNS, Large, Scale
from impasto.evaluation.measurements import Marks, Standing
from impasto.evaluation.metrics import Evenness, evenness
from impasto.evaluation.pairs import Pair
from impasto.evaluation.report import EngineFacts, Report
from impasto.evaluation.scoring import Inputs, Scoring
from impasto.instant.painter import Painter
from impasto.picture.files import write_atomically
from impasto.request import Progress

if TYPE_CHECKING:
    from impasto.evaluation.metrics.scorer import Scorer

__all__ = ["CONTROLS", "Evaluation"]

CONTROLS = ("photograph", "painting")
"""Beside every contestant: the untouched photograph, and the bare painting."""

_SHOWN = 12
_TRIED = 4


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What to score, by whom, and where to write it; ``seed`` draws the resamples of the intervals.

    Of several instant engines, the first is also tried: its tiles, and its steps of strength. ``faces`` says
    where faces are, and ``large`` names photographs that are to be painted at their full size, each with the painting
    of a pair.
    """

    pairs: Sequence[Pair]
    contestants: Sequence[Contestant]
    scorer: Scorer
    folder: Path
    seed: int = 0
    overwrite: bool = False
    faces: Faces = field(default_factory=dict)
    large: Sequence[Path] = ()

    def __post_init__(self) -> None:
        """Raises :class:`RequestError` for missing pictures, and for a name that is given twice or is a control's.

        And for large photographs of the same name, and for one that nobody paints or has painted.
        """
        taken = set(CONTROLS)
        for contestant in self.contestants:
            if contestant.name in taken:
                raise RequestError(f"two contestants are called {contestant.name!r}; give each a name of its own")
            taken.add(contestant.name)
            if isinstance(contestant, FromFolder):
                contestant.check(self.pairs)
        if len({file.stem for file in self.large}) < len(self.large):
            raise RequestError("two large photographs have the same name; give each one of its own")
        if unpainted := [file for file in self.large if not self._painting(file)]:
            stem = unpainted[0].stem
            raise RequestError(
                f"nobody has painted {unpainted[0]}; name an engine, or put {stem}.large.png and {stem}.small.png into "
                "a folder of pictures"
            )

    def run(self) -> Generator[Progress, None, Report]:
        """Yields progress, pair by pair, and returns the report.

        Writes ``report.json``, ``table.md``, ``sheet.png`` and ``pictures/<engine's model>/<id>.png`` into the
        folder, and for large photographs ``large.png`` and ``large/<engine's model>/<photograph>.png``. Raises
        :class:`OutputExists` before all work where it holds a report that may not be overwritten,
        :class:`OutputError`, and the errors of reading and painting pictures.
        """
        self._check_free()
        make_output_folder(self.folder)
        engine = next((c for c in self.contestants if isinstance(c, FromEngine)), None)
        tried = [self.pairs[i] for i in _spread(len(self.pairs), _TRIED)] if engine else []
        clock = _Clock(len(self.pairs) + 2 * len(tried) + len(self.large))
        marks = yield from self._marks(clock)
        large = yield from self._large(clock)
        facts, strength, ratio = (None, None, None) if engine is None else (yield from self._try(engine, tried, clock))
        kinds: dict[str, Kind] = {c.name: c.kind for c in self.contestants}
        report = Report(
            encoder=self.scorer.name,
            sha256=self.scorer.sha256,
            note=self.scorer.note,
            pairs=tuple(pair.id for pair in self.pairs),
            side=SIDE,
            seed=self.seed,
            standings=tuple(Standing.of(n, kinds.get(n, "control"), found, self.seed) for n, found in marks.items()),
            engine=facts,
            strength=strength,
            seams=ratio,
            large=large,
        )
        self._write("report.json", report.to_bytes())
        self._write("table.md", report.to_markdown().encode())
        return report

    def _marks(self, clock: _Clock) -> Generator[Progress, None, dict[str, list[Marks]]]:
        names = (*CONTROLS, *(c.name for c in self.contestants))
        scoring = Scoring(self.scorer)
        shown = _spread(len(self.pairs), _SHOWN)
        sheet = Sheet(names, len(shown))
        for number, pair in enumerate(self.pairs):
            yield clock.tick(pair.id)
            inputs = Inputs.read(pair, self.faces)
            pictures = dict(zip(CONTROLS, (inputs.content, inputs.style), strict=True))
            for contestant in self.contestants:
                made = contestant.picture(pair, inputs.content, inputs.style)
                pictures[contestant.name] = made
                if contestant.kind == "engine":
                    folder = make_output_folder(self.folder / "pictures" / contestant.name)
                    write_picture(folder / f"{pair.id}.png", made, overwrite=self.overwrite)
            scoring.add(inputs, pictures)
            if number in shown:
                sheet.add(pair.id, list(pictures.values()))
        write_picture(self.folder / "sheet.png", sheet.pixels, overwrite=self.overwrite)
        return scoring.marks()

    def _painting(self, file: Path) -> list[Contestant]:
        """Who paints a large photograph, or has done."""
        return [c for c in self.contestants if not isinstance(c, FromFolder) or c.has_large(file)]

    def _large(self, clock: _Clock) -> Generator[Progress, None, dict[str, tuple[Scale, ...]]]:
        found: dict[str, tuple[Scale, ...]] = {}
        if not self.large:
            return found
        sheet = Sheet(COLUMNS, sum(len(self._painting(file)) for file in self.large))
        for photograph in Large.read(self.large, self.pairs):
            yield clock.tick(photograph.file.name)
            for contestant in self.contestants:
                made = contestant.large(photograph)
                if made is None:
                    continue
                if contestant.kind == "engine":
                    file = make_output_folder(self.folder / "large" / contestant.name) / f"{photograph.file.stem}.png"
                    write_picture(file, made[0], overwrite=self.overwrite)
                scale = photograph.scale(self.scorer, *made)
                sheet.add(f"{contestant.name}: {scale.photograph}", photograph.shown(*made))
                found[contestant.name] = (*found.get(contestant.name, ()), scale)
        write_picture(self.folder / "large.png", sheet.pixels, overwrite=self.overwrite)
        return found

    def _try(
        self, engine: FromEngine, pairs: Sequence[Pair], clock: _Clock
    ) -> Generator[Progress, None, tuple[EngineFacts, Evenness | None, Seams]]:
        found: list[list[float]] = []
        ratios: list[float] = []
        tiles = TileTrial(engine)
        for pair in pairs:
            content, style = read_square(pair.content), read_square(pair.style)
            yield clock.tick("strength")
            found.append(distances(engine, self.scorer, content, style))
            yield clock.tick("seams")
            ratios.append(tiles.ratio(content, style))
        means = np.mean(found, axis=0).tolist()
        # A model that changes nothing has no curve, and is to be reported all the same.
        return _facts(engine), evenness(STRENGTHS, means) if means[-1] > 0 else None, Seams.of(ratios)

    def _check_free(self) -> None:
        for name in ("report.json", "table.md", "sheet.png", *(["large.png"] if self.large else [])):
            if not self.overwrite and (self.folder / name).exists():
                raise OutputExists(f"{self.folder / name} exists; choose another folder or allow overwriting it")

    def _write(self, name: str, data: bytes) -> None:
        write_atomically(self.folder / name, data, overwrite=self.overwrite)


class _Clock:
    """Counts the steps that are done, and tells how long the others may take."""

    def __init__(self, steps: int) -> None:
        self._steps, self._done, self._began = steps, -1, time.perf_counter()

    def tick(self, stage: str) -> Progress:
        """One more step is begun, and so the last one done."""
        self._done += 1
        spent = time.perf_counter() - self._began
        left = spent / self._done * (self._steps - self._done) if self._done else None
        return Progress(stage, self._done / self._steps, spent, left)


def _spread(count: int, most: int) -> list[int]:
    """At most so many of ``count`` places, evenly spread."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, most))})


def _facts(engine: FromEngine) -> EngineFacts:
    runtime, precision = Painter(engine.model, engine.precision).runtime
    files = {part: entry["sha256"] for part, entry in engine.model.files.items()}
    return EngineFacts(engine.engine, engine.model.identity, files, runtime, precision)

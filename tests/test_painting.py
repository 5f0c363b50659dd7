"""What a worker does with a task, in this process."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import noise, saved
from PIL import Image

from impasto import Gallery, Picture, Style, Stylizer
from impasto.errors import OutputError, PictureError, PictureTooLarge, RequestError, StyleError, UnknownStyle
from impasto.jobs.errors import StorageLost, TooDear
from impasto.jobs.records.error_codec import decode_error
from impasto.jobs.records.error_codec import encode_error as failed
from impasto.jobs.records.style_ref import StyleRef
from impasto.jobs.workers import progress_reports as reports_module
from impasto.jobs.workers import stylize as module
from impasto.jobs.workers.messages import Painted, Task
from impasto.jobs.workers.progress_reports import Report
from impasto.jobs.workers.stylize import TaskPainter
from impasto.request import Enough, Progress

PHOTO = saved(Image.fromarray(noise(64, 48)), "png")
PAINTING = saved(Image.fromarray(noise(72, 72, seed=1)), "png")
ITERATIVE: dict[str, Any] = {
    "engine": "iterative",
    "steps": 6,
    "start": "content",
    "style_scale": 0.25,
    "deterministic": True,
}


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home") / "styles"


@pytest.fixture(scope="module")
def painting(gallery: Path) -> TaskPainter:
    painting = TaskPainter(gallery)
    painting.warm()
    return painting


def drained(steps: Generator[Report | None, None, Painted]) -> tuple[list[Report], Painted]:
    """Every report, and what came of it."""
    found: list[Report] = []
    while True:
        try:
            report = next(steps)
        except StopIteration as end:
            painted: Painted = end.value
            return found, painted
        if report is not None:
            found.append(report)


def plain(**changes: Any) -> Task:
    return replace(Task(PHOTO, [(1.0, StyleRef("starry-night"))], settings={"deterministic": True}), **changes)


def iterative(**changes: Any) -> Task:
    settings = {**ITERATIVE, **changes.pop("settings", {})}
    return replace(Task(PHOTO, [(1.0, StyleRef(file=PAINTING))], settings=settings), **changes)


def pixels(painted: Painted) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(painted.data)).convert("RGB"))


def test_a_task_is_painted_as_the_stylizer_does(painting: TaskPainter, stylizer: Stylizer, tmp_path: Path) -> None:
    expected = stylizer.stylize(PHOTO, "starry-night", deterministic=True)
    reports, painted = drained(painting.run(plain()))
    assert painted.data == expected.to_bytes()
    assert (painted.media_type, painted.width, painted.height) == ("image/png", 64, 48)
    assert (painted.model, painted.complete) == ("starry-night@3", True)
    assert painted.settings == expected.settings()
    assert [facts["stage"] for facts, _ in reports] == ["style", "paint"]
    assert reports[-1][0]["done"] == 1

    (tmp_path / "photo").write_bytes(PHOTO)
    _, again = drained(painting.run(plain(content=tmp_path / "photo")))
    assert again.data == painted.data
    _, other = drained(painting.run(plain(format="webp", settings={"deterministic": True, "format": "png"})))
    assert other.media_type == "image/webp"


def test_styles_are_mixed_by_weight_whether_names_pictures_or_cards(
    painting: TaskPainter, stylizer: Stylizer, tmp_path: Path
) -> None:
    card = stylizer.gallery.get("starry-night").to_bytes()
    (tmp_path / "painting").write_bytes(PAINTING)
    styles = [(2.0, StyleRef("starry-night")), (1, StyleRef(file=tmp_path / "painting")), (1.0, StyleRef(file=card))]
    _, painted = drained(painting.run(plain(styles=styles)))
    mixed = Style.mix({Style.of("starry-night"): 3, Style.of(PAINTING): 1})
    expected = stylizer.stylize(PHOTO, mixed, deterministic=True)
    assert np.abs(pixels(painted).astype(int) - expected.pastiche.pixels).max() <= 1
    assert painted.settings["style"] == {"starry-night": 0.5, "picture": 0.25, "starry-night 2": 0.25}

    # A painting is kept for the next photograph; another weight or painting is another style.
    one, two = ([(w, StyleRef(file=PAINTING)), (1, StyleRef(file=PHOTO))] for w in (1, 3))
    found = [drained(painting.run(plain(styles=s)))[1].data for s in (one, one, two, one, [one[0]], [one[1]])]
    assert found[0] == found[1] == found[3]
    assert len(set(found)) == 4


def test_styles_added_meanwhile_are_found(painting: TaskPainter, gallery: Path) -> None:
    task = plain(styles=[(1, StyleRef("mine"))])
    with pytest.raises(UnknownStyle, match="no style is named 'mine'"):
        drained(painting.run(task))
    Gallery(gallery).add(replace(Gallery().get("the-wave"), name="mine"))
    _, first = drained(painting.run(task))
    Gallery(gallery).add(replace(Gallery().get("udnie"), name="mine"), overwrite=True)
    _, second = drained(painting.run(task))
    assert first.data != second.data


def test_a_name_is_never_a_file(painting: TaskPainter, tmp_path: Path) -> None:
    file = tmp_path / "painting.png"
    file.write_bytes(PAINTING)
    with pytest.raises(UnknownStyle):
        drained(painting.run(plain(styles=[(1, StyleRef(str(file)))])))


def test_masks_and_limits_are_heeded(painting: TaskPainter) -> None:
    black = saved(Image.new("L", (64, 48)), "png")
    _, painted = drained(painting.run(plain(files={"mask": black})))
    assert np.array_equal(pixels(painted), noise(64, 48))
    too_large = [
        plain(max_pixels=1000),
        plain(max_pixels=4000, settings={"max_pixels": 10**9}, content=saved(Image.new("RGB", (90, 90)), "png")),
        plain(max_pixels=4000, settings={"resize": 4000}),
        plain(max_pixels=4000, styles=[(1, StyleRef(file=PAINTING))]),
    ]
    for task in too_large:
        with pytest.raises(PictureTooLarge):
            drained(painting.run(task))


def test_errors_name_no_file(painting: TaskPainter, tmp_path: Path) -> None:
    (tmp_path / "broken").write_bytes(b"broken")
    (tmp_path / "cut").write_bytes(PHOTO[:300])
    tasks = [
        plain(content=tmp_path / "broken"),
        plain(content=tmp_path / "cut"),
        plain(styles=[(1, StyleRef(file=tmp_path / "broken"))]),
        plain(files={"mask": tmp_path / "broken"}),
    ]
    for task in tasks:
        with pytest.raises(PictureError) as told:
            drained(painting.run(task))
        assert str(tmp_path) not in str(told.value)
    for styles in ([(0, StyleRef("starry-night"))], [(-1, StyleRef("starry-night"))]):
        with pytest.raises(StyleError):
            drained(painting.run(plain(styles=styles)))
    with pytest.raises(RequestError, match="give a Style"):
        drained(painting.run(plain(styles=[])))


def test_what_the_server_has_lost_is_its_own_fault(painting: TaskPainter, tmp_path: Path) -> None:
    torn = tmp_path / hashlib.sha256(PHOTO).hexdigest()
    torn.write_bytes(PHOTO[:300])
    lost = [
        (plain(content=tmp_path / "nowhere"), "No such file or directory"),
        (plain(content=tmp_path), "Is a directory"),
        (plain(styles=[(1, StyleRef(file=tmp_path / "nowhere"))]), "No such file or directory"),
        (plain(files={"mask": tmp_path / "nowhere"}), "No such file or directory"),
        (plain(content=torn), "is damaged"),
    ]
    for task, words in lost:
        with pytest.raises(StorageLost, match=words) as told:
            drained(painting.run(task))
        assert str(tmp_path) not in str(told.value)
    torn.write_bytes(PHOTO)
    assert drained(painting.run(plain(content=torn)))[1].width == 64


def test_a_picture_that_would_come_too_late_is_not_begun(painting: TaskPainter) -> None:
    large = saved(Image.new("RGB", (1100, 1000)), "png")
    task = plain(content=large, settings={"boldness": 0.0})
    # Before one was painted, nobody knows.
    drained(painting.run(task, 1e-6))
    with pytest.raises(TooDear, match=r"1\.4 megapixels take about .* make it a job") as told:
        next(painting.run(task, 1e-6))
    assert told.value.retry_after >= 1
    assert decode_error(failed(told.value)).retry_after == told.value.retry_after  # type: ignore[attr-defined]
    for fine in (painting.run(task, 1e6), painting.run(task), painting.run(plain(), 1e-6)):
        next(fine)
        fine.close()


def test_pictures_are_probed_without_painting(painting: TaskPainter, stylizer: Stylizer, tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(PHOTO)
    assert painting.probe(PHOTO, 10_000) == (64, 48)
    assert painting.probe(tmp_path / "photo", 10_000) == (64, 48)
    assert painting.probe(stylizer.gallery.get("starry-night").to_bytes(), 10_000) == (0, 0)
    with pytest.raises(PictureTooLarge):
        painting.probe(PHOTO, 1000)
    with pytest.raises(PictureError):
        painting.probe(PHOTO[:400], 10_000)
    with pytest.raises(StyleError):
        painting.probe(b"{}", 10_000)


def test_an_iterative_task_reports_every_step_and_previews(
    painting: TaskPainter, stylizer: Stylizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports_module, "_SECONDS", 0.0)
    monkeypatch.setattr(reports_module, "_PREVIEW_SECONDS", 0.0)
    reports, painted = drained(painting.run(iterative(preview=True)))
    assert [facts["step"] for facts, _ in reports if facts["losses"]] == [1, 2, 3, 4, 5, 6]
    told = reports[-1][0]
    assert (told["stage"], told["done"], told["steps"], told["size"]) == ("paint", 1.0, 6, (64, 48))
    assert told["trace"] == [{"step": 6, "loss": sum(told["losses"].values()), "losses": told["losses"]}]
    previews = [preview for _, preview in reports if preview is not None]
    assert len(previews) == 7
    assert Image.open(io.BytesIO(previews[-1])).format == "JPEG"
    # Looking on changes nothing, and is not written down.
    assert "preview_every" not in painted.settings
    expected = stylizer.stylize(PHOTO, PAINTING, **ITERATIVE)
    assert painted.data == expected.to_bytes()
    assert all(preview is None for _, preview in drained(painting.run(iterative()))[0])


def test_reports_are_few_and_miss_no_step(painting: TaskPainter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports_module, "_SECONDS", 1e9)
    steps = painting.run(iterative(preview=True))
    yielded = list(steps)
    assert len(yielded) > 6, "one may be stopped at every step"
    first, last = (report for report in yielded if report is not None)
    assert first[0]["stage"] == "style"
    assert last[0]["step"] == 6
    assert [point["step"] for point in last[0]["trace"]] == [1, 2, 3, 4, 5, 6]
    assert last[1] is not None


def test_large_previews_are_made_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports_module, "_PREVIEW_SIDE", 24)
    reports = reports_module.ProgressReports(previews=True)
    told = reports.due(Progress("paint", 0.5, 1.0, preview=Picture.from_array(noise(96, 48))))
    assert told is not None
    assert told[1] is not None
    assert Image.open(io.BytesIO(told[1])).size == (24, 12)
    assert reports.held_back() is None


def test_who_has_enough_gets_the_best_so_far(painting: TaskPainter, tmp_path: Path) -> None:
    steps = painting.run(iterative(settings={"steps": 50}, state=tmp_path / "run.state"))
    # Asked before there is anything, it ends after the first step.
    next(steps)
    steps.throw(Enough())
    _, painted = drained(steps)
    assert not painted.complete
    _, one = drained(painting.run(iterative(settings={"steps": 1})))
    assert np.array_equal(pixels(painted), pixels(one))


def test_the_engine_instant_goes_on_to_its_end(painting: TaskPainter) -> None:
    steps = painting.run(plain())
    next(steps)
    steps.throw(Enough())
    _, painted = drained(steps)
    assert painted.complete


def test_a_closed_task_goes_on_where_it_was(painting: TaskPainter, tmp_path: Path) -> None:
    task = iterative(state=tmp_path / "run.state")
    _, expected = drained(painting.run(iterative()))
    steps = painting.run(task)
    for _ in range(5):
        next(steps)
    steps.close()
    assert task.state is not None
    assert task.state.exists()
    reports, painted = drained(painting.run(task))
    assert min(point["step"] for facts, _ in reports for point in facts["trace"]) > 1
    assert painted.data == expected.data
    assert not task.state.exists()


def test_a_saved_run_of_no_use_is_left_behind(painting: TaskPainter, tmp_path: Path) -> None:
    state = tmp_path / "run.state"
    _, expected = drained(painting.run(iterative()))
    steps = painting.run(iterative(state=state, settings={"seed": 1}))
    for _ in range(5):
        next(steps)
    steps.close()
    anothers = state.read_bytes()
    for data in (anothers, b"garbage"):
        state.write_bytes(data)
        _, painted = drained(painting.run(iterative(state=state)))
        assert painted.data == expected.data


def test_where_a_run_cannot_be_saved_that_is_told_without_its_place(
    painting: TaskPainter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SAVE_SECONDS", 0.0)
    with pytest.raises(OutputError) as told:
        drained(painting.run(iterative(state=tmp_path / "nowhere" / "run.state")))
    assert str(told.value).startswith("the saved run cannot be written: the folder of saved runs does not exist")
    # What was saved before the disk was full is kept.
    state, writes = tmp_path / "run.state", []

    def full(path: Path, data: bytes, *, overwrite: bool = True) -> None:
        writes.append(path)
        if len(writes) > 1:
            raise OutputError(f"{path} cannot be written: No space left on device")
        path.write_bytes(data)

    monkeypatch.setattr("impasto.iterative.checkpoint.write_atomically", full)
    with pytest.raises(OutputError, match=r"^the saved run cannot be written: No space left on device$"):
        drained(painting.run(iterative(state=state)))
    assert state.exists()
    assert len(writes) == 2


@pytest.mark.slow
def test_a_run_keeps_to_the_memory_allowed(gallery: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = saved(Image.fromarray(noise(640, 640)), "png")
    task = iterative(content=photo, settings={"steps": 1, "levels": 1})
    monkeypatch.setattr(reports_module, "_SECONDS", 0.0)
    whole = next(facts["memory"] for facts, _ in drained(TaskPainter(gallery).run(task))[0] if facts["memory"])
    monkeypatch.setattr(module, "_memory_needed", lambda _, planned: planned)
    little = TaskPainter(gallery, memory=int(0.9 * whole))
    reports, painted = drained(little.run(task))
    planned = [facts["memory"] for facts, _ in reports if facts["memory"]]
    assert max(planned) <= 0.9 * whole
    assert "tile" not in painted.settings
    for settings, remedy in (({}, "size"), ({"tile": 512}, "tile")):
        asked = replace(task, settings={**task.settings, **settings})
        with pytest.raises(
            PictureTooLarge, match=rf"needs .* of memory, and 0\.0 are allowed; give a smaller {remedy}"
        ):
            drained(TaskPainter(gallery, memory=1000).run(asked))


def test_settings_that_are_wrong_are_told(painting: TaskPainter, monkeypatch: pytest.MonkeyPatch) -> None:
    for settings in ({"strength": 2}, {"nonsense": 1}, {"steps": 3}):
        with pytest.raises(RequestError):
            drained(painting.run(plain(settings=settings)))
    monkeypatch.setattr(Stylizer, "run", lambda *_, **__: exhausted())
    with pytest.raises(PictureTooLarge, match="there is not enough memory"):
        drained(painting.run(plain()))


def exhausted() -> Generator[Progress, None, None]:
    """As a run where the memory is at its end."""
    raise MemoryError
    yield

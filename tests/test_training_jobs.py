"""Jobs that teach a network a style: what is refused, who sees what, and what kills, stops and words do to them."""

from __future__ import annotations

import importlib.util
import io
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from own_networks import installed
from pictures import noise, saved
from PIL import Image
from trainings import a_base, a_painting, a_photo
from waiting import until

from impasto import Gallery, StyleCard
from impasto.errors import (
    ImpastoError,
    MissingExtra,
    ModelError,
    RequestError,
    StyleError,
    StyleExists,
    UnsupportedFormat,
)
from impasto.jobs import admission, runner
from impasto.jobs.errors import QuotaExceeded
from impasto.jobs.limits import Limits
from impasto.jobs.order import Order
from impasto.jobs.owners.models import Networks
from impasto.jobs.owners.styles import Galleries
from impasto.jobs.records.job import EVERYONE, Item, Job
from impasto.jobs.service import Jobs
from impasto.jobs.training_order import Training
from impasto.jobs.workers.messages import Painted
from impasto.jobs.workers.train import StyleTrainer
from impasto.jobs.workers.train_task import TrainTask
from impasto.models import Store, find

MOMENT = 0.05
Starter = Callable[..., Jobs]


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's own styles and models, for the workers as well."""
    folder = tmp_path / "user"
    monkeypatch.setenv("IMPASTO_HOME", str(folder))
    return folder


@pytest.fixture
def start(tmp_path: Path, user: Path) -> Iterator[Starter]:
    """Starts jobs in the test's folder, those before stopped: there is one of them in a process."""
    a_base(user)
    running: list[Jobs] = []

    def stop() -> None:
        while running:
            running.pop().stop(0)

    def started(**limits: Any) -> Jobs:
        stop()
        jobs = Jobs(tmp_path / "jobs", limits=Limits(**limits), interactive=1, bulk=1)
        running.append(jobs)
        jobs.start()
        return jobs

    yield started
    stop()


def ended(jobs: Jobs, job: Job) -> Job:
    until(lambda: jobs.get(job.owner, job.id).is_final)
    return jobs.get(job.owner, job.id)


def training(name: str = "mine", *, minutes: float = MOMENT, photos: int = 2, **more: Any) -> Order:
    told = {"training": Training(name, minutes, title="Mine"), "styles": ((1.0, a_painting()),)}
    contents = tuple((f"{i}.png", a_photo(i)) for i in range(photos))
    return Order(**{"kind": "train-style", "contents": contents, **told, **more})


def stylizing(style: str | None = None, **settings: object) -> Order:
    styles = () if style is None else ((1.0, style),)
    return Order(kind="stylize", contents=(("a.png", a_photo(7)),), styles=styles, settings=settings)


def learnt(jobs: Jobs, job: Job) -> int:
    """The last step it told of."""
    return int(jobs.view(jobs.get(job.owner, job.id))["step"] or 0)


def own_models() -> list[str]:
    return [model.identity for model in Store().models() if model.kind == "per-style"]


def trainer(jobs: Jobs) -> dict[str, Any]:
    (worker,) = (worker for worker in jobs.status()["workers"] if worker["lane"] == "training")
    return dict(worker)


@pytest.mark.parametrize(
    ("kind", "text", "wrong"),
    [
        (RequestError, "needs a name for the new style", {"training": None}),
        (RequestError, "no painting to learn from", {"styles": ((1.0, "starry-night"),)}),
        (RequestError, "style card", {"styles": ((1.0, b'{"impasto_style": 1}'),)}),
        (RequestError, "2 styles, and a network learns one", {"styles": ((1.0, b"a"), (1.0, b"b"))}),
        (RequestError, "0 styles", {"styles": ()}),
        (RequestError, "there is no photograph", {"contents": ()}),
        (RequestError, "a training takes no strength", {"settings": {"strength": 0.5}}),
        (RequestError, "a training takes no mask", {"files": {"mask": b"white"}}),
        (RequestError, "but this is stylize", {"kind": "stylize", "contents": (("a", b"a"),)}),
    ],
)
def test_an_order_that_contradicts_itself_is_none(kind: type[Exception], text: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(kind, match=text):
        training(**wrong)


@pytest.mark.parametrize("minutes", [float("nan"), float("inf"), 0.0, -1.0])
def test_minutes_are_a_number_above_0(minutes: float) -> None:
    with pytest.raises(RequestError, match="give a number above 0"):
        Training("mine", minutes)


@pytest.mark.parametrize("texts", [{"name": "My Style"}, {"name": ""}, {"title": "a\nb"}, {"artist": "x" * 301}])
def test_what_no_style_card_could_hold_is_refused_before_the_minutes_are_spent(texts: dict[str, str]) -> None:
    with pytest.raises(StyleError):
        replace(Training("mine"), **texts)  # type: ignore[arg-type]


def test_what_cannot_be_learnt_is_refused_at_once(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = start(files=3, styles_per_owner=2)
    torn = a_photo(3)[:200]
    broken = (("torn.png", torn), ("torn too.png", torn))
    refused: list[tuple[type[Exception], str, Order]] = [
        (RequestError, "minutes is 121; give a number from 0.05 to 120", training(minutes=121)),
        (StyleExists, "comes with Impasto", training("starry-night")),
        (RequestError, "send at most 3", training(photos=4)),
        (ImpastoError, "'torn too.png': ", training(contents=broken)),
        (UnsupportedFormat, "is not a picture that can be read", training(styles=((1.0, b"nothing"),))),
    ]
    for kind, text, order in refused:
        with pytest.raises(kind, match=text):
            jobs.submit(order, "ann")
    long, _ = jobs.submit(training("first", minutes=60), "ann")
    # The name is spoken for, whoever asks: by a training, or by a painting.
    with pytest.raises(StyleExists, match="is being trained"):
        jobs.submit(training("first", photos=1), "ann")
    with pytest.raises(StyleExists, match="is being trained"):
        jobs.add_style("ann", "first", [a_painting()])
    second, _ = jobs.submit(training("second", minutes=60), "ann")
    with pytest.raises(QuotaExceeded, match="2 styles of your own already"):
        jobs.submit(training("third"), "ann")
    jobs.cancel("ann", second.id)
    jobs.cancel("ann", long.id)
    ended(jobs, long)
    monkeypatch.setattr(
        admission, "find_spec", lambda name: None if name == "torch" else importlib.util.find_spec(name)
    )
    with pytest.raises(MissingExtra, match=r"impasto\[train\]"):
        jobs.submit(training("later"), "ann")


def test_a_network_learns_and_paints_for_its_owner_alone(start: Starter, tmp_path: Path) -> None:
    jobs = start()
    assert trainer(jobs)["state"] == "asleep"
    heard: list[dict[str, Any]] = []
    jobs.listen("ann", lambda owner, message: heard.append({"owner": owner, **message["data"]}))
    job, new = jobs.submit(training(), "ann")
    assert new
    assert (job.lane, len(job.items), len(job.files)) == ("training", 1, 2)
    done = ended(jobs, job)
    assert done.state == "done", done.error
    told = [message for message in heard if message.get("stage") == "learn"]
    assert [message["step"] for message in told] == sorted(message["step"] for message in told)
    assert any(message["preview"] for message in told)
    assert told[-1]["losses"].keys() == {"loss"}
    assert jobs.trace("ann", job.id)[0]["step"] == 1
    until(lambda: trainer(jobs)["state"] == "asleep")
    assert (trainer(jobs)["pid"], trainer(jobs)["restarts"]) == (None, 0)
    # What came of it: a sheet of samples, a style, a model.
    path, item = jobs.result(done)
    assert Image.open(io.BytesIO(path.read_bytes())).format == "JPEG"
    assert (item.complete, item.media_type) == (True, "image/jpeg")
    assert (item.seconds or 0) >= 60 * MOMENT
    card = jobs.gallery("ann").get("mine")
    assert (card.title, card.network, len(card.codes) > 0) == (
        "Mine",
        Networks(Galleries(Gallery(), tmp_path)).identity(done),
        True,
    )
    assert own_models() == [card.network]
    assert "mine" not in jobs.gallery("bob")
    painted = [jobs.paint(stylizing("mine"), "ann"), jobs.paint(stylizing(model=card.network), "ann")]
    assert [one.model for one in painted] == [card.network] * 2
    assert painted[0].data != jobs.paint(stylizing("starry-night"), "ann").data
    # To another owner it is not there.
    assert card.network in [model.identity for model in jobs.models("ann")]
    assert card.network not in [model.identity for model in jobs.models("bob")]
    for asked in (stylizing(model=card.network), stylizing("starry-night", model=card.network)):
        with pytest.raises(RequestError, match="there is no model"):
            jobs.paint(asked, "bob")
        with pytest.raises(RequestError, match="there is no model"):
            jobs.submit(asked, "bob")
    copied = jobs.add_style("bob", "theirs", [card.to_bytes()])
    assert (copied.network, copied.codes.keys()) == ("", card.codes.keys())
    # The same again is that job, as long as its style is there, and as a job of no style without it.
    assert jobs.submit(training(), "ann") == (jobs.get("ann", job.id), False)
    model, _ = jobs.submit(stylizing(model=card.network.partition("@")[0], engine="instant"), "ann")
    assert ended(jobs, model).state == "done"
    jobs.delete("ann", job.id)
    assert own_models() == [card.network]
    again, new = jobs.submit(training("other"), "ann")
    assert new
    jobs.cancel("ann", again.id)
    ended(jobs, again)
    jobs.delete("ann", again.id)
    jobs.remove_style("ann", "mine")
    assert own_models() == []
    assert [path for path in (tmp_path / "jobs" / "runs").iterdir() if path.suffix == ".style"] == []
    with pytest.raises(RequestError, match="there is no model"):
        stylizing(model=card.network)


def test_it_goes_on_after_words_kills_and_stops_and_is_published_once(
    start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_SAVE_SECONDS", 0.5)
    jobs = start()
    job, _ = jobs.submit(training(minutes=60), "ann")
    until(lambda: learnt(jobs, job) > 1)
    assert Image.open(io.BytesIO(jobs.preview("ann", job.id) or b"")).format == "JPEG"
    # Nobody waits for it.
    many = tuple((f"{i}.png", a_photo(i)) for i in range(2))
    batch, _ = jobs.submit(Order(kind="batch", contents=many, styles=((1.0, "udnie"),)), "ann")
    assert ended(jobs, batch).state == "done"
    assert jobs.paint(stylizing("udnie"), "ann").complete
    assert jobs.get("ann", job.id).state == "running"
    # Given up, and taken up again where it was.
    jobs.cancel("ann", job.id)
    assert ended(jobs, job).state == "cancelled"
    assert (own_models(), "mine" in jobs.gallery("ann")) == ([], False)
    points = len(jobs.trace("ann", job.id))
    assert points > 1
    jobs.retry("ann", job.id)
    until(lambda: learnt(jobs, job))
    assert learnt(jobs, job) >= points
    # The worker is killed.
    before, pid = learnt(jobs, job), trainer(jobs)["pid"]
    until(lambda: learnt(jobs, job) > before + 3)
    # On a busy machine the one that was given up may have been ended as well, for it took too long to.
    restarts = trainer(jobs)["restarts"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: trainer(jobs)["pid"] not in (None, pid))
    before = learnt(jobs, job)
    until(lambda: learnt(jobs, job) > before)
    assert learnt(jobs, job) > points
    assert trainer(jobs)["restarts"] == restarts + 1
    # The server stops.
    before = learnt(jobs, job)
    jobs = start()
    until(lambda: learnt(jobs, job))
    assert learnt(jobs, job) >= before - 1
    jobs.keep("ann", job.id)
    done = ended(jobs, job)
    assert done.state == "done", done.error
    assert not done.items[0].complete
    assert len(own_models()) == 1
    assert jobs.gallery("ann").own() == ("mine",)
    jobs.remove_style("ann", "mine")
    # It is gone, so that the same order is a new one.
    again, new = jobs.submit(training(minutes=60), "ann")
    assert new
    jobs.delete("ann", again.id)


def card(name: str, network: str = "") -> StyleCard:
    return StyleCard(name, network=network)


def trained(name: str, owner: str, id: str = "a", created: float = 1.0) -> Job:
    item = Item(index=0, name=name, content="0" * 64)
    facts: dict[str, Any] = {"created": created, "expires": 2.0, "fingerprint": "f", "settings": {"name": name}}
    return Job(id=id, owner=owner, kind="train-style", lane="training", items=(item,), **facts)


def test_no_two_networks_have_one_name_and_names_tell_whose_they_are(tmp_path: Path) -> None:
    networks = Networks(Galleries(Gallery(tmp_path / "styles"), tmp_path / "owners"))
    jobs = [
        trained("mine", "ann"),
        trained("mine", "bob"),
        trained("mine", "ann", "b"),
        trained("mine", "ann", created=2.0),
        trained("mine", EVERYONE),
        trained("mine-too", "ann"),
    ]
    names = [networks.identity(job) for job in jobs]
    assert len(set(names)) == len(names)
    assert networks.identity(trained("mine", "ann")) == names[0]
    assert [networks.is_visible("ann", name) for name in names] == [True, False, True, True, True, True]
    assert [networks.is_visible("bob", name.partition("@")[0]) for name in names] == [
        False,
        True,
        False,
        False,
        True,
        False,
    ]
    assert all(networks.is_visible(EVERYONE, name) for name in names)
    assert networks.is_visible("bob", "candy")
    assert networks.is_visible("bob", "instant@2")


def test_a_style_is_published_once_and_never_over_another(tmp_path: Path) -> None:
    galleries = Galleries(Gallery(tmp_path / "styles"), tmp_path / "owners")
    networks, job = Networks(galleries), trained("mine", "ann")
    new = card("mine", networks.identity(job))
    assert not networks.is_published(job)
    networks.publish("ann", new.to_bytes())
    networks.publish("ann", new.to_bytes())
    assert networks.is_published(job)
    assert galleries.for_owner("ann").own() == ("mine",)
    with pytest.raises(StyleExists, match="was given to another style while the network learnt"):
        networks.publish("ann", card("mine", networks.identity(trained("mine", "ann", "b"))).to_bytes())
    assert galleries.for_owner("ann").get("mine").network == new.network
    networks.publish("bob", card("mine", networks.identity(trained("mine", "bob"))).to_bytes())


def test_a_network_goes_with_the_last_style_that_names_it(tmp_path: Path) -> None:
    galleries = Galleries(Gallery(tmp_path / "styles"), tmp_path / "owners")
    networks, name = Networks(galleries), "mine-0123abcd"
    for model in (name, "candy"):
        installed(model, origin=networks.origin(trained("mine", "ann")) if model == name else {})
        networks.withdraw(f"{model}@1") if model == "candy" else None
    assert find("candy", kind="per-style")
    galleries.for_owner("ann").add(card("mine", name))
    galleries.for_owner("bob").add(card("theirs", f"{name}@1"))
    galleries.for_owner("bob").folder.joinpath("broken.style").write_bytes(b"nothing")
    for owner, style in (("ann", "mine"), ("bob", "theirs")):
        networks.withdraw(f"{name}@1")
        assert find(name, kind="per-style")
        galleries.for_owner(owner).remove(style)
    networks.withdraw(f"{name}@1")
    networks.withdraw(f"{name}@1")
    with pytest.raises(ModelError):
        find(name)
    assert find("candy")


def test_an_operators_model_is_never_taken_for_a_jobs(tmp_path: Path) -> None:
    galleries = Galleries(Gallery(tmp_path / "styles"), tmp_path / "owners")
    networks = Networks(galleries)
    # All of these are names that a job might have given.
    for name in ("wave-20241127", "wave-deadbeef-20241127"):
        installed(name)
        networks.withdraw(name)
        networks.withdraw(f"{name}@1")
        assert find(name)
        assert networks.is_visible("bob", name)
        assert name in [model.name for model in networks.visible("bob")]
    # And this is a name that none does: what counts is what the manifest says.
    job = trained("mine", "ann")
    installed("renamed", origin=networks.origin(job))
    installed("renamed", version="2")
    assert networks.is_visible("ann", "renamed")
    assert not networks.is_visible("bob", "renamed@1")
    assert "renamed@1" not in [model.identity for model in networks.visible("bob")]
    assert "ann" not in str(networks.origin(job))
    networks.withdraw("renamed@1")
    assert [model.identity for model in Store().models("renamed")] == ["renamed@2"], "only what the job trained"


def test_a_model_of_one_style_needs_no_style_and_is_never_a_path(tmp_path: Path) -> None:
    installed("candy")
    assert stylizing(model="candy").styles == ()
    assert stylizing(model="candy@1").styles == ()
    folder = str(find("candy").path)
    for wrong in (folder, ".", "candy@2", "pocket", "nothing"):
        with pytest.raises(RequestError, match="there is no model"):
            stylizing("starry-night", model=wrong)
    for settings in ({}, {"model": "instant"}):
        with pytest.raises(RequestError, match="there is no style"):
            stylizing(**settings)
    photo = saved(Image.fromarray(noise(8, 8)), "png")
    with pytest.raises(RequestError, match="there is no style"):
        Order(kind="grid", contents=(("a", photo),), styles=(), settings={"model": "candy"})
    with pytest.raises(RequestError, match="there is no encoder"):
        stylizing("starry-night", engine="iterative", encoder="candy")


def test_a_lesson_goes_on_from_whatever_its_folder_holds(tmp_path: Path, user: Path) -> None:
    a_base(user)
    clear = saved(Image.fromarray(noise(90, 70, 4)), "png")
    deep = saved(Image.fromarray(noise(700, 1300)), "png")
    run = tmp_path / "run"
    run.mkdir()
    # As after a power cut.
    (run / "checkpoint.pt").write_bytes(b"torn")
    task = TrainTask(a_painting(), (clear, deep), run, "mine-0123abcd@1", 0.02, "Mine")
    for _ in range(2):
        steps = StyleTrainer().run(task)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                sample: Painted = end.value
                break
        assert (sample.model, sample.complete) == ("mine-0123abcd@1", True)
        assert own_models() == ["mine-0123abcd@1"]
    sizes = [Image.open(io.BytesIO((run / "photos" / f"000{i}.jpg").read_bytes())).size for i in (0, 1)]
    assert sizes == [(90, 70), (640, 1189)]
    assert find("mine-0123abcd").source == "Mine"

"""What tests share: pictures drawn here, and a stylizer whose model is opened once."""

from __future__ import annotations

import faulthandler
import os
import re
from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import a_browser, a_studio
from failing import Failing
from hypothesis import settings
from ledgers import a_database
from leftovers import end, mark
from marking import marks, marks_of
from playwright.sync_api import Browser, Page
from serving import Served
from waiting import WAIT

from impasto import Picture, Stylizer
from impasto.jobs.records.ledger import Ledger
from impasto.jobs.workers.pool import Pool

# Speed is never asserted: what takes long on a busy machine is not wrong.
settings.register_profile("impasto", deadline=None)
settings.load_profile("impasto")

_STDERR = pytest.StashKey[int]()
SHARED = Path(__file__).resolve().parents[2] / "shared"
MARK = mark()


def pytest_configure(config: pytest.Config) -> None:
    # Before it is taken for what tests write.
    config.stash[_STDERR] = os.dup(2)
    config.pluginmanager.register(Failing(config))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A file that is left out need not be imported, which takes longer than many a test."""
    left_out = set(re.findall(r"\bnot (\w+)", config.option.markexpr))
    is_tests = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    return True if left_out and is_tests and left_out & marks_of(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for name in marks(item):
            item.add_marker(name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Nobody watches over a test that has failed, and what it leaves to be closed may hang as it did."""
    seconds = float(item.config.getini("faulthandler_timeout"))
    faulthandler.dump_traceback_later(seconds, exit=True, file=item.config.stash[_STDERR])
    return (yield)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """What a lost worker of pytest-xdist left behind ends with the run."""
    end(MARK)


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    """Every process that a test started has ended when all tests have."""
    yield
    left = end(MARK)
    assert not left, "\n".join(left)


@pytest.fixture(scope="session")
def stylizer() -> Stylizer:
    return Stylizer()


@pytest.fixture(scope="session")
def scene() -> Picture:
    """320x240: a sky that brightens downwards, a disc, and a striped wall."""
    y, x = np.mgrid[0:240, 0:320]
    sky = np.stack([90 + y / 3, 130 + y / 4, 230 - y / 5], axis=2)
    wall = np.where((x // 12 + y // 16) % 2 == 0, 190.0, 90.0)[..., None] * np.array([1.0, 0.8, 0.6])
    pixels = np.where((y > 150)[..., None], wall, sky)
    pixels[(x - 230) ** 2 + (y - 70) ** 2 < 35**2] = (250, 220, 120)
    return Picture.from_array(pixels.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of training data beside the project; tests that need it are skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED.name}/ with training data is not beside the project")
    return SHARED


@pytest.fixture(autouse=True)
def _no_worker_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking at a picture takes less than ten seconds, but not on a busy machine."""
    defaults = Pool.probe.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "timeout", WAIT)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A database of its own for a ledger."""
    with a_database(tmp_path) as url:
        yield url


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    ledger = Ledger(url)
    yield ledger
    ledger.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of the module's own."""
    with Served(tmp_path_factory.mktemp("served")) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with a_browser() as browser:
        yield browser


@pytest.fixture
def studio(browser: Browser, served: Served) -> Iterator[Page]:
    """The studio as a new visitor has it."""
    with a_studio(browser, served.address) as page:
        yield page

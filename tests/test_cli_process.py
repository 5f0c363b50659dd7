"""The command as a process of its own: start, pipes, signals, terminals."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from waiting import WAIT

SOURCE = Path(__file__).parents[1] / "src"
COMMAND = [sys.executable, "-W", "error", "-m", "impasto.cli"]

pytestmark = pytest.mark.slow
posix = pytest.mark.skipif(os.name != "posix", reason="signals and terminals are those of POSIX")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    path = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
    plain = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    return plain | {
        "PYTHONPATH": path,
        "IMPASTO_HOME": str(tmp_path / "home"),
        "TERM": "xterm-256color",
        "COLUMNS": "80",
    }


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    def run(*arguments: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*COMMAND, *arguments],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            timeout=WAIT,
            check=False,
            **more,
        )

    return run


def paint(path: Path, seed: int, side: int = 64) -> Path:
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)).save(path)
    return path


def test_help_imports_nothing_heavy(environment: dict[str, str]) -> None:
    code = (
        "import sys; from impasto.cli.main import cli; cli(['--help'], standalone_mode=False); "
        "heavy = {'numpy', 'PIL', 'openvino', 'rich', 'torch', 'psutil'} & set(sys.modules); sys.exit(' '.join(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
    assert "impasto stylize" in done.stdout


def test_a_photo_goes_through_a_pipe(run: Callable[..., Any], tmp_path: Path) -> None:
    photo, style = paint(tmp_path / "a.png", 1), paint(tmp_path / "sea.png", 2)
    done = run("stylize", "-", "--style", str(style), input=photo.read_bytes())
    assert (done.returncode, done.stderr) == (0, b"")
    assert Image.open(io.BytesIO(done.stdout)).size == (64, 64)


def test_an_error_is_one_line_and_no_traceback(run: Callable[..., Any]) -> None:
    done = run("show", "gone.jpg")
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: ")
    assert done.stderr.count(b"\n") == 1


def test_standard_input_that_is_closed_is_told(environment: dict[str, str], tmp_path: Path) -> None:
    style = paint(tmp_path / "sea.png", 2)
    for arguments in (["stylize", "-", "-s", str(style)], ["show", "-"], ["styles", "import", "-"]):
        closed = subprocess.run(
            ["sh", "-c", '"$@" <&-', "sh", *COMMAND, *arguments], env=environment, capture_output=True, check=False
        )
        assert closed.returncode == 2
        assert closed.stderr.endswith(b"- is standard input, but it is closed\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_standard_output_that_is_full_is_one_line(environment: dict[str, str], tmp_path: Path) -> None:
    photo = str(paint(tmp_path / "a.png", 1))
    for arguments in (["stylize", photo, "-s", photo, "-o", "-"], ["styles"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [*COMMAND, *arguments], env=environment, stdout=full, stderr=subprocess.PIPE, check=False
            )
        assert done.returncode == 1
        assert done.stderr.startswith(b"error: ")
        assert b"No space left on device" in done.stderr
        assert done.stderr.count(b"\n") == 1


def test_what_an_encoding_cannot_say_is_escaped(environment: dict[str, str], tmp_path: Path) -> None:
    environment["PYTHONIOENCODING"] = "latin-1"
    photo = paint(tmp_path / "神奈川.png", 1)
    arguments = ["stylize", str(photo), "-s", str(photo), "-o", str(tmp_path / "波.png")]
    done = subprocess.run([*COMMAND, *arguments], env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.strip().endswith(rb"\u6ce2.png")


def test_an_interrupt_during_the_imports_is_no_traceback(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "early").mkdir()
    (tmp_path / "early/click.py").write_text("raise KeyboardInterrupt")
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path / "early"), environment["PYTHONPATH"]])
    done = subprocess.run([*COMMAND, "--help"], env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (130, b"")


@posix
def test_a_reader_that_leaves_is_no_error(environment: dict[str, str], tmp_path: Path) -> None:
    photo, style = paint(tmp_path / "a.png", 1, 512), paint(tmp_path / "sea.png", 2)
    reader, writer = os.pipe()
    os.close(reader)
    arguments = [*COMMAND, "stylize", str(photo), "-s", str(style), "-o", "-"]
    with os.fdopen(writer) as stdout:
        done = subprocess.run(
            arguments, env=environment, stdout=stdout, stderr=subprocess.PIPE, timeout=WAIT, check=False
        )
    assert (done.returncode, done.stderr) == (1, b"")


@posix
def test_an_interrupt_leaves_nothing_half_written(environment: dict[str, str], tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    style = paint(tmp_path / "sea.png", 0)
    for number in range(40):
        paint(photos / f"{number:02}.png", number, 400)
    process = subprocess.Popen(
        # Not with warnings as errors: an interrupt between opening a file and the `with` leaves it to the collector.
        [sys.executable, "-m", "impasto.cli", "stylize", str(photos), "-s", str(style), "-o", f"{out}/"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A test run in the background ignores interrupts, and its children would, too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=WAIT)
    assert process.returncode == 130
    made = sorted(out.iterdir())
    assert 1 <= len(made) < 40
    # The interrupt may fall between writing a picture and counting it.
    stopped = [f"stopped: {done} of 40 pictures done\n" for done in (len(made) - 1, len(made))]
    assert error.decode() in stopped
    for path in made:
        Image.open(path).load()


@posix
def test_a_terminal_gets_a_bar_and_colours(environment: dict[str, str], tmp_path: Path) -> None:
    import pty

    photos = [str(paint(tmp_path / f"{name}.png", 3)) for name in ("a", "b", "[red]c")]
    style = paint(tmp_path / "sea.png", 4)
    ours, theirs = pty.openpty()
    arguments = [*COMMAND, "stylize", *photos, "gone.jpg", "-s", str(style)]
    process = subprocess.Popen(arguments, env=environment, stdout=theirs, stderr=theirs, cwd=tmp_path)
    os.close(theirs)
    shown = b""
    while part := _read(ours):
        shown += part
    os.close(ours)
    assert process.wait(timeout=WAIT) == 1
    text = shown.decode()
    assert "a.sea.png" in text
    assert "64 x 64" in text
    assert "of 4" in text
    assert "[red]c.png" in text.replace("[red]c.sea.png", "")
    assert "\x1b[1;31merror: " in text
    assert "error: gone.jpg cannot be read" in re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert text.rstrip().endswith("1 of 4 failed")


def test_without_torch_the_engine_iterative_is_told_to_be_missing(
    environment: dict[str, str], tmp_path: Path, run: Callable[..., Any]
) -> None:
    (tmp_path / "early").mkdir()
    (tmp_path / "early/sitecustomize.py").write_text("import sys\nsys.modules['torch'] = None\n")
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path / "early"), environment["PYTHONPATH"]])
    # Neither picture exists: it is told before any is read.
    done = run("stylize", "gone.jpg", "-s", "gone.png", "--engine", "iterative")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode() == (
        "error: the engine iterative needs a package that is not installed; "
        "install it with: pip install 'impasto[iterative]'\n"
    )
    photo, style = paint(tmp_path / "a.png", 1), paint(tmp_path / "sea.png", 2)
    assert run("stylize", str(photo), "-s", str(style)).returncode == 0


@posix
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_long_run_well(environment: dict[str, str], tmp_path: Path, kind: signal.Signals) -> None:
    pytest.importorskip("torch")
    photo, style = paint(tmp_path / "a.png", 1), paint(tmp_path / "sea.png", 2)
    arguments = [
        "stylize",
        photo.name,
        "-s",
        style.name,
        "--steps",
        "100000",
        "--optimiser",
        "adam",
        "--levels",
        "1",
        "--trace",
        "t.jsonl",
        "--state",
        "s",
    ]
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A test run in the background ignores interrupts, and its children would, too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    trace = tmp_path / "t.jsonl"
    while process.poll() is None and not (trace.exists() and trace.read_bytes().count(b"\n") > 3):
        time.sleep(0.05)
    process.send_signal(kind)
    output, error = process.communicate(timeout=WAIT)
    lines = error.decode().splitlines()
    assert process.returncode == 128 + kind, lines
    assert lines[0].startswith("a.png: 64 x 64, 100000 steps: about ")
    assert (tmp_path / "s").exists()
    if kind == signal.SIGINT:
        assert re.fullmatch(r"stopped at step \d+ of 100000: kept the best so far \(again to discard\)", lines[-1])
        assert output == b"a.sea.png\n"
        Image.open(tmp_path / "a.sea.png").load()
    else:
        assert output == b""
        assert not any(line.startswith("stopped") for line in lines)
        assert not (tmp_path / "a.sea.png").exists()


@posix
def test_a_bar_tells_step_loss_and_time(environment: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("torch")
    import pty

    photo, style = paint(tmp_path / "a.png", 1), paint(tmp_path / "sea.png", 2)
    ours, theirs = pty.openpty()
    arguments = [*COMMAND, "stylize", photo.name, "-s", style.name, "--steps", "2"]
    process = subprocess.Popen(arguments, env=environment, stdout=theirs, stderr=theirs, cwd=tmp_path)
    os.close(theirs)
    shown = b""
    while part := _read(ours):
        shown += part
    os.close(ours)
    assert process.wait(timeout=WAIT) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert "a.png: 64 x 64, 2 steps: about " in text
    assert re.search(r"2/2  total loss [\d.e+]+  \d+ s left", text)
    assert "a.sea.png  64 x 64" in text


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so when the other side is closed
        return b""

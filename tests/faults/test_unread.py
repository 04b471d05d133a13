"""A signal ends a command whose output nobody takes, and what was done is saved."""

from __future__ import annotations

import fcntl
import io
import json
import os
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import pytest

from flowplan.backends.lock import Lock
from flowplan.cli.terminal import Terminal
from flowplan.cli.writer import Writer
from flowplan.reports.text.paint import Paint
from tests.conftest import FLOWPLAN, Place, many, thinned
from tests.processes import LONGEST, Process

SMALL = 4096  # bytes: the least a pipe holds


class Pipe:
    """A pipe whose reader never reads."""

    def __init__(self) -> None:
        self.ear, self.mouth = os.pipe()
        fcntl.fcntl(self.mouth, fcntl.F_SETPIPE_SZ, SMALL)

    def is_full(self, text: int) -> bool:
        """Whether a text of so many bytes has no room: it is written as a whole, or waits."""
        (held,) = struct.unpack("i", fcntl.ioctl(self.ear, termios.FIONREAD, b"\0" * 4))
        return bool(held > SMALL - text)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    os.close(made.ear)
    os.close(made.mouth)


@contextmanager
def started(*command: str, **streams: Any) -> Iterator[subprocess.Popen[bytes]]:
    with Process([*FLOWPLAN, *command], **streams) as process:
        try:
            yield process
        finally:
            process.kill()


def until_full(process: subprocess.Popen[bytes], pipe: Pipe, text: int = 400) -> None:
    """Until the command has filled the pipe: it has more to say, `text` bytes at a time, and waits."""
    while not pipe.is_full(text):
        assert process.poll() is None, "it ended without filling the pipe"
        time.sleep(0.01)


COMMANDS = ("plan", "apply --auto-approve", "apply --auto-approve --json")


@pytest.mark.parametrize(
    ("line", "unread", "name"), thinned(4, product(COMMANDS, ("stdout", "both"), ("SIGTERM", "SIGINT", "SIGHUP")))
)
def test_a_plan_that_nobody_reads_ends_at_the_first_signal(
    place: Place, pipe: Pipe, line: str, unread: str, name: str
) -> None:
    place.write(many(30))
    command, number = tuple(line.split()), signal.Signals[name]
    err = pipe.mouth if unread == "both" else subprocess.DEVNULL
    with started(*command, stdout=pipe.mouth, stderr=err) as process:
        until_full(process, pipe)
        process.send_signal(number)
        # `plan` shows what it found when the lock is released: the signal may end it as the system does.
        codes = {130 if number == signal.SIGINT else 143, -number if command == ("plan",) else None}
        assert process.wait(LONGEST) in codes
    assert Lock(place.path / "flowplan.lock").holder() is None


@pytest.mark.parametrize(("number", "calls", "text"), [(signal.SIGTERM, "10", 2000), (signal.SIGINT, "1", 400)])
def test_an_apply_whose_progress_nobody_reads_ends_and_is_saved(
    place: Place, pipe: Pipe, number: signal.Signals, calls: str, text: int
) -> None:
    """What a round tells is one text: of one call at a time it is a few short lines."""
    place.write(many(40))
    command = ("apply", "--auto-approve", "--parallelism", calls)
    with started(*command, stdout=subprocess.DEVNULL, stderr=pipe.mouth) as process:
        until_full(process, pipe, text)
        process.send_signal(number)
        assert process.wait(LONGEST) == (130 if number == signal.SIGINT else 143)
    assert Lock(place.path / "flowplan.lock").holder() is None
    state = json.loads((place.path / "flowplan.state.json").read_text())
    made = len([entry for entry in place.ledger() if entry.method == "POST"])
    place.ok("apply", "--auto-approve")
    assert state["resources"]
    assert len([entry for entry in place.ledger() if entry.method == "POST"]) == 80, f"{made} were made before"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("state mv bid.task-000 bid.other", "interrupted; what was done is saved"),
        ("state list", "interrupted; what it shows may be incomplete"),
    ],
)
def test_who_ends_a_command_while_it_writes_its_output_is_not_told_that_nothing_was_changed(
    place: Place, monkeypatch: pytest.MonkeyPatch, line: str, said: str
) -> None:
    place.write(many(1))
    place.ok("apply", "--auto-approve")
    write = Writer.put

    def put(self: Writer, text: str) -> None:
        write(self, text)
        if "bid." in text:
            raise KeyboardInterrupt

    with monkeypatch.context() as within:
        within.setattr(Writer, "put", put)
        done = place.run(*line.split())
    assert (done.code, said in done.err) == (130, True), done
    assert ("bid.other" in place.ok("state", "list")) == ("mv" in line)


def test_what_is_written_comes_in_order_and_whole_from_several_threads() -> None:
    stream = io.StringIO()
    writer = Writer(stream)
    threads = [threading.Thread(target=lambda n=n: [writer.put(f"{n}:{i}\n") for i in range(200)]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 800
    for n in range(4):
        assert [line for line in lines if line.startswith(f"{n}:")] == [f"{n}:{i}" for i in range(200)]


class Texts(io.StringIO):
    """A stream that remembers what was written to it at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []

    def write(self, text: str) -> int:
        self.written.append(text)
        return super().write(text)


def test_what_a_thread_says_together_is_one_text_for_which_no_other_thread_waits() -> None:
    err = Texts()
    terminal = Terminal(io.StringIO(), err, Paint(), Paint(), interactive=False)
    with pytest.raises(ValueError, match="the round"), terminal.together():
        terminal.err("first")
        terminal.err("sec", end="")
        other = threading.Thread(target=terminal.err, args=("of another",))
        other.start()
        other.join()
        terminal.err("ond")
        raise ValueError("the round")
    terminal.err("alone")
    with terminal.together():
        pass
    terminal.close()
    assert err.written == ["of another\n", "first\nsecond\n", "alone\n"]


def test_a_stream_that_fails_goes_nowhere_and_the_other_goes_on() -> None:
    ear, mouth = os.pipe()
    os.close(ear)
    good = io.StringIO()
    with os.fdopen(mouth, "w") as closed:
        terminal = Terminal(closed, good, Paint(), Paint(), interactive=False)
        terminal.out("lost")
        terminal.err("kept")
        terminal.close()
    assert good.getvalue() == "kept\n"

"""Ctrl-C in a program that goes on after it, wherever it comes: nothing goes on unasked, and no lock stays behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from flowplan.api import thread
from flowplan.backends.lock import Lock
from flowplan.backends.processes import this_process
from flowplan.operations.opening.interaction import Event
from flowplan.operations.opening.session import Session
from flowplan.operations.opening.settings import Settings
from tests.processes import LONGEST


def interrupted_at(line: int, act: Callable[[], object], files: tuple[str, ...], times: int = 1) -> bool:
    """Do `act`, with `times` KeyboardInterrupts from the `line`-th line in `files` on, in this thread. Whether there
    are so many lines."""
    seen, left = 0, times

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal seen, left
        if not frame.f_code.co_filename.endswith(files):
            return None
        seen += event == "line"
        if event == "line" and seen >= line and left:
            left -= 1
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    except (KeyboardInterrupt, RuntimeError):
        pass
    finally:
        sys.settrace(before)
    return left < times


@pytest.mark.parametrize("times", [1, 2])
def test_a_session_leaves_no_lock_behind(tmp_path: Path, times: int) -> None:
    settings = Settings(directory=tmp_path, given_api_url="sim:")

    def act() -> None:
        with Session(settings) as session, session.changing() as lock:
            lock.verify()

    act()
    line, here = 1, this_process("here", {}, "now")
    while interrupted_at(line, act, ("backends/lock.py", "files/regular.py"), times):
        lock = Lock(tmp_path / "flowplan.lock")
        lock.acquire(here)
        lock.release()
        assert lock.holder() is None, line
        line += 1
    assert line > 50


def began_and_stopped(line: int, times: int) -> tuple[bool, bool]:
    """What came of a run in whose caller's thread Ctrl-C came at `line`: whether it ended before that, and whether it
    was asked to stop; one that has not begun needs not be."""
    began, asked, unasked = threading.Event(), threading.Event(), threading.Event()

    def run(event: Event) -> None:
        began.set()
        event.pause(0.3)
        (asked if event.stopped() else unasked).set()

    files = ("api/thread.py", "operations/opening/interaction.py")
    interrupted_at(line, lambda: thread.in_a_thread(run), files, times)
    before = unasked.is_set()
    return before, before or not began.wait(0.05) or asked.wait(LONGEST)


@pytest.mark.parametrize("times", [1, 2, 10])
def test_every_run_that_has_begun_is_asked_to_stop(times: int) -> None:
    line, before = 0, False
    while not before:
        line += 1
        before, asked = began_and_stopped(line, times)
        assert before or asked, line
    assert line > 10


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_run_is_asked_to_stop_that_began_while_ctrl_c_came(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    """`start` waits for the thread: Ctrl-C within comes out of it, mostly as what it is."""

    class Begun(threading.Thread):
        def start(self) -> None:
            super().start()
            raise error

    monkeypatch.setattr(thread.threading, "Thread", Begun)
    ended = []
    with pytest.raises(error):
        thread.in_a_thread(lambda event: ended.append((event.pause(LONGEST), event.stopped())))
    assert ended == [(None, True)]


@pytest.mark.parametrize("lasts", [0.0, LONGEST], ids=["as it ends", "while it runs"])
def test_a_ctrl_c_that_another_thread_was_given_ends_the_waiting(lasts: float) -> None:
    """The system gives a signal to any thread. It wakes nobody who waits, and comes out once the run lets go."""
    asked, waits = [], threading.get_ident()

    def run(event: Event) -> None:
        while not sys._current_frames()[waits].f_code.co_filename.endswith("api/thread.py"):
            event.pause(0.01)
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        event.pause(lasts)
        asked.append(event.stopped())

    with pytest.raises(KeyboardInterrupt):
        thread.in_a_thread(run)
    assert asked == [lasts > 0]


def test_a_lock_is_released_although_somebody_was_forked_meanwhile(tmp_path: Path) -> None:
    lock, here = Lock(tmp_path / "flowplan.lock"), this_process("here", {}, "now")
    lock.acquire(here)
    ear, mouth = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(mouth)
        os.read(ear, 1)
        os._exit(0)
    try:
        lock.release()
        assert not Lock(lock.path).held()
    finally:
        os.close(mouth)
        os.waitpid(child, 0)

"""Signals while nothing listens for them: they unwind what runs, as Ctrl-C does."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Ended(KeyboardInterrupt):
    """SIGTERM or SIGHUP came while nothing listened for signals: it unwinds as Ctrl-C does, so that locks are released.
    `number` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def unwinding() -> Iterator[None]:
    """Within, a first SIGTERM or SIGHUP raises Ended in the main thread; a second one ends the process at once.

    Other threads, and signals that the parent process ignores or handles, are left as they are.
    """
    mine = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        mine = []

    def end(number: int, frame: FrameType | None) -> None:
        for one in mine:
            signal.signal(one, signal.SIG_DFL)
        raise Ended(number)

    try:
        for number in mine:
            signal.signal(number, end)
        yield
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_DFL)

"""Waiting for what somebody types."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO


def forget_typed(stream: TextIO) -> None:
    """Drop what was typed so far, where `stream` is a terminal: it is no answer to what is asked from here on. In the
    background it waits for the terminal."""
    import termios

    with suppress(OSError, ValueError, termios.error):  # no terminal, or one that is gone
        termios.tcflush(stream.fileno(), termios.TCIFLUSH)


def typed_line(stream: TextIO, resumed: Callable[[], None]) -> str | None:
    """A line that somebody types, without its end; None at the end of input. `resumed`: called once this process goes
    on after it was stopped (Ctrl-Z): what was typed by then is forgotten. Raises KeyboardInterrupt."""
    try:
        _await_line(stream.fileno(), resumed)
        return input()
    except EOFError:
        return None


def _await_line(descriptor: int, resumed: Callable[[], None]) -> None:
    """Until there is something to read. Ctrl-C just before a read begins would be noticed only when that is over."""
    ear, mouth = os.pipe()
    os.set_blocking(mouth, False)
    outer = signal.set_wakeup_fd(mouth, warn_on_full_buffer=False)
    before = signal.signal(signal.SIGCONT, lambda *_: resumed())
    try:
        while descriptor not in select.select([descriptor, ear], [], [])[0]:
            os.read(ear, 1)  # the handler of that signal runs now
    finally:
        signal.signal(signal.SIGCONT, before)
        signal.set_wakeup_fd(outer)
        os.close(ear)
        os.close(mouth)

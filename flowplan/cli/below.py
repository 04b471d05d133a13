"""Lines that stay below all else on a terminal while something is under way, redrawn each second and after each output.

Own control sequences, and few: up, to the end erased. The cursor is never hidden, so a process that is killed leaves
nothing behind but the lines themselves.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO, TypeAlias

EVERY = 1.0  # seconds from one look at the lines to the next
LEAST = os.terminal_size((20, 4))  # of a terminal that says less, nothing can be drawn
Lines: TypeAlias = Callable[[int, int], Sequence[str]]  # (columns, rows that there is room for) -> lines that fit


class Below:
    """`put` writes to the terminal, whole and in order; `size` is the terminal's; `ours`: whether this process has it
    (and not a shell, in whose background it is). Safe for several threads."""

    def __init__(
        self, put: Callable[[str], None], size: Callable[[], os.terminal_size], ours: Callable[[], bool] = lambda: True
    ) -> None:
        self.put, self.size, self.ours = put, size, ours
        self._lines: Lines | None = None
        self._drawn = 0
        self._lock = threading.RLock()
        self._over: threading.Event | None = None

    def show(self, lines: Lines) -> None:
        """Keep `lines` there until `end`. They are asked for again and again, from any thread."""
        with self._lock:
            self._lines = lines
            self._draw()
            if self._over is None:
                self._over = threading.Event()
                threading.Thread(target=self._tick, args=[self._over], name="flowplan-below", daemon=True).start()

    def end(self) -> None:
        """Take them away: nothing of them stays on the terminal."""
        with self._lock:
            self._erase()
            self._lines = None
            if self._over is not None:
                self._over.set()
                self._over = None

    @contextmanager
    def above(self, text: str) -> Iterator[None]:
        """Within, `text` is written above them, on this terminal or on the other stream that shows there."""
        with self._lock:
            self._erase()
            yield
            if text.endswith("\n"):
                self._draw()

    def _tick(self, over: threading.Event) -> None:
        while not over.wait(EVERY):
            with self._lock:
                if not over.is_set():
                    self._draw()

    def _draw(self) -> None:
        if self._lines is None or self._elsewhere():
            return None
        size = self.size()
        if size.columns < LEAST.columns or size.lines < LEAST.lines:
            return self._erase()
        lines = self._lines(size.columns - 1, size.lines - 2)
        again = self._up()
        self._drawn = len(lines)
        self.put(again + "".join(f"{line}\n" for line in lines))
        return None

    def _erase(self) -> None:
        if self._drawn and not self._elsewhere():
            self.put(self._up())
            self._drawn = 0

    def _elsewhere(self) -> bool:
        """Whether the lines above the cursor are somebody else's; those that were drawn are not to be found then."""
        if not self.ours():
            self._drawn = 0
            return True
        return False

    def _up(self) -> str:
        return f"\r\x1b[{self._drawn}A\x1b[J" if self._drawn else ""


def in_front(stream: TextIO) -> bool:
    """Whether this process has the terminal that `stream` is; also where nobody can tell."""
    try:
        return os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return True


def size_of(stream: TextIO) -> os.terminal_size:
    """Of the terminal that `stream` is; nothing where it is none."""
    try:
        return os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return os.terminal_size((0, 0))

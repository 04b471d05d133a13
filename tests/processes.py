"""Processes that tests start, and how long anything is waited for.

What a test leaves running, because it failed, is killed before the next one. Nothing here says how fast anything is:
that is counted, or measured by `make bench`.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LONGEST = 120.0  # seconds. What works takes less on the busiest machine: only what hangs takes as long
_left: list[Callable[[], None]] = []


def at_the_end(call: Callable[[], None]) -> None:
    """Call it when this test is over, before its fixtures end."""
    _left.append(call)


def end_all() -> None:
    """Of the test that is over now."""
    while _left:
        _left.pop()()


class Process(subprocess.Popen[Any]):
    """A process that ends with its test at the latest, or where an error leaves its `with`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        at_the_end(self._end)

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        if kind is not None:
            self.kill()
        super().__exit__(kind, *rest)

    def _end(self) -> None:
        self.kill()
        self.wait()
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):  # what nobody reads any more
                    stream.close()


def until(holds: Callable[[], object]) -> None:
    """Wait until it holds: of a condition that others bring about."""
    late = time.monotonic() + LONGEST
    while not holds():
        assert time.monotonic() < late, f"not after {LONGEST:.0f} seconds"
        time.sleep(0.001)


def runs(pid: int) -> bool:
    """Whether a process is there, and no mere entry that nobody has taken note of."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")

"""The processes that a process has started, and these in turn, as far as Linux tells."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_DIES_IN = 1000  # milliseconds at most that a process is waited for which was killed


def kill_descendants(pid: int) -> None:
    """Kill all that descends from `pid`, which must be alive or not waited for yet: also what has a session of its own.
    What a process left that has ended is nobody's descendant any more, and goes on."""
    handles = [handle for found in _descendants(pid) if (handle := _handle(found)) is not None]
    for handle in handles:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    for handle in handles:
        ends = select.poll()
        ends.register(handle, select.POLLIN)  # it can be read once the process has ended
        ends.poll(_DIES_IN)
        os.close(handle)


def _descendants(pid: int) -> Iterator[int]:
    for child in _children(pid):
        yield child
        yield from _descendants(child)


def _children(pid: int) -> list[int]:
    """Those of all its threads; none where the system does not tell."""
    found: list[int] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found += map(int, (thread / "children").read_text().split())
    return found


def _handle(pid: int) -> int | None:
    """What means that process and no later one of its number; None: it has ended."""
    with suppress(OSError):
        return os.pidfd_open(pid)
    return None

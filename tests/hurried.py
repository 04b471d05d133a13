"""Pauses between two tries of a call are short in a process of the tests: it matters which tries are made, and a second
between them proves nothing. How long they are is tested on the clocks of tests/cloud and tests/faults.
"""

from __future__ import annotations

from functools import cache

from flowplan.operations.opening.session import Session

wait = Session._wait
LONGEST = 0.001  # seconds


@cache
def install() -> None:
    """From now on in this process, and in those that are forked off it."""
    Session._wait = lambda session, seconds: wait(session, min(seconds, LONGEST))  # type: ignore[method-assign]

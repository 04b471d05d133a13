"""Waiting for a lock that another run holds, whatever kind of lock it is."""

from __future__ import annotations

import time
from collections.abc import Callable

from flowplan.errors import Locked


def wait_for(
    attempt: Callable[[], Locked | None],
    *,
    held: Callable[[], str],
    timeout: float,
    poll: float,
    say: Callable[[str], None],
    stopped: Callable[[], bool],
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Try until `attempt` has taken the lock and returns None, once every `poll` seconds, for `timeout` seconds by
    `clock` or until `stopped`. `say` hears once that it waits: `held` says of what. Raises what was in the way last,
    and what `attempt` raises."""
    deadline = clock() + timeout
    waiting = False
    while (blocked := attempt()) is not None:
        if clock() >= deadline or stopped():
            raise blocked
        if not waiting:
            say(f"waiting up to {timeout:g} s for the lock {held()}")
            waiting = True
        time.sleep(poll)

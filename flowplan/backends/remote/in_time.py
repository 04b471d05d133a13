"""What is asked of a server, and waited for only as long as an answer is of use.

A server may take a connection and say nothing. Who asked goes on then; what is under way may still be done, and nothing
more is sent for it: each try is made only if it is still waited for (`hold_wanted`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from flowplan.backends.remote.foreseen import Foreseen
from flowplan.backends.remote.place import Unanswered

T = TypeVar("T")
_over: ContextVar[threading.Event | None] = ContextVar("over", default=None)  # of what this thread is asked to do
AWAY = "look whether its server and the network are up, and run the same command again"


def in_time(call: Callable[[], T], left: Callable[[], float], name: str) -> T:
    """What `call` gives, which is made in a thread of its own. Raises what it raises, and Unanswered, which names the
    state `name`, once `left` says that no seconds are left: that may grow meanwhile."""
    over = threading.Event()

    def asked() -> T:
        with wanted_until(over):
            return call()

    try:
        asking = Foreseen(asked)
        while not asking.ended_in(max(left(), 0.0)):
            if left() <= 0 and not asking.ended_in(0):  # to find out what is left may have taken a while
                raise Unanswered(f"the server of {name} does not answer", hint=AWAY)
        return asking.found()
    finally:
        over.set()


@contextmanager
def wanted_until(over: threading.Event) -> Iterator[None]:
    """Inside, nothing more is sent by this thread once `over` is set."""
    before = _over.set(over)
    try:
        yield
    finally:
        _over.reset(before)


def hold_wanted() -> None:
    """Raise Unanswered where nobody waits any more for what this thread is asked to do. Threads that are started in
    between are asked the same in a copy of the context."""
    over = _over.get()
    if over is not None and over.is_set():
        raise Unanswered("nobody waits for an answer any more")

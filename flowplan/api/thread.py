"""A run in a thread of its own, which Ctrl-C asks to stop and never tears."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from flowplan.operations.opening.interaction import Event

T = TypeVar("T")
_LOOK = 0.5  # seconds: a signal that another thread was given does not wake the one that waits


def in_a_thread(run: Callable[[Event], T], event: Event | None = None) -> T:
    """What `run` returns or raises. It runs in a thread of its own, so that Ctrl-C interrupts the waiting and not the
    writing: the run is asked to stop, by `event` or one of its own, and waited for. A second one leaves it alone; the
    process ends after it. However often it comes, and wherever: nobody goes on who was not asked to stop."""
    event = event or Event()
    begun: list[bool] = []
    results: list[T] = []
    errors: list[BaseException] = []
    ended: list[bool] = []
    gate = threading.Lock()  # open at the end; no interruption leaves one half acquired, as it may an Event
    gate.acquire()

    def work() -> None:
        begun.append(True)
        try:
            if not event.stopped():  # else nobody may wait for it: before `begun`
                results.append(run(event))
        except BaseException as error:  # noqa: BLE001 - it is raised where it was called
            errors.append(error)
        finally:
            ended.append(True)
            gate.release()

    def wait() -> None:
        while not ended:  # also where an interruption came once the gate was open, and left nobody to open it again
            gate.acquire(timeout=_LOOK)

    try:
        threading.Thread(target=work, name="flowplan-run").start()
        wait()
    except BaseException:  # an interruption within `start` may come out as another error
        _stop(event)
        if begun:  # else it starts nothing any more
            wait()
        raise
    if errors:
        raise errors[0]
    return results[0]


def _stop(event: Event) -> None:
    """Ask the run to stop, however often that is interrupted."""
    while True:
        with suppress(KeyboardInterrupt):
            return event.stop()

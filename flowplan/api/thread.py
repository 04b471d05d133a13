"""A run in a thread of its own, which Ctrl-C asks to stop and never tears."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TypeVar

from flowplan.api.hearing import Hearing
from flowplan.errors import UsageProblem
from flowplan.exact import exactly
from flowplan.threads import begun

T = TypeVar("T")
_LOOK = 0.1  # seconds: neither a signal that another thread was given nor a Stop wakes the one that waits


class Stop(Protocol):
    """How a program stops a run: a threading.Event that any of its threads may set, or what is asked like one."""

    def is_set(self) -> bool:
        """Whether the run is to stop."""


def hold_stop(stop: Stop | None) -> None:
    """Raise UsageProblem for a `stop` that cannot be asked: notebooks have no type checker."""
    if stop is not None and (isinstance(stop, type) or not callable(getattr(stop, "is_set", None))):
        raise UsageProblem(f"stop: {stop!r} cannot be asked whether to stop", hint="give a threading.Event")


def in_a_thread(run: Callable[[Hearing], T], event: Hearing | None = None, stop: Stop | None = None) -> T:
    """What `run` returns or raises. It runs in a thread of its own, so that Ctrl-C interrupts the waiting and not the
    writing: the run is asked to stop, by `event` or one of its own, and waited for. A second one leaves it alone; the
    process ends after it. However often it comes, and wherever: nobody goes on who was not asked to stop. Once `stop`
    is set, the run is asked to stop, too, and what it then raises comes out; before it has begun, it does not begin.
    Raises UsageProblem for a `stop` that is none."""
    hold_stop(stop)
    event = event or Hearing()
    if stop is not None and stop.is_set():
        event.stop()
    has_begun: list[bool] = []
    results: list[T] = []
    errors: list[BaseException] = []
    ended: list[bool] = []
    gate = threading.Lock()  # open at the end; no interruption leaves one half acquired, as it may an Event
    gate.acquire()
    claimed = threading.Lock()  # by the one that begins

    def work() -> None:
        if not claimed.acquire(blocking=False):
            return
        has_begun.append(True)
        try:
            if event.stopped():  # nobody may wait for it: before `has_begun`
                raise event.interrupted("nothing was under way")
            with exactly(), event.ended():
                results.append(run(event))
        except BaseException as error:  # noqa: BLE001 - it is raised where it was called
            errors.append(error)
        finally:
            ended.append(True)
            gate.release()

    thread = threading.Thread(target=work, name="flowplan-run")

    def wait() -> None:
        while not ended:  # also where an interruption came once the gate was open, and left nobody to open it again
            gate.acquire(timeout=_LOOK)
            if stop is not None and not ended and not event.stopped() and stop.is_set():
                event.stop()

    try:
        if not begun(thread):
            work()
        wait()
        if thread.ident is not None:
            thread.join()  # its last steps: a program that counts its threads finds none of ours
    except BaseException as error:  # an interruption within `start` may come out as another error
        _stop(event)
        if has_begun:  # else it starts nothing any more
            wait()
        raise error from (errors[0] if errors else None)  # of a run that was stopped, with what it came to
    if errors:
        raise errors[0]
    return results[0]


def _stop(event: Hearing) -> None:
    """Ask the run to stop, however often that is interrupted."""
    while True:
        with suppress(KeyboardInterrupt):
            return event.stop()

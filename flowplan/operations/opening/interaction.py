"""What an operation is given to speak and listen with: a terminal and signals by the command line, by a program what it
likes, or silence."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any, Protocol

from attrs import field

from flowplan.backends.processes import boot_id
from flowplan.classes import define, frozen
from flowplan.clock import Clock


def _silent(*_: object) -> None:
    """Nobody listens."""


def _shut() -> threading.Lock:
    gate = threading.Lock()
    gate.acquire()
    return gate


@frozen
class Listener:
    """Told what an operation has to say while it works. None of these may raise.

    `note`: one sentence for people; `warn`: one that says what went wrong. `log`: each call to the API, None for no
    log. `hide`: a function that gives what no output may show from then on; `secretless`: a text without that. `busy`:
    a context in which something goes on that may take long, said in a text; `together`: one in which much is said at
    a time, which may be written at its end.
    """

    note: Callable[[str], None] = _silent
    log: Callable[[str], None] | None = None
    hide: Callable[[Callable[[], Iterable[str]]], None] = _silent
    busy: Callable[[str], AbstractContextManager[Any]] = field(default=nullcontext)
    warn: Callable[[str], None] = _silent
    secretless: Callable[[str], str] = str
    together: Callable[[], AbstractContextManager[Any]] = field(default=nullcontext)


class Interruption(Protocol):
    """How somebody asks an operation to end early. What is done by then is saved."""

    wake: Callable[[], None]
    """Set by a run: called, from any thread, when somebody asks it to end."""
    release: Callable[[], None]
    """Set by a run: called when the process ends at once, to release its lock. Must not raise."""
    far: bool
    """Set by a run: whether the state is saved at a server, which may not answer."""

    def stopped(self) -> bool:
        """Whether somebody has asked."""

    def pause(self, seconds: float) -> None:
        """Wait, but not longer than until somebody asks."""

    def clock(self) -> Clock:
        """The time, with `pause` and `stopped` in it."""

    def listening(self) -> AbstractContextManager[Any]:
        """Within, a request sets `stopped` and calls `wake`, and interrupts nothing."""

    def unwinding(self) -> AbstractContextManager[Any]:
        """Within, a request raises KeyboardInterrupt, at once or from `hold`."""

    def hold(self) -> None:
        """Raise KeyboardInterrupt within `unwinding`, once somebody has asked, where the request does not do so itself.
        From any thread; nothing is under way then."""

    def interrupted(self, outcome: str, cause: KeyboardInterrupt | None = None) -> BaseException:
        """What an operation raises that ended early: by `cause`, or because it was `stopped`. `outcome` says what came
        of it."""


@define
class Event(Interruption):
    """An interruption by a call of `stop`, from any thread. Signals stay as they are."""

    wake: Callable[[], None] = _silent
    release: Callable[[], None] = _silent
    far: bool = False
    _asked: bool = field(default=False, init=False)
    _unwinds: bool = field(default=False, init=False)
    _gate: threading.Lock = field(factory=_shut, init=False)  # open once asked; no interruption leaves it in between

    def stop(self) -> None:
        """Ask the operation to end: nothing new is started, and calls under way are waited for."""
        self._asked = True
        with suppress(RuntimeError):  # it is open
            self._gate.release()
        self.wake()

    def stopped(self) -> bool:
        return self._asked

    def pause(self, seconds: float) -> None:
        if not self._asked and self._gate.acquire(timeout=max(seconds, 0.0)):
            with suppress(RuntimeError):  # asked twice
                self._gate.release()  # for who else waits

    def clock(self) -> Clock:
        return Clock(time.monotonic, time.time, self.pause, self.stopped, boot_id())

    def listening(self) -> AbstractContextManager[Any]:
        return self._within(unwinds=False)

    def unwinding(self) -> AbstractContextManager[Any]:
        return self._within(unwinds=True)

    @contextmanager
    def _within(self, *, unwinds: bool) -> Iterator[None]:
        before, self._unwinds = self._unwinds, unwinds
        try:
            yield
        finally:
            self._unwinds = before

    def hold(self) -> None:
        if self._asked and self._unwinds:
            raise KeyboardInterrupt

    def interrupted(self, outcome: str, cause: KeyboardInterrupt | None = None) -> BaseException:
        from flowplan.apply.outcome import Interrupted

        return Interrupted(f"stopped; {outcome}") if self._asked or cause is None else cause

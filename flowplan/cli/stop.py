"""Signals: the first one asks the run to end cleanly, the second ends it at once.

A thread of its own hears them. Python runs its handlers in the main thread, between two of its steps: one that comes
just before the main thread goes to wait for an answer would be noticed only when that wait is over.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from attrs import field

from flowplan.backends.processes import boot_id
from flowplan.classes import define
from flowplan.cli.unwinding import unwinding
from flowplan.clock import Clock
from flowplan.operations.opening.interaction import Interruption

if TYPE_CHECKING:
    from flowplan.apply.outcome import Interrupted

_PATIENCE = 0.3  # seconds
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@define
class Stop(Interruption):
    """Set by the first signal; the second ends the process at once, which the journal survives."""

    number: int | None = None
    wake: Callable[[], None] = lambda: None
    say: Callable[[str], None] = lambda _: None
    hurry: Callable[[], None] = lambda: None  # with a stream that takes nothing
    release: Callable[[], None] = lambda: None  # of what is held, when the process ends at once; must not raise
    far: bool = False
    _event: threading.Event = field(factory=threading.Event)

    def on(self, number: int) -> None:
        """The signal `number` has come: the first asks the run to end, the second ends the process at once."""
        if self.number is not None:
            self._tell("\nstopped at once; what was under way is in the journal: the next run checks it")
            _within_patience(self.release)
            os._exit(128 + exit_signal(number))
        self.number = number
        self._event.set()
        self.wake()
        self.hurry()
        slow = ", for up to about a minute if its server does not answer" if self.far else ""
        under_way = f"what is under way gets 5 s, then the state is saved{slow}"
        self._tell(f"\nstopping: nothing new starts, {under_way} (again: stop at once)")

    def _tell(self, text: str) -> None:
        """Say it, but never wait for a terminal that does not take it."""
        _within_patience(lambda: self.say(text))

    def stopped(self) -> bool:
        return self.number is not None

    def pause(self, seconds: float) -> None:
        """Wait, but not longer than until the first signal."""
        self._event.wait(seconds)

    def clock(self) -> Clock:
        return Clock(time.monotonic, time.time, self.pause, self.stopped, boot_id())

    def unwinding(self) -> AbstractContextManager[None]:
        """Within, a first signal raises KeyboardInterrupt in the main thread."""
        return unwinding()

    def hold(self) -> None:
        """The signal itself has raised it."""

    def interrupted(self, outcome: str, cause: KeyboardInterrupt | None = None) -> Interrupted:
        """What a command ends with that a signal ended: `cause`, or the one that was heard."""
        from flowplan.apply.outcome import Interrupted

        if cause is None:
            number = self.number if self.number is not None else signal.SIGINT
            return Interrupted(f"stopped by a signal; {outcome}", signal_number=exit_signal(number))
        self.hurry()
        self._tell("")  # a terminal has written ^C, and a question may stand before it: what is said next is a line
        number = getattr(cause, "number", signal.SIGINT)
        what = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
        return Interrupted(f"{what}; {outcome}", signal_number=exit_signal(number))

    @contextmanager
    def listening(self) -> Iterator[Stop]:
        """Only in the main thread. When it ends, every signal that came within has been heard."""
        ear, mouth = os.pipe()
        os.set_blocking(mouth, False)
        listener = threading.Thread(target=self._listen, args=(ear,), name="flowplan-signals", daemon=True)
        listener.start()
        # A signal that the parent process ignores (nohup) stays ignored.
        heard = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.getsignal(number) for number in heard}
        outer = signal.set_wakeup_fd(mouth, warn_on_full_buffer=False)  # first here, last below: none is lost between
        try:
            for number in heard:
                signal.signal(number, _noted)
            yield self
        finally:
            try:
                for number, handler in before.items():
                    signal.signal(number, handler)
            finally:
                signal.set_wakeup_fd(outer)
                os.close(mouth)
                listener.join()

    def _listen(self, ear: int) -> None:
        """Each signal is one byte, its number; the end of the pipe is the end of listening."""
        with os.fdopen(ear, "rb", buffering=0) as pipe:
            while heard := pipe.read(1):
                if heard[0] in SIGNALS:
                    self.on(heard[0])


def _within_patience(act: Callable[[], None]) -> None:
    """Do it, but do not wait for it longer than the user would."""
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(_PATIENCE)


def _noted(number: int, frame: FrameType | None) -> None:
    """The interpreter has written the number to the pipe already; without a handler it would not."""


def exit_signal(number: int) -> int:
    """A lost terminal ends a run like SIGTERM: the table of exit codes knows two."""
    return signal.SIGTERM if number == signal.SIGHUP else number

"""One look at the cloud for all threads that ask for it, at about the same time or ever."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import partial
from threading import Condition, Lock
from time import monotonic
from typing import Generic, NoReturn, TypeVar

from attrs import field

from flowplan.classes import define
from flowplan.errors import FlowplanError

T = TypeVar("T")
_LOOKS = 3.0  # so many times as long as a look takes, one may wait for others to ask: then all go on in step
_LONGEST = 1.0  # seconds, however long a look takes


@define
class Shared(Generic[T]):
    """One look for all threads that ask at about the same time. Each gets the result of a look that began after it
    asked, or what that raised: a look that fails is not repeated by one thread after the other. `crowd`: how many
    threads may ask soon, from any thread; a look that is asked for by fewer waits a little for the others."""

    look: Callable[[], T]
    crowd: Callable[[], int] = lambda: 1
    _looking: Lock = field(factory=Lock, init=False)
    _asking: Condition = field(factory=Condition, init=False)
    asked: int = field(default=0, init=False)  # how often
    _served: int = field(default=0, init=False)  # who asked, so many of them first, gets what was seen last
    _seen: Callable[[], T] = field(init=False)
    _took: float = field(default=0.0, init=False)  # seconds, the last look

    def __call__(self) -> T:
        with self._asking:
            self.asked += 1
            mine = self.asked
            self._asking.notify()
        with self._looking:
            if self._served < mine:
                begun, began = self._gather(), monotonic()
                self._seen = self._outcome()
                self._served, self._took = begun, monotonic() - began
            return self._seen()

    def _outcome(self) -> Callable[[], T]:
        """What a look comes to: gives what it saw, or raises what it raised."""
        try:
            seen = self.look()
        except FlowplanError as error:
            return partial(_again, error)
        return lambda: seen

    def _gather(self) -> int:
        """How many have asked, once those are among them who may ask soon, or were waited for long enough."""
        with self._asking:
            waiting = min(_LOOKS * self._took, _LONGEST)
            self._asking.wait_for(lambda: self.asked - self._served >= self.crowd(), waiting)
            return self.asked


@define
class Once(Generic[T]):
    """One look for all threads and for good, once it has succeeded."""

    look: Callable[[], T]
    _looking: Lock = field(factory=Lock, init=False)
    _seen: list[T] = field(factory=list, init=False)

    def __call__(self) -> T:
        with self._looking:
            if not self._seen:
                self._seen.append(self.look())
            return self._seen[0]


def _again(error: FlowplanError) -> NoReturn:
    raise copy(error) from error  # of its own: who raises it on says more in it

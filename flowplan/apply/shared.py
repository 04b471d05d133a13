"""One look at the cloud for all threads that ask for it at about the same time."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition, Lock
from time import monotonic
from typing import Generic, TypeVar

from attrs import field

from flowplan.classes import define

T = TypeVar("T")
_LOOKS = 3.0  # so many times as long as a look takes, one may wait for others to ask: then all go on in step
_LONGEST = 1.0  # seconds, however long a look takes


@define
class Shared(Generic[T]):
    """One look for all threads that ask at about the same time. Each gets the result of a look that began after it
    asked. `crowd`: how many threads may ask soon, from any thread; a look that is asked for by fewer waits a little for
    the others."""

    look: Callable[[], T]
    crowd: Callable[[], int] = lambda: 1
    _looking: Lock = field(factory=Lock, init=False)
    _asking: Condition = field(factory=Condition, init=False)
    asked: int = field(default=0, init=False)  # how often
    _seen: tuple[int, T] | None = field(default=None, init=False)  # for the first so many who asked, what was seen
    _took: float = field(default=0.0, init=False)  # seconds, the last look

    def __call__(self) -> T:
        with self._asking:
            self.asked += 1
            mine = self.asked
            self._asking.notify()
        with self._looking:
            if self._seen is None or self._seen[0] < mine:
                begun, began = self._gather(), monotonic()
                self._seen = (begun, self.look())
                self._took = monotonic() - began
            return self._seen[1]

    def _gather(self) -> int:
        """How many have asked, once those are among them who may ask soon, or were waited for long enough."""
        served = self._seen[0] if self._seen is not None else 0
        with self._asking:
            self._asking.wait_for(lambda: self.asked - served >= self.crowd(), min(_LOOKS * self._took, _LONGEST))
            return self.asked

"""One look at the cloud for all threads that ask for it at about the same time."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

from attrs import field

from flowplan.classes import define

T = TypeVar("T")


@define
class Shared(Generic[T]):
    """One look for all threads that ask at about the same time. Each gets the result of a look that began after it
    asked."""

    look: Callable[[], T]
    _looking: Lock = field(factory=Lock, init=False)
    _asking: Lock = field(factory=Lock, init=False)
    asked: int = field(default=0, init=False)  # how often
    _seen: tuple[int, T] | None = field(default=None, init=False)  # for the first so many who asked, what was seen

    def __call__(self) -> T:
        with self._asking:
            self.asked += 1
            mine = self.asked
        with self._looking:
            if self._seen is None or self._seen[0] < mine:
                begun = self.asked
                self._seen = (begun, self.look())
            return self._seen[1]

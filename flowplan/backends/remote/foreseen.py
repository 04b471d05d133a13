"""What is asked of a server before it is needed, while something else goes on."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")
NAMED = "flowplan-ahead"  # the threads: a process that ends does not wait for them
_SHORT = 0.2  # seconds


class Foreseen(Generic[T]):
    """What `look` finds, which begins at once, in a thread of its own; where the machine gives none, here."""

    def __init__(self, look: Callable[[], T]) -> None:
        self._look, self._found, self._errors = look, list[T](), list[BaseException]()
        self._thread = threading.Thread(target=self._run, name=NAMED, daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._run()

    def _run(self) -> None:
        try:
            self._found.append(self._look())
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that asks what was found
            self._errors.append(error)

    def ended_in(self, seconds: float) -> bool:
        """Whether it has ended; waits at most `seconds` for that."""
        if self._thread.is_alive():
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def found(self) -> T:
        """Waits for it. Raises what `look` raises."""
        if self._thread.is_alive():
            self._thread.join()
        if self._errors:
            raise self._errors[0]
        return self._found[0]


def at_once(calls: Sequence[Callable[[], T]], most: int) -> list[T]:
    """What `calls`, of which none waits for another, give, at most `most` at a time, each in a copy of the context.
    Raises what the first of them raises that fails, once all have ended. What interrupts this thread waits for none,
    and none is begun after it."""
    if len(calls) < 2:
        return [call() for call in calls]
    left = deque(enumerate(calls))
    found: dict[int, T] = {}
    errors: dict[int, BaseException] = {}

    def work() -> None:
        while left:
            try:
                number, call = left.popleft()
            except IndexError:  # another thread has the last one
                return
            try:
                found[number] = call()
            except BaseException as error:  # noqa: BLE001 - it is raised below
                errors[number] = error

    try:
        for one in [Foreseen(partial(copy_context().run, work)) for _ in range(min(len(calls), most))]:
            while not one.ended_in(_SHORT):  # a signal that comes right before a wait does not end it
                pass
    except BaseException:
        left.clear()
        raise
    if errors:
        raise errors[min(errors)]
    return [found[number] for number in range(len(calls))]

"""What is asked of a server before it is needed, while something else goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
NAMED = "flowplan-ahead"  # the threads: a process that ends does not wait for them


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

"""Deletions that were answered with success, which proves nothing: a list shows them, one for many."""

from __future__ import annotations

from collections.abc import Callable

from attrs import field

from flowplan.apply.workers import Result, Workers
from flowplan.classes import define
from flowplan.clock import Clock

EVERY = 1.0  # seconds that a deletion waits for others, to be looked for with them


@define
class Unproved:
    """What is yet to be seen. `look`: gives the ids of the volumes that are listed as deleted; `deletions`: how many
    are under way, that will be answered soon. A look for each would grow with the square of what is deleted."""

    clock: Clock
    workers: Workers
    look: Callable[[], frozenset[str]]
    deletions: Callable[[], int]
    _results: list[Result] = field(factory=list, init=False)
    _since: float = field(default=0.0, init=False)  # when the first of them was added

    def add(self, result: Result) -> None:
        """Keep `result` until it is looked for."""
        self._since = self._since if self._results else self.clock.monotonic()
        self._results.append(result)

    def due_in(self) -> float | None:
        """Seconds until they are to be looked for; None: there is nothing to look for."""
        if not self._results:
            return None
        return max(self._since + EVERY - self.clock.monotonic(), 0.0) if self.deletions() else 0.0

    def prove(self, *, at_once: bool) -> None:
        """Have all of them looked for if that is due, or `at_once`."""
        if self._results and (at_once or self.due_in() == 0.0):
            results, self._results = self._results, []
            self.workers.prove(results, self.look)

"""Intents and results become durable; and what is done with results when they cannot."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from attrs import field

from flowplan.apply.interfaces import Journal
from flowplan.apply.workers import Result, Workers
from flowplan.classes import define
from flowplan.errors import StateError
from flowplan.state.records import Closed, Done, Record
from flowplan.threads import begun


@define
class Durable:
    """The journal of a run, for the one thread that owns it."""

    journal: Journal
    workers: Workers
    _under_way: threading.Thread | None = field(default=None, init=False)
    _kept: str | None = field(default=None, init=False)  # where results are that the journal did not take
    _left: list[Record] = field(factory=list, init=False)  # those that could not be kept yet

    @property
    def is_busy(self) -> bool:
        """Whether a frame is on its way: nothing else may be appended."""
        return self._under_way is not None

    def append(self, records: Sequence[Record]) -> None:
        """Make `records` durable in one frame. Raises StateError when the journal does not take them."""
        self.journal.append(records)

    def append_beside(self, records: Sequence[Record], take_in: Callable[[Sequence[Result]], None]) -> None:
        """The same, in a thread of its own; `take_in` is given what comes back while the frame is on its way, and sends
        only what is durable already. What it raises is raised at once."""
        failed: list[BaseException] = []

        def append() -> None:
            try:
                self.journal.append(records)
            except BaseException as error:  # noqa: BLE001 - it is raised below, in the thread of the run
                failed.append(error)
            self._under_way = None
            self.workers.wake()

        self._under_way = thread = threading.Thread(target=append, name="flowplan-journal", daemon=True)
        if not begun(thread):
            append()
        while results := self.workers.take_while(lambda: self.is_busy):
            take_in(results)
        if failed:
            raise failed[0]

    def keep(self, records: Iterable[Record]) -> None:
        """Keep the results among `records`, which the journal does not take, elsewhere; what cannot be kept now is
        with the next."""
        self._left += _results(records)
        with suppress(StateError):  # `rescue` says it
            self._overflow()

    def _overflow(self) -> None:
        if self._left:
            self._kept = self.journal.overflow(self._left) or self._kept
            self._left.clear()

    def rescue(self, error: StateError, records: Sequence[Record], back: Sequence[Result]) -> None:
        """The run ends with `error`: the results among `records`, which are of what is `back`, are kept elsewhere, and
        the detail of `error` says where."""
        self._left += _results(records)
        made = [r for r in back if r.binding and r.work.intent.op == "create"]
        error.detail = "\n".join(filter(None, [self._rescued(made), error.detail]))
        if (under_way := self._under_way) is not None:  # nothing is written any more once the run is over
            under_way.join()

    def _rescued(self, made: Sequence[Result]) -> str:
        """Where the results are that the journal could not take. What was made is said in any case: as a last resort,
        here."""
        ids = ", ".join(f"{r.work.step.address} = {r.binding.id}" for r in made if r.binding)
        made_so_far = f"made: {ids}\n" if ids else ""
        try:
            self._overflow()
        except StateError as error:
            return f"{made_so_far}not recorded anywhere, because {error}"
        kept = self._kept
        return f"{made_so_far}the results are kept in {kept}; the next run takes them over" if kept else made_so_far


def _results(records: Iterable[Record]) -> list[Record]:
    return [record for record in records if isinstance(record, (Done, Closed))]

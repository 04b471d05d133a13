"""Intents and results become durable; and what is done with results when they cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen

from flowplan.apply.interfaces import Journal
from flowplan.apply.workers import GRACE, Result, Workers
from flowplan.apply.works import Work
from flowplan.errors import StateError
from flowplan.state.journal import Closed, Done, Record
from flowplan.state.state import Binding


@frozen
class Durable:
    """The journal of a run, for the one thread that owns it. `finished`: what to make durable of a call that is
    done."""

    journal: Journal
    workers: Workers
    finished: Callable[[Work, Binding | None], Sequence[Record]]

    def append(self, records: Sequence[Record], back: Sequence[Result] = ()) -> None:
        """Make `records` durable in one frame; `back`: the results among them. When the journal
        does not take them, raises StateError once they are rescued."""
        try:
            self.journal.append(records)
        except StateError as error:
            self.rescue(error, records, back)
            raise

    def rescue(self, error: StateError, records: Sequence[Record] = (), back: Sequence[Result] = ()) -> None:
        """The run ends with `error`: the results among `records`, which are of what is `back`, and what comes back yet,
        are kept elsewhere, and the detail of `error` says where."""
        results = [record for record in records if isinstance(record, (Done, Closed))]
        late = [r for r in self.workers.drain(GRACE) if r.binding is not None or r.error is None]
        kept = [*results, *(record for r in late for record in self.finished(r.work, r.binding))]
        made = [r for r in (*back, *late) if r.binding and r.work.intent.op == "create"]
        error.detail = "\n".join(filter(None, [self._overflow(kept, made), error.detail]))

    def _overflow(self, results: Sequence[Record], made: Sequence[Result]) -> str:
        """Keep results that the journal could not take. What was made is said in any case: as a last resort, here."""
        ids = ", ".join(f"{r.work.step.address} = {r.binding.id}" for r in made if r.binding)
        made_so_far = f"made: {ids}\n" if ids else ""
        try:
            kept = self.journal.overflow(results)
        except StateError as error:
            return f"{made_so_far}not recorded anywhere, because {error}"
        return f"{made_so_far}the results are kept in {kept}; the next run takes them over" if kept else made_so_far

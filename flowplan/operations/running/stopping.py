"""The journal of a run that only stops: nothing that costs money runs on because it cannot be written down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field

from flowplan.classes import define
from flowplan.errors import Remedied, StateError, Unserved, Unwritten
from flowplan.files.atomic import WRITABLE
from flowplan.planning.actions import Delete
from flowplan.planning.steps import Step
from flowplan.state.records import Closed, Done

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flowplan.apply.outcome import Outcome
    from flowplan.backends.store import Journal
    from flowplan.planning.plan import Plan
    from flowplan.state.records import Record

IN_JOURNAL = "is in the journal, and the next run goes on from there"  # where it is recorded what was stopped

# A state beside that on the server, made of the markers of live bids, with a lock of its own.
_ELSEWHERE = "flowplan recover --from-live --state rescue.json && flowplan destroy --keep-volumes --state rescue.json"


@define
class Stopping:
    """`journal` as long as it takes what it is given. After that results are kept where they overflow to, and where
    they cannot be kept either, nowhere: the next run sees in the cloud what has ended, and a removal that is asked for
    twice does no harm. `where` says which it is; `say` hears why the journal takes nothing, which is `refused`.

    Of a state in a file that is so whatever is removed: what was approved is approved, and its lock is sure. A server
    that refuses a write may be about to give the lock away, so a run is told of that, and deletes no volume."""

    journal: Journal
    say: Callable[[str], None]
    where: str = field(default=IN_JOURNAL, init=False)
    refused: Unwritten | None = field(default=None, init=False)
    _left: tuple[Record, ...] = field(default=(), init=False)  # what could not be kept yet

    @property
    def appended(self) -> bool:
        """As of the journal; also where it did not take what it was given."""
        return self.refused is not None or self.journal.appended

    def append(self, records: Iterable[Record]) -> None:
        """As the journal does. Raises Unserved for a server that does not take it, StateError for what is not the
        system's refusal to write."""
        self._append(tuple(records), anyway=False)

    def append_anyway(self, records: Iterable[Record]) -> None:
        """The same of what is over, and of bids that are to be cancelled: that needs no record; a server that
        refuses one is noted."""
        self._append(tuple(records), anyway=True)

    def _append(self, records: tuple[Record, ...], *, anyway: bool) -> None:
        if self.refused is None:
            try:
                self.journal.append(records)
            except Unwritten as error:
                self.refused = error
                if anyway or not isinstance(error, Unserved):  # else who is told of it says what goes on
                    self.say(f"{error}; what only stops goes on without it")
            else:
                return
        if isinstance(self.refused, Unserved) and not anyway:
            raise self.refused
        self._keep(records)

    def _keep(self, records: tuple[Record, ...]) -> None:
        if any(isinstance(record, (Done, Closed)) for record in records):
            try:
                self.overflow(records)
            except StateError:  # `where` says it
                self._left += records

    def overflow(self, records: Iterable[Record]) -> str | None:
        """As the journal does, with what could not be kept before."""
        try:
            kept = self.journal.overflow((*self._left, *records))
        except StateError as error:
            self.where = f"is recorded nowhere ({error}); the next run sees that it has ended"
            raise
        self._left = ()
        if kept is not None:
            self.where = f"is kept in {kept}; the next run takes it over"
        return kept

    def strict(self) -> Journal:
        """The journal itself, for a run that does more than to stop. Raises Unwritten where it has not taken all."""
        if self.refused is not None:
            raise self.refused
        return self.journal


def without_server(error: StateError) -> None:
    """Have `error`, by which a `destroy` was not begun because the server of the state does not let it, say what stops
    what runs until that is mended; where it is `Remedied`, that is enough: a second state of the same bids is no remedy
    where the first one can be used."""
    if not isinstance(error, Remedied):
        error.hint = "; ".join(filter(None, [error.hint, f"if your bids must stop before that helps: `{_ELSEWHERE}`"]))


def left_of(plan: Plan, part: Plan) -> tuple[Step, ...]:
    """The steps of `plan` that are not in `part`; of what only moves, one that names it."""
    moved = [Step("up", one.address) for one in plan.changes if one.previous_address is not None and not one.ways]
    return (*(step for step in plan.order if step not in part.order), *moved)


def explain(error: Unwritten, plan: Plan, *, stopped: bool) -> None:
    """Have `error`, which keeps `plan` from being begun, say what was done, and what to type for what runs on.
    `stopped`: what of it only stops was carried out."""
    remedy = error.hint or WRITABLE
    if stopped:
        error.detail, error.hint = "what stops was carried out; nothing else was begun", remedy
        return
    ends = [f"--target {one.address}" for one in plan.changes if isinstance(one, Delete) and one.address.kind == "bid"]
    stop = "to stop what runs, `flowplan destroy` needs no room"
    if ends:
        which = f"{' '.join(ends[:3])}{' ...' if len(ends) > 3 else ''}"
        stop = f"to stop what this plan ends, `flowplan destroy {which}`, with the same PATHs, needs no room"
    error.detail = "nothing was changed: what runs goes on, and costs money"
    error.hint = f"{remedy}; {stop}"


def unfinished(error: StateError, outcome: Outcome) -> tuple[StateError, Outcome, str]:
    """What a run that only stops ends with where all that was done is saved, and that may not be all, because of
    `error`: the server had refused a record of it, or what an earlier run had done cannot be read."""
    again = "" if outcome.clean else "run the same command again: it continues from here"
    why = StateError(error.summary, hint="; ".join(filter(None, [error.hint, again])) or None)
    done = "what was done is saved" if outcome.done else ""
    return why, outcome, "\n".join(filter(None, [outcome.reached, done]))

"""What an update does to the cloud, in a worker thread: PATCHes with absolute values, which may be sent again when an
answer is lost, and a look at the bid where an answer promises less than was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from flowplan.apply.answered import as_text
from flowplan.apply.interfaces import Cloud
from flowplan.apply.patience import POLLS, Patience
from flowplan.classes import frozen
from flowplan.errors import Ambiguous, CloudError, FlowplanError
from flowplan.model.resources import Bid, Resource, Volume
from flowplan.planning.actions import Update
from flowplan.state.state import Binding

T = TypeVar("T")
_TRIES = 3


@frozen
class Updates:
    """The changes in place of one run. `hold_lock` is called before every attempt, and raises what forbids it."""

    cloud: Cloud
    patience: Patience
    hold_lock: Callable[[], None]

    def update(self, change: Update, wanted: Resource) -> Binding:
        """Change what differs, in place."""
        if isinstance(wanted, Volume):
            self._surely(partial(self.cloud.rename_volume, change.id, wanted.name, before=self.hold_lock))
        elif isinstance(wanted, Bid) and isinstance(change.before, Bid):
            self._patch(change.id, patches(change, change.before, wanted))
        return change.bound(change.id, wanted)

    def _patch(self, id: str, calls: Sequence[Mapping[str, Any]]) -> None:
        paused = False
        try:
            for fields in calls:
                self.change(id, fields)
                paused = fields.get("paused", paused)
        except FlowplanError:
            if paused and calls[-1] == {"paused": False}:
                self.change(id, {"paused": False})  # never leave it standing still
            raise

    def change(self, id: str, fields: Mapping[str, Any]) -> None:
        """One PATCH. An answer is no promise: unless it tells that every field is as asked for, or when all answers are
        lost, the bid itself tells whether it was done."""
        try:
            made = self._surely(partial(self.cloud.update_bid, id, before=self.hold_lock, **fields))
        except CloudError as error:
            if not isinstance(error.__cause__, Ambiguous):
                raise
            found = self.cloud.bid(id).bid
            if _otherwise(found, fields) or not fields.keys().isdisjoint(found.unreported):
                raise  # nobody answered: a field that is not reported proves nothing
        else:
            if any(name not in made.reported or _plain(made.reported[name]) != _plain(fields[name]) for name in fields):
                self._hold_changed(id, fields)

    def _hold_changed(self, id: str, fields: Mapping[str, Any]) -> None:
        """Raise CloudError unless the bid comes to be as a change that was answered with success asked for."""
        why = "flowplan did not check it"
        for _ in self.patience.until_it_shows():
            found = self.cloud.bid(id).bid
            others = _otherwise(found, fields)
            if not others:
                return
            why = "; ".join(
                f"{name} is {as_text(getattr(found, name))}, not {as_text(fields[name])}" for name in others
            )
        raise CloudError(
            f"the change of {id} was answered with success, but {why}",
            hint="flowplan plan shows what is live; run the same command again to retry",
        )

    def _surely(self, call: Callable[[], T]) -> T:
        """A change with absolute values may be sent again when its answer was lost."""
        for left in reversed(range(_TRIES)):
            try:
                return call()
            except Ambiguous as error:
                if not left:
                    raise CloudError(str(error), status=error.status, hint="run the same command again") from error
            self.patience.clock.pause(POLLS[-1 - left])
        raise AssertionError("the last attempt returns, or raises")


def _plain(value: Any) -> Any:
    """A field's value for comparison: the order of a list of ids means nothing."""
    return sorted(map(str, value)) if isinstance(value, (list, tuple)) else value


def _otherwise(bid: Bid, fields: Mapping[str, Any]) -> list[str]:
    """Which of `fields` a bid has otherwise. What is not reported is not different."""
    reported = [name for name in fields if name not in bid.unreported]
    return [name for name in reported if _plain(getattr(bid, name)) != _plain(fields[name])]


def patches(change: Update, before: Bid, wanted: Bid) -> list[dict[str, Any]]:
    """The PATCHes of an update, in order. Volumes change only while the bid is paused, and a bid that is
    to run is un-paused last, so that a repetition from any point ends right."""
    names = {one.name for one in change.fields}
    first: dict[str, Any] = {name: getattr(wanted, name) for name in ("limit_price", "memory_gb") if name in names}
    if "volumes" not in names:
        if "paused" in names:
            first["paused"] = wanted.paused
        return [first] if first else []
    calls: list[dict[str, Any]] = [] if before.paused else [{"paused": True}]
    calls.append(first | {"volumes": [str(volume) for volume in wanted.volumes]})
    return calls if wanted.paused else [*calls, {"paused": False}]

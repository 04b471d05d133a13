"""What is under way, as lines below all else on a terminal: one a running resource, the finished as a count."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import field

from flowplan.apply.events import Awaited
from flowplan.apply.outcome import doing
from flowplan.classes import define
from flowplan.errors import FlowplanError
from flowplan.model.durations import brief
from flowplan.planning.actions import Change
from flowplan.planning.plan import Plan
from flowplan.planning.steps import Step
from flowplan.printable import shown
from flowplan.reports.text.paint import cut
from flowplan.reports.text.progress import ProgressLines, costs_until_ended, in_short

if TYPE_CHECKING:
    from flowplan.apply.outcome import Outcome
    from flowplan.reports.outlet import Outlet

FEW = 20  # changes of which each keeps its line when it is done; of more, only the count
MOST = 12  # lines at a time


def lines(outlet: Outlet) -> BoardLines:
    """A reporter that writes them."""
    return BoardLines(outlet)


@define
class Board:
    """What runs, since when by `clock`, and what is done; `costs`: what a bid that is slow to end costs until then.
    Read while it changes: from the thread that draws."""

    clock: Callable[[], float] = time.monotonic
    running: dict[Step, tuple[str, float]] = field(factory=dict)
    costs: dict[Step, str] = field(factory=dict)
    awaited: list[tuple[Step, str]] = field(factory=list)
    awaited_since: float = 0.0
    until: str = ""
    done: int = 0
    lock: threading.Lock = field(factory=threading.Lock)

    def lines(self, columns: int, rows: int) -> list[str]:
        """At most `rows` lines of at most `columns` characters: what has run longest, and a count of the rest."""
        with self.lock:
            now = self.clock()
            each = [
                f"{shown(str(step.address))}: {what}... {brief(now - at)}{self.costs.get(step, '')}"
                for step, (what, at) in self.running.items()
            ]
            each += [f"{shown(str(step.address))}: {what}" for step, what in self.awaited]
            counts = self._counts(now)
        room = max(min(rows, MOST) - 1, 1)
        if len(each) > room:
            each[room - 1 :] = [f"and {len(each) - room + 1:,} more"]
        return [cut(line, columns) for line in [*each, counts]]

    def _counts(self, now: float) -> str:
        if self.awaited:
            what = "1 bid is" if len(self.awaited) == 1 else f"{len(self.awaited):,} bids are"
            return f"waiting until {what} {self.until}, {brief(now - self.awaited_since)} so far"
        return f"{self.done:,} done, {len(self.running):,} under way"


class BoardLines(ProgressLines):
    """Lines that stay for what a reader comes back to (failures, notes, results), the rest below them for now."""

    def __init__(self, outlet: Outlet) -> None:
        super().__init__(outlet)
        self._below = outlet.below
        self._board = Board()
        self._few = True

    def planned(self, body: Mapping[str, Any]) -> None:
        super().planned(body)
        self._few = sum(one["change"]["actions"] != ["no-op"] for one in body["resource_changes"]) <= FEW

    def started(self, step: Step, change: Change) -> None:
        with self._board.lock:
            self._board.running[step] = doing(step, change), self._board.clock()
        self._below(self._board.lines)

    def progress(self, step: Step, change: Change, seconds: float) -> None:
        """The board shows the time by itself."""
        costs = costs_until_ended(step, change, seconds)
        if costs is not None:
            with self._board.lock:
                self._board.costs[step] = f"; it costs {costs}"

    def waits(self, for_: Sequence[Awaited], until: str, seconds: float) -> None:
        with self._board.lock:
            self._board.awaited = [(one.step, in_short(one)) for one in for_]
            self._board.awaited_since, self._board.until = self._board.clock() - seconds, until
        self._below(self._board.lines)

    def done(self, step: Step, change: Change, id: str | None, seconds: float) -> None:
        self._over(step)
        self._board.done += 1
        if self._few:
            super().done(step, change, id, seconds)

    def failed(self, step: Step, change: Change, error: FlowplanError) -> None:
        self._over(step)
        super().failed(step, change, error)

    def summary(self, plan: Plan, outcome: Outcome) -> None:
        self._below(None)
        super().summary(plan, outcome)

    def _over(self, step: Step) -> None:
        with self._board.lock:
            self._board.running.pop(step, None)
            self._board.costs.pop(step, None)
            self._board.awaited = [one for one in self._board.awaited if one[0] != step]

"""The event stream: one JSON object a line, whatever becomes of the run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from flowplan.apply.events import Awaited, Reporter
from flowplan.apply.outcome import Outcome, counted, doing
from flowplan.diagnostics import Diagnostic
from flowplan.documents.amounts import money
from flowplan.documents.diagnostics import of
from flowplan.documents.outputs import document
from flowplan.errors import FlowplanError
from flowplan.planning.actions import Change
from flowplan.planning.plan import Plan
from flowplan.planning.steps import Step
from flowplan.reports.outlet import Outlet


def lines(outlet: Outlet) -> EventLines:
    """A reporter that writes them."""
    return EventLines(outlet.out, outlet.now, outlet.paint_out.typed)


class EventLines(Reporter):
    """One JSON object a line, each with `type`, `timestamp`, `address`. `typed`: what is said to type, as it works on
    the state that the command was given."""

    def __init__(self, out: Callable[[str], None], now: Callable[[], str], typed: Callable[[str], str] = str) -> None:
        self._out, self._now, self._typed = out, now, typed
        self._counts: dict[str, Any] = {"added": 0, "changed": 0, "destroyed": 0, "forgotten": 0}
        self._failed = 0
        self._unknown: list[str] = []
        self._not_started: dict[str, None] = {}  # a set that keeps its order
        self._has_begun = False

    def event(self, type: str, address: str | None = None, **more: Any) -> None:
        """Write one line: its `type`, the time, the address that it is about (null: the run), and what `more` has."""
        self._out(json.dumps({"type": type, "timestamp": self._now(), "address": address, **more}))

    def begin(self, flowplan: str, format_version: str) -> None:
        """The first line: which flowplan writes, in which format."""
        if not self._has_begun:
            self._has_begun = True
            self.event("version", flowplan=flowplan, format_version=format_version)

    def planned(self, body: Mapping[str, Any]) -> None:
        """The events of the plan itself, from its document."""
        self.begin(body["flowplan_version"], body["format_version"])
        for one in body["resource_changes"]:
            moved = {"previous_address": one["previous_address"]} if "previous_address" in one else {}
            if one["change"]["actions"] != ["no-op"] or moved:
                actions, reason = one["change"]["actions"], one["action_reason"]
                self.event("planned_change", one["address"], actions=actions, reason=reason, **moved)
        self.event("change_summary", changes=body["summary"], cost=body["cost"])
        for one in body["diagnostics"]:
            self.event("diagnostic", None, **one)

    def started(self, step: Step, change: Change) -> None:
        self.event("apply_start", str(step.address), action=doing(step, change))

    def progress(self, step: Step, change: Change, seconds: float) -> None:
        self.event("apply_progress", str(step.address), action=doing(step, change), elapsed_seconds=round(seconds, 3))

    def waits(self, for_: Sequence[Awaited], until: str, seconds: float) -> None:
        for one in for_:
            self.event(
                "apply_progress",
                str(one.step.address),
                action="waiting",
                elapsed_seconds=round(seconds, 3),
                status=one.status,
                limit_price=money(one.bid.limit_price),
                last_price=money(one.prices.last),
            )

    def done(self, step: Step, change: Change, id: str | None, seconds: float) -> None:
        self.event(
            "apply_complete", str(step.address), action=doing(step, change), id=id, elapsed_seconds=round(seconds, 3)
        )

    def failed(self, step: Step, change: Change, error: FlowplanError) -> None:
        self.event("apply_errored", str(step.address), action=doing(step, change))
        said = Diagnostic("step-failed", str(error), error.hint, detail=error.detail, position=change.position)
        self.event("diagnostic", str(step.address), **of(said.typed(self._typed)))

    def note(self, text: str) -> None:
        self.event("diagnostic", None, **of(Diagnostic("progress", self._typed(text), severity="note")))

    def summary(self, plan: Plan, outcome: Outcome) -> None:
        self.event("outputs", None, outputs=document(outcome.outputs))
        for name, count in counted(plan, outcome).items():
            self._counts[name] = self._counts.get(name, 0) + count
        self._failed += len(outcome.failed)
        self._unknown = [str(step.address) for step in outcome.unknown]  # a run settles what one before left in doubt
        for step in (*outcome.done, *outcome.failed, *outcome.unknown):
            self._not_started.pop(str(step.address), None)
        self._not_started |= dict.fromkeys(map(str, outcome.left))

    def end(self, exit_code: int, said: Iterable[Diagnostic]) -> None:
        """The last event, which sums up all runs of the command; before it, why it fails, where it does."""
        for one in said:
            self.event("diagnostic", None, **of(one.typed(self._typed)))
        self.event(
            "summary",
            None,
            **self._counts,
            failed=self._failed,
            unknown=self._unknown,
            not_started=list(self._not_started),
            exit_code=exit_code,
        )

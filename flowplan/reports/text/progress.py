"""What happens during an apply -> lines for people, on stderr; the plan and the summary on stdout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from shlex import quote
from typing import TYPE_CHECKING, Any, cast

from flowplan.apply.events import Awaited, Reporter
from flowplan.apply.outcome import DONE, Outcome, counted, doing
from flowplan.diagnostics import Diagnostic
from flowplan.documents.outputs import document, saved_besides
from flowplan.errors import FlowplanError
from flowplan.model.durations import brief
from flowplan.model.live import ALLOCATED, OPEN
from flowplan.model.resources import Bid, Volume
from flowplan.planning.actions import KEPT, Change
from flowplan.planning.conflicts import taking_back
from flowplan.planning.plan import Plan
from flowplan.planning.steps import Step
from flowplan.pricing.units import an_hour_at_most, storage_per_month, usd
from flowplan.printable import shown
from flowplan.reports.outlet import Outlet
from flowplan.reports.text.diagnostics import one as problem
from flowplan.reports.text.outputs import text as outputs
from flowplan.reports.text.paint import listed, wrapped
from flowplan.reports.text.plan import text
from flowplan.reports.text.status import waiting

if TYPE_CHECKING:
    from flowplan.documents.shapes.plan import PlanDocument
    from flowplan.model.outputs import Output

_NOTABLE = 1.0  # seconds: what is faster is shown without a time
_COSTLY = 60.0  # seconds: what takes longer to end may run for hours, and is paid for


def lines(outlet: Outlet) -> ProgressLines:
    """A reporter that writes them."""
    return ProgressLines(outlet)


def awaited(one: Awaited) -> str:
    """How far a bid is that is waited for, and what it waits for itself."""
    if one.status == OPEN:
        return waiting(one.prices.last, one.prices.to_win, one.bid.limit_price)
    return "its instances are starting" if one.status == ALLOCATED else shown(one.status.lower())


def in_short(one: Awaited) -> str:
    """`awaited` for one line: price against limit first, as a line may be cut."""
    if one.status != OPEN:
        return awaited(one)
    price = "price unknown" if one.prices.last is None else f"price {usd(one.prices.last)}"
    wins = "" if one.prices.to_win is None else f"; from {usd(one.prices.to_win)} it wins"
    return f"waits: {price}, limit {usd(one.bid.limit_price)} per instance-hour{wins}"


def costs_until_ended(step: Step, change: Change, seconds: float) -> str | None:
    """What a bid that takes long to end costs until then, for people; None for any other step, and before that."""
    bid = change.before
    if seconds < _COSTLY or step.way != "down" or not isinstance(bid, Bid) or bid.paused:
        return None
    return an_hour_at_most(bid.worst)


class ProgressLines(Reporter):
    """One line an event. `out` of the outlet gets the plan and the summary, `say` the rest."""

    def __init__(self, outlet: Outlet) -> None:
        self._out, self._say, self._paint, self._paint_out = outlet.out, outlet.say, outlet.paint_say, outlet.paint_out
        self._awaited: dict[Step, str] = {}
        self._is_saved = outlet.is_saved
        self._told: dict[str, Output] = {}  # outputs, by the rounds before this one
        self._hinted: set[str | None] = set()  # what was said of failures in this run: many may have one cause
        self._saves: tuple[str, ...] = ()  # what the state has otherwise afterwards, though nothing live changes

    def planned(self, body: Mapping[str, Any]) -> None:
        """The plan itself, from its document."""
        self._saves = saved_besides(body["outputs"], body["diagnostics"])
        if not self._is_saved:
            self._out(text(cast("PlanDocument", body), self._paint_out).removesuffix("\n"))

    def started(self, step: Step, change: Change) -> None:
        if step.way == "down" or step.address.kind != "ports":
            self._line(f"{self._name(step)}: {doing(step, change)}...")

    def progress(self, step: Step, change: Change, seconds: float) -> None:
        costs = costs_until_ended(step, change, seconds)
        besides = "" if costs is None else f"; until it has ended it costs {costs}"
        self._line(f"{self._name(step)}: still {doing(step, change)}... ({seconds:.0f} s){besides}")

    def waits(self, for_: Sequence[Awaited], until: str, seconds: float) -> None:
        """A line a bid, unless the last one of it was the same."""
        so_far = f" ({brief(seconds)} so far)" if seconds >= _NOTABLE else ""
        for bid in for_:
            said = awaited(bid)
            if self._awaited.get(bid.step) != said:
                self._awaited[bid.step] = said
                self._line(f"{self._name(bid.step)}: waiting until it is {until}{so_far}: {said}")

    def done(self, step: Step, change: Change, id: str | None, seconds: float) -> None:
        took = f" after {seconds:.0f} s" if seconds >= _NOTABLE else ""
        which = f" ({shown(id)})" if id and step.way == "up" else ""
        self._line(f"{self._name(step)}: {DONE[doing(step, change)]}{took}{which}")

    def failed(self, step: Step, change: Change, error: FlowplanError) -> None:
        """A hint is given once a run: where a key has expired, each of a hundred steps fails with the same one."""
        said = Diagnostic(
            "step-failed",
            f"{step.address}: {error}",
            error.hint if error.hint not in self._hinted else None,
            detail=error.detail,
            position=change.position,
            source=error.excerpt,
        )
        self._hinted.add(error.hint)
        self._say(problem(said, self._paint))

    def note(self, text: str) -> None:
        self._line(f"{self._paint('note:', 'cyan')} {self._paint.typed(shown(text, 1000))}")

    def _kept(self, plan: Plan) -> None:
        """What stays and what it costs; what takes it back, as the name is taken until then; and what deletes it and
        nothing else: a destroy of all the files may end much that runs."""
        for change in plan.changes:
            volume = change.before
            if change.reason == KEPT and change.id is not None and isinstance(volume, Volume):
                month = storage_per_month(volume.held_gb)
                costs = "costs money" if month is None else f"costs {usd(month)} a month"
                said = f"{change.address} ({change.id}) still exists and {costs}. This takes it back, before you apply "
                said += "its file again or delete it:"
                files = f"{self._paint_out.paths} " if self._paint_out.paths else ""
                only = f"--target {change.address.word} --allow-volume-destroy {quote(volume.name)}"
                self._out("\n".join(wrapped(shown(said, 800), "", "  ", self._paint_out.width)))
                self._out(f"  {self._paint_out.typed(shown(taking_back(change.address, change.id), 400))}")
                gone = " (leave out a file that is gone by then)" if files else ""
                self._out(f"Then this deletes it, with its data{gone}:")
                self._out(f"  {self._paint_out.typed(f'flowplan destroy {files}{shown(only, 800)}')}")

    def _outputs(self, outcome: Outcome) -> None:
        """All of them, and in a later round of a watch those that are other ones than it has said."""
        if new := {name: one for name, one in outcome.outputs.items() if self._told.get(name) != one}:
            self._told |= new
            self._out("\n" + self._paint_out("Outputs:", "bold"))
            self._out(outputs(document(new), self._paint_out).rstrip("\n"))

    def summary(self, plan: Plan, outcome: Outcome) -> None:
        self._hinted.clear()  # the next round of a watch may be a day later in the log
        counts = counted(plan, outcome)
        if plan.mode == "refresh-only" and outcome.clean and not plan.empty:
            self._out(self._paint_out(f"Refresh complete: {len(plan.drift)} recorded.", "bold", "green"))
            return
        word = {"destroy": "Destroy", "refresh-only": "Refresh"}.get(plan.said_mode, "Apply")
        if outcome.clean and plan.empty and not outcome.done:
            if self._saves:
                did = "removed" if plan.mode == "destroy" else "saved"
                self._out(self._paint_out(f"{word} complete: {did} {' and '.join(self._saves)}.", "bold", "green"))
            elif self._is_saved:
                self._out(self._paint_out(f"{word} complete: the saved plan changes nothing.", "bold", "green"))
            self._outputs(outcome)
            return
        done = ", ".join(
            f"{counts[key]} {key}"
            for key in ("added", "changed", "destroyed", "forgotten", "imported")
            if counts.get(key) or key in ("added", "changed", "destroyed")
        )
        if moved := sum(one.previous_address is not None for one in plan.changes):
            done += f", {moved} moved"
        if outcome.clean:
            for line in listed(f"{word} complete: {done}.", "", "  ", self._paint_out.width):
                self._out(self._paint_out(line, "bold", "green"))
            self._kept(plan)
            self._outputs(outcome)
            return
        rest = [
            f"{len(outcome.failed)} failed",
            f"{len(outcome.unknown)} unknown",
            f"{len(outcome.left)} not started",
        ]
        for line in listed(f"{word} incomplete: {done}; {', '.join(rest)}.", "", "  ", self._paint_out.width):
            self._out(self._paint_out(line, "bold", "red"))
        unknown = tuple(step.address for step in outcome.unknown)
        for title, addresses in (("unknown", unknown), ("not started", outcome.left)):
            if addresses:
                names = ", ".join(shown(str(one)) for one in addresses)
                self._say("\n".join(wrapped(f"{title}: {names}", "  ", "    ", self._paint.width)))

    def _line(self, text: str) -> None:
        self._say("\n".join(wrapped(text, "", "  ", self._paint.width)))

    def _name(self, step: Step) -> str:
        return self._paint(shown(str(step.address)), "bold")

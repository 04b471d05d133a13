"""Carrying out a plan at a terminal, or in a pipeline: for apply and destroy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from flowplan.cli import values
from flowplan.cli.context import Context
from flowplan.errors import ApprovalMissing
from flowplan.model.durations import read_duration
from flowplan.reports.formats import report_of

if TYPE_CHECKING:
    from flowplan.apply.events import Reporter
    from flowplan.cli.terminal import Terminal
    from flowplan.documents.shapes.plan import PlanDocument, SealedPlan
    from flowplan.operations.plan import Request
    from flowplan.planning.plan import Plan


def carry_out(here: Context, request: Request, given: dict[str, Any], saved: SealedPlan | None = None) -> int:
    """Run the request, or the `saved` plan. `given`: the options of `applying` or `destroying`."""
    from flowplan.operations.apply import How, apply

    for_machines = given.pop("as_events")
    asks = Asking(here.terminal, reporter_of(here, for_machines), given.pop("auto_approve"), for_machines)
    request = evolve(request, hours=values.hours(given.pop("horizon", None)))
    timeout = read_duration(given.pop("timeout"), "--timeout")
    how = How(**given, timeout=timeout, for_machines=for_machines)
    apply(here.session, request, how, asks, asks.reporter, saved)
    return 0


def reporter_of(here: Context, for_machines: bool) -> Reporter:
    """Lines for people, or events for machines."""
    from flowplan.reports.events import EventLines
    from flowplan.reports.text.progress import ProgressLines

    terminal = here.terminal
    if for_machines:
        return EventLines(terminal.out, here.session.now)
    return ProgressLines(terminal.out, terminal.err, terminal.paint_err, terminal.paint)


@frozen
class Asking:
    """Approval by the user at the terminal, or by the command line."""

    terminal: Terminal
    reporter: Reporter
    auto_approve: bool
    for_machines: bool

    @property
    def can_ask(self) -> bool:
        return self.terminal.interactive

    def show(self, document: PlanDocument) -> None:
        if self.for_machines:
            self.reporter.planned(document)
        else:
            self.terminal.out(report_of("plan", "text")(document, self.terminal.paint), end="")

    def approve(self, plan: Plan) -> bool:
        if self.auto_approve:
            return False
        if not self.terminal.interactive:
            raise ApprovalMissing(
                "the plan needs approval, and flowplan cannot ask here; nothing was changed",
                hint="give --auto-approve, or apply a saved plan: flowplan plan --out FILE, flowplan apply FILE",
            )
        what = "Destroy all this?" if plan.mode == "destroy" else "Apply this plan?"
        if self.terminal.ask(f"\n{what} Only 'yes' is accepted: ") != "yes":
            raise ApprovalMissing("not approved; nothing was changed")
        return True

    def name_of_volume(self, message: str) -> str:
        self.terminal.err(f"\n{message[0].upper()}{message[1:]}.")
        return self.terminal.ask("Type the volume's name to destroy its data: ").strip()

    def refused_volume(self) -> ApprovalMissing:
        return ApprovalMissing("the name was not typed; nothing was changed")

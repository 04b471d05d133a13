"""Carrying out a plan at a terminal, or in a pipeline: for apply and destroy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import fields

from flowplan.classes import frozen
from flowplan.cli.context import Context
from flowplan.cli.forms import form_of
from flowplan.errors import ApprovalMissing
from flowplan.model.durations import read_duration
from flowplan.operations.running.approval import Approval
from flowplan.reports.formats import BOARD, RUNNING
from flowplan.reports.outlet import Outlet
from flowplan.reports.text.paint import wrapped

if TYPE_CHECKING:
    from flowplan.apply.events import Reporter
    from flowplan.cli.terminal import Terminal
    from flowplan.documents.shapes.plan import PlanDocument, SealedPlan
    from flowplan.operations.opening.session import Session
    from flowplan.operations.proposing.request import Request
    from flowplan.planning.plan import Mode, Plan


def carry_out(here: Context, request: Request, given: Mapping[str, Any], saved: SealedPlan | None = None) -> int:
    """Run the request, or the `saved` plan. `given`: the values of the command's options, among them those of
    `applying` or `destroying`."""
    from flowplan.operations.apply import apply
    from flowplan.operations.running.options import RunOptions

    terminal, form = here.terminal, form_of(given)
    row = BOARD if form == "text" and terminal.live else RUNNING[form]
    paints = terminal.paint, terminal.paint_err
    outlet = Outlet(terminal.out, terminal.err, *paints, here.session.now, terminal.below, is_saved=saved is not None)
    reporter = here.answer.reporter(row(outlet))
    if saved is not None:
        reporter.planned(saved)
    asks = Asking(here.session, terminal, reporter, given["auto_approve"])
    options = {one.name: given[one.name] for one in fields(RunOptions) if one.name in given}
    options["timeout"] = read_duration(given["timeout"], "--timeout")
    how = RunOptions(**options, for_machines=row.whole or here.answer.file is not None)
    apply(here.session, request, how, asks, asks.reporter, saved)
    return 0


_QUESTIONS: dict[Mode, str] = {
    "apply": "Apply this plan?",
    "destroy": "Destroy all of this?",
    "refresh-only": "Record this in the state?",
}


def _unasked(plan: Plan) -> str:
    """What to type where nobody can be asked: a saved plan of the same mode, where that can be saved."""
    from flowplan.planning.actions import KEPT

    if plan.mode == "refresh-only":
        return "give --auto-approve"
    keeps = any(change.reason == KEPT for change in plan.changes)
    what = ("--destroy " if plan.mode == "destroy" else "") + ("--keep-volumes " if keeps else "")
    saving = f"flowplan plan {what}--out FILE, with the same files and options"
    return f"give --auto-approve, or apply a saved plan: {saving}, and then flowplan apply FILE"


@frozen
class Asking(Approval):
    """Approval by the user at the terminal, or by the command line."""

    session: Session
    terminal: Terminal
    reporter: Reporter
    auto_approve: bool

    @property
    def can_ask(self) -> bool:
        return self.terminal.interactive

    @property
    def asks(self) -> bool:
        return not self.auto_approve

    def show(self, document: PlanDocument) -> None:
        self.reporter.planned(document)
        if self.asks and self.can_ask:  # "yes" is said to a plan that somebody has seen
            self.terminal.forget_typed()

    def approve(self, plan: Plan) -> bool:
        if self.auto_approve:
            return False
        if not self.terminal.interactive:
            raise ApprovalMissing(
                f"the plan needs approval, and flowplan cannot ask here; {self.session.nothing_was('changed')}",
                hint=_unasked(plan),
            )
        if self.terminal.output.lost:
            raise ApprovalMissing(
                f"the plan could not be shown: {self.terminal.output.lost}; {self.session.nothing_was('changed')}",
                hint="give stdout somewhere to go, and look at the plan before you approve it",
            )
        what = _QUESTIONS[plan.said_mode]
        if self.terminal.ask(f"\n{what} Only 'yes' is accepted: ") != "yes":
            raise ApprovalMissing(f"not approved; {self.session.nothing_was('changed')}")
        return True

    def name_of_volume(self, message: str) -> str:
        asked = wrapped(f"{message[0].upper()}{message[1:]}.", "", "  ", self.terminal.paint_err.width)
        self.terminal.err("\n" + "\n".join(asked))
        return self.terminal.ask("Type the volume's name to destroy its data: ").strip()

    def refused_volume(self) -> ApprovalMissing:
        return ApprovalMissing(f"the name was not typed; {self.session.nothing_was('changed')}")

"""What is shown of a plan, who is asked about it, and whether it is still that plan once they have answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs
from attrs import field

from flowplan.classes import define
from flowplan.clock import since_boot
from flowplan.errors import ApprovalMissing, GuardRefused, StalePlan
from flowplan.model.resources import Volume
from flowplan.operations.checking.environment import hold_environment, other_environment
from flowplan.operations.looking.observe import Observed, observe
from flowplan.operations.opening.excerpts import with_lines
from flowplan.operations.proposing.document import document_of, with_scripts
from flowplan.operations.proposing.priced import forecast, hold_budgets, lived, priced_plan
from flowplan.operations.proposing.refusing import refuse, runs_on, unseen_runs_on
from flowplan.operations.running.as_saved import hold_to
from flowplan.operations.running.begun_once import hold_not_made
from flowplan.planning.other_work import other_work
from flowplan.planning.plan import Plan, Wishes, same_but_ended, same_work
from flowplan.pricing.notable import has_risen
from flowplan.pricing.units import DAY, HOUR, MONTH, usd

if TYPE_CHECKING:
    from flowplan.config import Config
    from flowplan.cost.costs import Costs
    from flowplan.cost.priced_plan import PricedPlan
    from flowplan.documents.shapes.plan import PlanDocument, SealedPlan
    from flowplan.model.budget import Budget
    from flowplan.operations.opening.session import Session
    from flowplan.operations.running.options import RunOptions
    from flowplan.state.state import State

_LINES = 8  # of what a plan does otherwise by now that are shown
FRESH = 10.0  # seconds after which a plan is not carried out without another look


class Approval(Protocol):
    """Somebody who says yes or no to a plan. Their answer may take days: the plan is looked at again after it."""

    @property
    def can_ask(self) -> bool:
        """Whether somebody is there to be asked for the names of volumes."""

    @property
    def asks(self) -> bool:
        """Whether `approve` waits for an answer."""

    def show(self, document: PlanDocument) -> None:
        """The plan, before anything is asked about it."""

    def approve(self, plan: Plan) -> bool:
        """Return once the plan is approved: whether somebody was asked. Raises ApprovalMissing otherwise."""

    def name_of_volume(self, message: str) -> str:
        """What somebody types as the permission to lose a volume's data, which `message` says. Only where `can_ask`."""

    def refused_volume(self) -> Exception:
        """What is raised when that is not the volume's name."""


class Approved(Approval):
    """The approval of a program: that it calls `apply` is its yes."""

    can_ask = asks = False

    def show(self, document: PlanDocument) -> None:
        """The program has it already."""

    def approve(self, plan: Plan) -> bool:
        return False

    def name_of_volume(self, message: str) -> str:
        return ""

    def refused_volume(self) -> ApprovalMissing:
        return ApprovalMissing("the plan was not approved; nothing was changed")


def stale(session: Session, why: str, detail: str | None = None) -> StalePlan:
    """What is raised for a plan that is out of date, because of `why`. `detail`: further lines."""
    hint = "run the same command again and look at the new plan"
    return StalePlan(f"{why}; {session.nothing_was('done')}", hint=hint, detail=detail)


def waits_for_an_answer(approval: Approval, wishes: Wishes, saved: SealedPlan | None) -> bool:
    """Whether somebody is asked before anything is done, which may take days."""
    return saved is None and (approval.asks or (wishes.mode == "destroy" and approval.can_ask))


@define
class Approving:
    """From what was seen to the plan that is carried out. Raises what forbids that: GuardRefused, StalePlan,
    ApprovalMissing; nothing was changed then.

    `config` None: destroy, which needs none. `saved`: carried out exactly, or refused; nobody is asked. `looked`: when
    the look at the cloud began that the plan is made of, by `since_boot`. Afterwards `wishes` have the volumes that
    somebody typed in, and `shown` is what was shown that it costs.
    """

    session: Session
    config: Config | None
    wishes: Wishes
    approval: Approval
    how: RunOptions
    saved: SealedPlan | None = field(kw_only=True)
    budgets: tuple[Budget, ...] = field(kw_only=True)
    hours: float | None = field(kw_only=True)
    looked: float = field(kw_only=True)
    shown: Costs | None = field(default=None, init=False)
    _asked: bool = field(default=False, init=False)  # whether somebody was asked since: that may take days

    def __call__(self, seen: Observed) -> Plan:
        """The plan somebody approved: the saved one, or the one just shown. Where `is_late`, the cloud may have moved
        meanwhile."""
        shown = self.saved is None and self.wishes.mode == "apply"
        found = priced_plan(self.session, seen, self.wishes, forecasts=lambda plan: shown and not plan.empty)
        if self.saved is not None:
            try:
                self._hold_to(self.saved, found, seen)
            except (GuardRefused, StalePlan):
                self._note_over(found, refused=True)
                raise
            self._note_over(found, refused=False)
            return found.plan
        if not found.plan.empty and self.wishes.mode == "apply":
            spans = (HOUR, DAY, MONTH) if self.how.for_machines else (HOUR,) if self.budgets else ()
            found = forecast(self.session, found, self.hours, spans=spans)
        found = self._held(found)
        self._show(found, seen)
        found = self._typed_volumes(found, seen)
        refuse(self.session, found)
        applies = self.wishes.mode == "apply"
        if not found.plan.empty or (applies and other_environment(seen, self.wishes) is not None):
            self._asked |= self.approval.approve(found.plan)
            if not self._asked:
                self._hold_unseen(found, seen)
        return found.plan

    def _hold_unseen(self, found: PricedPlan, seen: Observed) -> None:
        """Raise where `found` needs somebody who has looked at it; what is past its lifetime then is said before."""
        try:
            hold_environment(self.session, seen, self.wishes, found.plan)
        except GuardRefused:
            if self.wishes.mode == "apply":  # a destroy ends all that there is, and its hint says how
                over = unseen_runs_on(found.plan, lived(self.session, found.plan, seen).over)
                if over is not None:
                    self.session.listener.note(over)
            raise

    def _hold_to(self, saved: SealedPlan, found: PricedPlan, seen: Observed) -> None:
        """Raise unless `found` is the saved plan, and nothing refuses it."""
        hold_not_made(self.session, saved, seen.live)
        allowed = attrs.evolve(found, refusals=())
        planned = document_of(self.session, seen, allowed, saved["stack"]["paths"])
        hold_to(self.session, saved, planned, seen.desired.choices)
        refuse(self.session, self._held(found), saved=True)

    def _note_over(self, found: PricedPlan, *, refused: bool) -> None:
        """Say what is past its lifetime and runs on, since a saved plan does no more than it says, or is `refused`."""
        for one in found.diagnostics:
            if one.code == "lifetime-over":
                self.session.listener.note(f"{one.summary}; {one.hint}")
        over = runs_on(found) if refused else None
        if over is not None:
            self.session.listener.note(over)

    @property
    def is_late(self) -> bool:
        """Whether what was looked at may be another by now: somebody was asked, or it took long to get here."""
        return self._asked or since_boot() - self.looked > FRESH

    def again(self, plan: Plan, state: State) -> tuple[Plan, Observed]:
        """`plan` made again by `state` and of what is there now, by the prices of now. Raises StalePlan when that does
        something else than was shown, other than a destroy that finds bids over; GuardRefused when a guard or a budget
        refuses it now."""
        stops, partial = self.wishes.mode == "destroy", self.wishes.partial
        seen = observe(self.session, self.config, state, {}, kept=plan.places(), partial=partial, stops=stops)
        now = priced_plan(self.session, seen, self.wishes)
        if not same_work(now.plan, plan) and not same_but_ended(plan, now.plan):
            raise stale(self.session, "the plan has changed since it was shown", _told(other_work(plan, now.plan)))
        refuse(self.session, self._held(now), saved=True)
        self._say_risen(now.costs)
        return now.plan, seen

    def _say_risen(self, costs: Costs) -> None:
        """That an hour costs more by now than was shown, where it does: up to the limits that was approved, too."""
        shown = None if self.shown is None else self.shown.totals.planned.now
        now = costs.totals.planned.now
        if self.wishes.mode == "apply" and shown is not None and now is not None and has_risen(shown, now):
            said = f"prices have risen since the plan was shown: an hour costs {usd(now)} now, not {usd(shown)}"
            self.session.listener.note(said)

    def _held(self, found: PricedPlan) -> PricedPlan:
        """`found` held to the budgets; what only removes is never too expensive."""
        if self.config is None:
            return found
        return with_lines(hold_budgets(self.session, found, self.budgets, self.hours), self.config)

    def _show(self, found: PricedPlan, seen: Observed) -> None:
        if self._asks_for_volumes(found):
            found = attrs.evolve(found, refusals=())  # the question that follows says it
        self.shown = found.costs
        body = document_of(self.session, seen, found, unchanged=False)
        self.approval.show(with_scripts(self.session, body, found.plan, seen.live) if self.how.show_scripts else body)

    def _asks_for_volumes(self, found: PricedPlan) -> bool:
        """Whether somebody at the terminal can permit all that the guards refuse, by typing names."""
        only_data = all(refusal.code == "volume-data" for refusal in found.refusals)
        asks = self.wishes.mode == "destroy" and self.approval.can_ask
        return asks and bool(found.refusals) and only_data

    def _typed_volumes(self, found: PricedPlan, seen: Observed) -> PricedPlan:
        """A volume's name typed in by somebody is the permission to destroy its data."""
        if not self._asks_for_volumes(found):
            return found
        names = {str(c.address): c.before.name for c in found.plan.changes if isinstance(c.before, Volume)}
        typed: set[str] = set()
        for refusal in found.refusals:
            name = names.get(refusal.about or "")
            self._asked = True
            if name is None or self.approval.name_of_volume(refusal.summary) != name:
                raise self.approval.refused_volume()
            typed.add(name)
        self.wishes = attrs.evolve(self.wishes, destroyable=self.wishes.destroyable | typed)
        return priced_plan(self.session, seen, self.wishes)


def _told(lines: list[str]) -> str | None:
    """The first of `lines`, and how many there are more; None: there are none."""
    more = len(lines) - _LINES
    shown = [*lines[:_LINES], *([f"and {more} more"] if more > 0 else [])]
    return "\n".join(shown) or None

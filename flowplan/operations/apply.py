"""Carry out a plan: approval, the run itself, and what came of it. For apply and destroy."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol

import attrs
from attrs import define, field, frozen

from flowplan.apply.events import Prices
from flowplan.apply.interfaces import Surroundings
from flowplan.apply.options import Options
from flowplan.apply.outcome import Outcome, verdict
from flowplan.apply.recover import Recovered, recover
from flowplan.apply.run import Applying
from flowplan.apply.waits import Until, Waiting
from flowplan.errors import ApplyFailed, ApprovalMissing, FlowplanError, OutcomeUnknown, StalePlan, UsageProblem
from flowplan.model.budget import side_by_side
from flowplan.model.resources import Volume
from flowplan.operations.ending import Ending
from flowplan.operations.environment import hold_environment, with_prefix
from flowplan.operations.excerpts import Excerpting, with_lines
from flowplan.operations.hand_over import hand_over
from flowplan.operations.observe import Observed, observe
from flowplan.operations.outputs import shown_after, with_outputs
from flowplan.operations.paid import with_bill
from flowplan.operations.plan import Request, document_of, forecast, hold_budgets, priced_plan, refuse, wanted
from flowplan.operations.saved_plan import hold_not_applied, hold_to, places_of, touched_by
from flowplan.operations.sensitive import config_sha256, hold_sensitive
from flowplan.operations.variables import hold_same, of_plan
from flowplan.planning.plan import Plan, Wishes, key_of, same_work
from flowplan.pricing.entry import to_win
from flowplan.pricing.units import DAY, HOUR, MONTH
from flowplan.state.ownership import with_past_bids
from flowplan.state.state import AppliedPlan, State, without

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flowplan.apply.events import Reporter
    from flowplan.backends.store import Journal, Loaded, StateLock, Store
    from flowplan.config import Config
    from flowplan.cost.costs import Costs
    from flowplan.cost.priced_plan import PricedPlan
    from flowplan.documents.shapes.plan import PlanDocument, SealedPlan
    from flowplan.model.address import Address
    from flowplan.model.budget import Budget
    from flowplan.model.catalogue import Place
    from flowplan.model.live import Live
    from flowplan.model.resources import Bid
    from flowplan.operations.session import Session
    from flowplan.state.journal import Intent
    from flowplan.state.state import Binding

ADVANCE = "; in the simulator, `flowplan simulator advance` moves the time"
FRESH = 10.0  # seconds after which a plan is not carried out without another look


class Approval(Protocol):
    """Somebody who says yes or no to a plan. Their answer may take days: the plan is looked at again after it."""

    @property
    def can_ask(self) -> bool:
        """Whether somebody is there to be asked for the names of volumes."""

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

    can_ask = False

    def show(self, document: PlanDocument) -> None:
        """The program has it already."""

    def approve(self, plan: Plan) -> bool:
        return False

    def name_of_volume(self, message: str) -> str:
        return ""

    def refused_volume(self) -> ApprovalMissing:
        return ApprovalMissing("the plan was not approved; nothing was changed")


@frozen
class How:
    """How to carry it out. `timeout`: seconds for a removal, and for what `wait` waits for. `settle_window`: seconds in
    which a create whose answer was lost may still show up. `for_machines`: forecast every span.
    `init`: start a new state although there are traces of an earlier one."""

    parallelism: int = 10
    wait: Until = "placed"
    timeout: float = 1800.0
    settle_window: float = 45.0
    on_unknown: Literal["retry", "stop"] = "retry"
    for_machines: bool = False
    init: bool = False


def apply(
    session: Session,
    request: Request,
    how: How,
    approval: Approval,
    reporter: Reporter,
    saved: SealedPlan | None = None,
) -> Outcome:
    """Carry out what `request` asks for, once `approval` has approved it; or the `saved` plan, exactly, or refuse.

    Raises what the run amounts to: ApplyFailed, OutcomeUnknown, GuardRefused, StalePlan, ApprovalMissing, ConfigError,
    StateError, Locked, CloudError, and what `session.interruption` raises. What was done by then is in the state.
    """
    if saved is not None:
        request = attrs.evolve(request, variables=of_plan(saved))
    config, wishes = wanted(session, request)
    if saved is not None:
        hold_same(saved, config.variables if config is not None else wishes.variables)
        hold_sensitive(session, saved, config)
        wishes = attrs.evolve(wishes, held_to=touched_by(saved))
    budgets = side_by_side(request.budgets, config.budgets) if config is not None else request.budgets
    hears = reporter if config is None else Excerpting((reporter,), config)
    run = Run(session, config, wishes, how, approval, hears, saved, budgets, request.hours)
    try:
        outcome = run()
    except FlowplanError:
        run.set_off()
        raise
    run.set_off()
    return outcome


@define
class Run:
    """One apply or destroy, from the lock to the last line."""

    session: Session
    config: Config | None  # None: destroy, which needs none
    wishes: Wishes
    how: How
    approval: Approval
    reporter: Reporter
    saved: SealedPlan | None = None  # a saved plan: carried out exactly, or refused
    budgets: tuple[Budget, ...] = ()
    hours: float | None = None  # how far ahead the cost is forecast
    _doubt: OutcomeUnknown | None = field(default=None, init=False)  # of an earlier run, and still there
    _doubted: tuple[Intent, ...] = field(default=(), init=False)  # the creates that are in doubt with it
    _pending: tuple[Intent, ...] = field(default=(), init=False)  # what was in doubt when this run began
    _shown: Costs | None = field(default=None, init=False)  # what was shown that it costs
    _looked: float = field(default=0.0, init=False)  # when the look at the cloud began that the plan is made of
    _ran: tuple[Plan, Outcome, Live] | None = field(default=None, init=False)  # once that is saved
    _asked: bool = field(default=False, init=False)  # whether somebody was asked since: that may take days

    def __call__(self) -> Outcome:
        with self.session.changing() as lock:
            return self._locked(lock)

    def set_off(self) -> None:
        """Run the hooks of what was done, if it came so far. The lock is released by then."""
        if self._ran is not None and self.wishes.hooks:
            from flowplan.operations.hooks import after_apply

            after_apply(self.session, self.wishes.hooks, *self._ran)

    def _locked(self, lock: StateLock) -> Outcome:
        store = self.session.store
        loaded = self._afresh(store) if self.how.init else self.session.load()
        if self.saved is not None:
            hold_not_applied(self.saved, loaded.state)
        self._pending = tuple(loaded.pending.values())
        if self._pending and self.wishes.mode == "refresh-only":
            raise OutcomeUnknown(
                "operations of an earlier run are in doubt, and recording what is live does not settle them",
                hint="run `flowplan recover`, then this again",
            )
        journal, recovered, seen = self._look(store, loaded, lock)
        plan = self._approved(seen)
        if self.how.init:
            for kept in store.begin_anew():
                self.session.listener.note(f"set aside as {kept}")
        interruption = self.session.interruption
        interruption.release = lock.release
        with interruption.listening():
            around = self._surroundings(journal, lock)
            outcome = self._carry_out(plan, recovered, seen, around)
            unrecorded = seen.desired.moves if self.wishes.mode == "refresh-only" else {}
            state = with_prefix(with_outputs(outcome.state, self.config, unrecorded), self.config, plan)
            changed = journal.appended or loaded.journaled or state is not outcome.state
            outcome = attrs.evolve(outcome, state=with_past_bids(state, seen.live) if changed else state)
            saved = self._save(store, outcome, loaded, changed=changed)
            outcome = attrs.evolve(outcome, state=saved)
            self._ran = (plan, outcome, seen.live)
            self._keep_forecast(plan, outcome)
            outcome = self._wait(plan, outcome, around)
            outcome = attrs.evolve(outcome, outputs=shown_after(self.session, outcome.state))
            self._ran = (plan, outcome, seen.live)
        self._finish(plan, outcome, seen)
        return outcome

    def _afresh(self, store: Store) -> Loaded:
        """--init: only where the state itself is missing. What is left of it is set aside once the plan stands."""
        if store.exists():
            raise UsageProblem(
                f"--init: {store.name} exists",
                hint="to start again, move it away; the bids in it keep costing money until you cancel them",
            )
        return store.fresh()

    # -- recovery and observation

    def _look(self, store: Store, loaded: Loaded, lock: StateLock) -> tuple[Journal, Recovered, Observed]:
        """Settle what an earlier run left, then observe. The journal is that of this run."""
        session = self.session
        session.cloud(self.how.parallelism)
        self._looked = time.monotonic()
        seen = self._observed(loaded.state, loaded.pending)
        state = attrs.evolve(
            loaded.state,
            stack=seen.state.stack,
            api_url=seen.state.api_url,
            project=seen.state.project,
            project_name=seen.state.project_name,
        )
        if loaded.pending:
            count = len(loaded.pending)
            session.listener.note(f"recovering {count} operation{'s' if count > 1 else ''} of an earlier run")
        with session.interruption.listening():
            found = self._settled(state, loaded, seen)
        journal = store.prepare(state)
        if found.records:
            lock.verify()
            journal.append(found.records)
        for note in found.notes:
            session.listener.note(note)
        if found.ended:
            raise ApplyFailed(
                "; ".join(found.ended),
                hint="this run does not place it again; run the same command again to place a new one",
            )
        if loaded.pending or found.notes:
            # Types, regions and names have to be looked up again, with what was found in its place.
            self._looked = time.monotonic()
            seen = self._observed(found.state, {})
        return journal, found, self._restated(seen, found.state)

    def _restated(self, seen: Observed, state: State) -> Observed:
        """`seen` by `state`, which is recorded: with what the configuration says of its addresses."""
        now = state
        if self.config is not None:
            now = hand_over(self.session, self.config, state, (), seen.live).state
        return attrs.evolve(seen, recorded=state, state=now, pending={})

    def _settled(self, state: State, loaded: Loaded, seen: Observed) -> Recovered:
        """What became of the operations in doubt. Raises OutcomeUnknown; but what is known to cost money is ended
        first, and that one of them stays in doubt is the last word then."""
        try:
            return recover(
                state,
                loaded.pending,
                self.session.cloud(),
                seen.live,
                window=self.how.settle_window,
                clock=self.session.interruption.clock(),
                resend=self.how.on_unknown == "retry",
            )
        except OutcomeUnknown as error:
            if self.wishes.mode != "destroy" or not state.bindings:
                raise
            self._doubt = error
            self._doubted = tuple(intent for intent in loaded.pending.values() if intent.op == "create")
            self.session.listener.note(f"{error}; everything known is destroyed anyway")
            return Recovered(state, (), {})

    def _observed(
        self, state: State, pending: Mapping[str, Intent], kept: Mapping[Address, Place] | None = None
    ) -> Observed:
        """What is there. `kept`: types and regions that were chosen; else those of a saved plan: prices may have moved
        since."""
        if kept is None and self.saved is not None:
            kept = places_of(self.saved)
        return observe(self.session, self.config, state, pending, kept=kept, partial=self.wishes.partial)

    # -- approval

    def _approved(self, seen: Observed) -> Plan:
        """The plan somebody approved: the saved one, or the one just shown, unless the cloud moved meanwhile."""
        found = priced_plan(self.session, seen, self.wishes)
        if self.saved is not None:
            # The saved plan was made before it was looked up what became of what is in doubt, and says so.
            allowed = attrs.evolve(found, plan=attrs.evolve(found.plan, in_doubt=self._pending), refusals=())
            hold_to(
                self.saved,
                document_of(self.session, seen, allowed, self.saved["stack"]["paths"]),
                seen.desired.choices,
            )
            refuse(self._held(found), saved=True)
            return found.plan
        if not found.plan.empty and self.wishes.mode == "apply":
            spans = (HOUR, DAY, MONTH) if self.how.for_machines else (HOUR,) if self.budgets else ()
            found = forecast(self.session, found, self.hours, spans=spans)
        found = self._held(found)
        self._show(found, seen)
        found = self._typed_volumes(found, seen)
        refuse(found)
        if not found.plan.empty:
            asked = self.approval.approve(found.plan)
            if not asked and self.wishes.mode == "apply":
                hold_environment(seen)
            self._asked |= asked
        return found.plan if found.plan.empty or not self._time_passed() else self._still(found.plan, seen)

    def _time_passed(self) -> bool:
        """Whether what was looked at may be another by now: somebody was asked, or it took long to get here."""
        return self._asked or time.monotonic() - self._looked > FRESH

    def _still(self, plan: Plan, seen: Observed) -> Plan:
        """`plan` made again of what is there now, by the prices of now. Raises StalePlan when that does something
        else than was shown, GuardRefused when a guard or a budget refuses it now."""
        again = self._observed(seen.recorded, {}, plan.places())
        now = priced_plan(self.session, again, self.wishes)
        if not same_work(now.plan, plan):
            raise StalePlan(
                "a live resource has changed since the plan was shown; nothing was done",
                hint="run the same command again and look at the new plan",
            )
        refuse(self._held(now), saved=True)
        return now.plan

    def _held(self, found: PricedPlan) -> PricedPlan:
        """`found` held to the budgets; what only removes is never too expensive."""
        if self.config is None:
            return found
        return with_lines(hold_budgets(self.session, found, self.budgets, self.hours), self.config)

    def _show(self, found: PricedPlan, seen: Observed) -> None:
        if self._asks_for_volumes(found):
            found = attrs.evolve(found, refusals=())  # the question that follows says it
        self._shown = found.costs
        self.approval.show(document_of(self.session, seen, found, unchanged=False))

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

    # -- the run

    def _surroundings(self, journal: Journal, lock: StateLock) -> Surroundings:
        from flowplan.operations.lifetimes import over
        from flowplan.operations.policing import closed_by_policies
        from flowplan.startup import script

        return Surroundings(
            cloud=self.session.cloud(),
            journal=journal,
            render=script.render,
            events=self.reporter,
            clock=self.session.interruption.clock(),
            hold_lock=lock.verify,
            over=partial(over, self.session),
            closed=partial(closed_by_policies, self.session, self.wishes),
        )

    @property
    def _options(self) -> Options:
        return Options(
            parallelism=self.how.parallelism,
            settle_window=self.how.settle_window,
            on_unknown=self.how.on_unknown,
            endpoint=self.session.settings.api_url,
            timeout=self.how.timeout,
            late=ADVANCE if self.session.settings.simulated else "",
        )

    def _carry_out(self, plan: Plan, recovered: Recovered, seen: Observed, around: Surroundings) -> Outcome:
        saved = AppliedPlan(self.saved["sha256"], self.session.now(), recovered.state.serial) if self.saved else None
        now = None if plan.mode == "refresh-only" else _without_left_out(plan, seen)
        applying = Applying(plan, recovered.state, around, self._options, now=now, absent=recovered.absent, saved=saved)
        self.session.interruption.wake = applying.wake
        return applying.run()

    def _wait(self, plan: Plan, outcome: Outcome, around: Surroundings) -> Outcome:
        """What `how.wait` asks for; the state is saved by then, so an API that fails now loses nothing."""
        session, how = self.session, self.how
        before = outcome.state.bindings

        def save(ended: Outcome) -> State:
            return self._keep(attrs.evolve(ended, state=with_outputs(ended.state, self.config, {})), before)

        end = Ending(session, plan, around, self._options, save)
        cloud, clock = session.cloud(), session.interruption.clock()

        def prices(bids: Sequence[Bid]) -> list[Prices]:
            keys = {key_of(bid) for bid in bids}
            found = cloud.markets(sorted(keys), shown_only=keys)
            markets = [found.get(key_of(bid)) for bid in bids]
            return [
                Prices(market.spot if market else None, to_win(market, bid.limit_price))
                for bid, market in zip(bids, markets, strict=True)
            ]

        waiting = Waiting(cloud, how.wait, how.timeout, clock, self.reporter, prices=prices, end=end)
        if session.settings.simulated:
            from flowplan.operations.simulator import STANDS_STILL

            waiting = attrs.evolve(waiting, hint=ADVANCE, note=STANDS_STILL)
        return waiting(plan, outcome)

    # -- the end

    def _save(self, store: Store, outcome: Outcome, loaded: Loaded, *, changed: bool) -> State:
        """A snapshot, unless nothing was recorded: then the serial stays."""
        if not changed:
            store.close()
            return outcome.state
        return self._keep(outcome, loaded.state.bindings)

    def _keep(self, outcome: Outcome, before: Mapping[Address, Binding]) -> State:
        """A snapshot, with what the bids that ended were billed; `before`: what the state held. What another run has
        written since is not overwritten: the lock is looked after once more."""
        return self.session.save(
            with_bill(self.session, outcome.state),
            (*outcome.pending, *self._doubted),
            before=before,
            plan_sha256=self.saved["sha256"] if self.saved is not None else "",
            config_sha256=config_sha256(self.session, self.config) if self.config is not None else "",
        )

    def _keep_forecast(self, plan: Plan, outcome: Outcome) -> None:
        """What was shown of what exists now: `flowplan cost` judges it. Never fails the run."""
        shown = self.saved or self._shown
        if shown is not None and self.wishes.mode == "apply" and outcome.done:
            from flowplan.operations.track_record import keep_shown

            keep_shown(self.session, shown, plan, outcome)

    def _finish(self, plan: Plan, outcome: Outcome, seen: Observed) -> None:
        self.reporter.summary(plan, outcome)
        if self.session.interruption.stopped() and not outcome.unknown:
            raise self.session.interruption.interrupted("what was done is saved")
        if self._doubt is not None:
            raise self._doubt
        verdict(outcome)
        hold_seen(plan, outcome, seen)


def _without_left_out(plan: Plan, seen: Observed) -> State:
    """The state of `seen` without the objects that the plan would import, were they in it."""
    return without(seen.state, seen.desired.imports & set(plan.left_out))


def hold_seen(plan: Plan, outcome: Outcome, seen: Observed) -> None:
    """Raise ApplyFailed for what a plan that only stopped could not look at, and did not end."""
    from flowplan.planning.unreported import left_unread

    left = left_unread(plan, seen.live, {step.address for step in outcome.done if step.way == "down"})
    if left:
        raise ApplyFailed(
            f"everything that was to stop has stopped, but flowplan could not check all of it: {left[0]}",
            detail="\n".join(map(str, left[1:])) or None,
            hint=left[0].hint or "run the same command again once the API shows it",
        )

"""One apply or destroy: settle what an earlier run left and look (settling.py), have the plan approved (approval.py),
run it, and save what came of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NoReturn

import attrs
from attrs import field

from flowplan.apply.events import Prices, Secretless
from flowplan.apply.interfaces import Surroundings
from flowplan.apply.options import Options
from flowplan.apply.outcome import Outcome, SaveFailed, verdict, with_outcome
from flowplan.apply.recover import Recovered
from flowplan.apply.run import Applying
from flowplan.apply.waits import Waiting
from flowplan.classes import define
from flowplan.errors import FlowplanError, StateError, Unserved, Unwritten
from flowplan.model.resources import Bid
from flowplan.operations.checking.environment import as_applied
from flowplan.operations.checking.sensitive import config_sha256
from flowplan.operations.looking.observe import Observed
from flowplan.operations.looking.unknown_stack import hold_known
from flowplan.operations.opening.loading import has_begun_none
from flowplan.operations.opening.saving import save_state
from flowplan.operations.outputs import shown_after, with_outputs
from flowplan.operations.running.approval import Approval, Approving, stale, waits_for_an_answer
from flowplan.operations.running.begun_once import identity_of
from flowplan.operations.running.ending import Ending
from flowplan.operations.running.left_running import hold_ended, hold_seen, running_on, with_running_on
from flowplan.operations.running.made_since import say_made_since
from flowplan.operations.running.meanwhile import hold_same_place, hold_same_records
from flowplan.operations.running.options import RunOptions
from flowplan.operations.running.paid import with_bill
from flowplan.operations.running.settling import Settled, Settling, placed_as
from flowplan.operations.running.stopping import IN_JOURNAL, Stopping, explain, left_of, unfinished, without_server
from flowplan.planning.actions import Delete
from flowplan.planning.plan import Plan, Wishes, key_of
from flowplan.planning.unrecorded import must_be_recorded, part_that_keeps_volumes, part_that_stops
from flowplan.pricing.entry import to_win
from flowplan.state.ownership import with_past_bids
from flowplan.state.state import AppliedPlan, State, without

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flowplan.apply.events import Reporter
    from flowplan.backends.store import Journal, Loaded, StateLock
    from flowplan.cloud.fcp import Fcp
    from flowplan.config import Config
    from flowplan.cost.costs import Costs
    from flowplan.documents.shapes.plan import SealedPlan
    from flowplan.model.address import Address
    from flowplan.model.budget import Budget
    from flowplan.model.live import Live
    from flowplan.operations.opening.session import Session
    from flowplan.planning.steps import Step
    from flowplan.state.state import Binding


ADVANCE = "; in the simulator, `flowplan simulator advance` moves the time"


@define
class Run:
    """One apply or destroy, from the lock to the last line."""

    session: Session
    config: Config | None  # None: destroy, which needs none
    wishes: Wishes
    how: RunOptions
    approval: Approval
    reporter: Reporter
    saved: SealedPlan | None = field(default=None, kw_only=True)  # a saved plan: carried out exactly, or refused
    budgets: tuple[Budget, ...] = field(default=(), kw_only=True)
    hours: float | None = field(default=None, kw_only=True)  # how far ahead the cost is forecast
    ran: tuple[Plan, Outcome, Live] | None = field(default=None, init=False)  # once it has come to something
    is_saved: bool = field(default=False, init=False)  # whether that is in the state
    _stopping: Stopping | None = field(default=None, init=False)  # the journal, where the plan only stops
    _whole: Plan | None = field(default=None, init=False)  # what was approved, where only a part of it is carried out
    _left: tuple[Step, ...] = field(default=(), init=False)  # the rest of it, which could not be recorded
    _is_open: bool = field(default=False, init=False)  # whether the state is read, and the lock held
    _unserved: Unserved | None = field(default=None, init=False)  # why the server took no record of all that stops
    begun: bool = field(default=False, init=False)  # whether the state names the saved plan by now
    carried_out: bool = field(default=False, init=False)  # whether all that was planned is done

    def __call__(self) -> Outcome:
        try:
            return self._run()
        except StateError as error:
            if not self._is_open and self.wishes.mode == "destroy" and self.session.chosen.is_url:
                without_server(error)
            raise

    def _run(self) -> Outcome:
        session, settling = self.session, self._settling
        # What --init sets aside must be what was there when it was asked for: nobody else may begin anything meanwhile.
        begins_none = not self.how.init and has_begun_none(session)  # a lock would stay there, of what is refused
        waits = waits_for_an_answer(self.approval, self.wishes, self.saved)
        if self.how.init or not (begins_none or waits):
            with session.changing() as lock:
                return self._unasked(settling.load(), lock)
        session.hold_changeable()
        with session.looking():  # the question keeps nobody else waiting
            found = settling.before_asking()
            plan, approving = self._approved(found)
        is_none = begins_none and plan.empty and self.wishes.mode != "apply"
        if is_none and found.loaded.fresh:  # nothing is done, and so no lock is left there
            outcome, self.carried_out = Outcome(found.recovered.state), True
            self.ran, self.is_saved = (plan, outcome, found.seen.live), True
            self._finish(plan, outcome, found)
            return outcome
        with session.changing() as lock:
            loaded = settling.load()
            if not (waits or loaded.fresh):  # another run has begun one, and nobody could look at another plan
                return self._unasked(loaded, lock)
            plan, found = self._again(plan, found, approving, loaded)
            return self._locked(plan, found, approving, lock)

    def _unasked(self, loaded: Loaded, lock: StateLock) -> Outcome:
        """Carry out what is planned from `loaded` under the lock, which nobody is asked about."""
        found = self._settling.settle(loaded, lock)
        plan, approving = self._approved(found)
        if approving.is_late and not plan.empty and self.saved is None and not _only_cancels(plan):
            plan, seen = approving.again(plan, found.recovered.state)
            found = attrs.evolve(found, seen=seen)
        return self._locked(plan, found, approving, lock)

    @property
    def _settling(self) -> Settling:
        return Settling(self.session, self.config, self.wishes, self.saved, self.how)

    def set_off(self) -> None:
        """Run the hooks of what was done, if it came so far, also of what could not be saved. The lock is released by
        then."""
        if self.ran is not None and self.wishes.hooks:
            from flowplan.operations.running.hooks import after_apply

            after_apply(self.session, self.wishes.hooks, *self.ran)

    @property
    def _recorded(self) -> Config | None:
        """The configuration that the state is to say to be applied; None: it says what it said."""
        return None if self.wishes.unrecorded else self.config

    @property
    def done(self) -> tuple[Address, ...]:
        """The addresses of which a step is done, and saved: also where the run was raised from."""
        steps = self.ran[1].done if self.ran is not None and self.is_saved else ()
        return tuple(dict.fromkeys(step.address for step in steps))

    def _locked(self, plan: Plan, found: Settled, approving: Approving, lock: StateLock) -> Outcome:
        """Carry out `plan`, which was approved, from what was `found` under the lock."""
        self._is_open = True
        store, seen, loaded = self.session.store, found.seen, found.loaded
        if self.how.init:
            for kept in store.begin_anew():
                self.session.listener.note(f"set aside as {kept}")
        if loaded.unread is not None:  # what it says may be of a volume, too
            self._whole, plan = plan, part_that_keeps_volumes(plan)
            self._left = left_of(self._whole, plan)
        journal: Journal = found.journal
        if (plan.only_stops and not must_be_recorded(plan)) or plan.mode == "destroy":
            self._stopping = found.journal
        else:
            try:
                journal = found.journal.strict()
                if must_be_recorded(plan) or not plan.adds_nothing:
                    store.hold_savable()
            except Unwritten as error:
                self._only_stop(plan, found, approving, lock, error)
        interruption = self.session.interruption
        interruption.release = lock.release
        try:
            with interruption.listening():
                around = self._surroundings(journal, lock, plan, seen)
                outcome = self._carry_out(plan, found.recovered, seen, around)
                state = with_outputs(outcome.state, self._recorded, plan)
                state = as_applied(state, seen, self._recorded, plan, outcome)
                changed = found.journal.appended or loaded.journaled or state is not outcome.state
                outcome = attrs.evolve(outcome, state=with_past_bids(state, seen.live) if changed else state)
                saved = self._save(outcome, found, changed=changed)
                outcome = attrs.evolve(outcome, state=saved)
                self.ran, self.is_saved = (plan, outcome, seen.live), True
                self._keep_forecast(plan, outcome, approving.shown)
                outcome = self._wait(plan, outcome, around, found)
                outcome = attrs.evolve(outcome, outputs=shown_after(self.session, outcome.state))
                self.ran = (plan, outcome, seen.live)
        except SaveFailed as error:
            self.ran = (plan, error.outcome, seen.live)
            raise with_running_on(error, self._whole or plan) from error.cause
        self._finish(plan, outcome, found)
        return outcome

    def _only_stop(
        self, plan: Plan, found: Settled, approving: Approving, lock: StateLock, error: Unwritten
    ) -> NoReturn:
        """Carry out what of `plan` needs no record, and raise `error`, which says why nothing else is begun."""
        state = found.recovered.state
        part = part_that_stops(plan, state)
        explain(error, plan, stopped=not part.empty)
        if part.empty:
            raise error
        self.session.listener.note(f"{error}; of this plan only what stops is carried out")
        self.wishes = attrs.evolve(self.wishes, unrecorded=True)
        self._whole, self._left = plan, left_of(plan, part)
        found = attrs.evolve(found, seen=attrs.evolve(found.seen, state=state))
        raise with_running_on(SaveFailed(error, self._locked(part, found, approving, lock)), plan) from error

    def _approved(self, found: Settled) -> tuple[Plan, Approving]:
        if self.wishes.mode == "destroy":
            seen = found.seen
            hold_known(self.session, found.loaded, seen.state.stack, seen.live, self.wishes)
        approving = self._approving(found)
        plan = approving(found.seen)
        self.wishes = approving.wishes
        return plan, approving

    def _again(self, plan: Plan, found: Settled, approving: Approving, loaded: Loaded) -> tuple[Plan, Settled]:
        """`plan`, which somebody approved, and what it is made of, by now and under the lock, where the state is
        `loaded`: looked at again where time has passed, or another run has recorded something. Raises StalePlan,
        GuardRefused."""
        before, seen = found.recovered.state, found.seen
        if set(loaded.pending) != found.left:
            raise stale(self.session, "another run has begun to change things since the plan was shown")
        hold_same_place(self.session, found.loaded, before, loaded, self.config)
        state = before if loaded.fresh and found.loaded.fresh else placed_as(before, loaded.state)
        hold_same_records(self.session, plan, before, state)
        if (approving.is_late and not plan.empty) or state.went_on_from(before):
            plan, seen = approving.again(plan, state)
        recovered, journal = attrs.evolve(found.recovered, state=state), self._settling.journal(state)
        return plan, attrs.evolve(found, loaded=loaded, recovered=recovered, seen=seen, journal=journal)

    # -- the run

    def _approving(self, found: Settled) -> Approving:
        return Approving(
            self.session,
            self.config,
            self.wishes,
            self.approval,
            self.how,
            saved=self.saved,
            budgets=self.budgets,
            hours=self.hours,
            looked=found.began,
        )

    def _surroundings(self, journal: Journal, lock: StateLock, plan: Plan, seen: Observed) -> Surroundings:
        from flowplan.operations.looking.lifetimes import over
        from flowplan.operations.running.judged_again import JudgedAgain
        from flowplan.startup import script

        return Surroundings(
            cloud=self.session.cloud(),
            journal=journal,
            render=script.render,
            events=self._events,
            clock=self.session.interruption.clock(),
            hold_lock=lock.verify,
            over=partial(over, self.session),
            refused=JudgedAgain(self.session, self.wishes, self.budgets, self.hours, plan, seen),
            together=self.session.listener.together,
        )

    @property
    def _events(self) -> Secretless:
        return Secretless((self.reporter,), self.session.listener.secretless)

    @property
    def _options(self) -> Options:
        return Options(
            parallelism=self.how.parallelism,
            settle_window=self.how.settle_window,
            on_unknown=self.how.on_unknown,
            endpoint=self.session.settings.api_url,
            timeout=self.how.timeout,
            far=self.session.chosen.is_url,
            late=ADVANCE if self.session.settings.simulated else "",
        )

    def _carry_out(self, plan: Plan, recovered: Recovered, seen: Observed, around: Surroundings) -> Outcome:
        whole = None if self._left else self.saved
        saved = AppliedPlan(whole["sha256"], self.session.now(), recovered.state.serial) if whole else None
        now = None if plan.mode == "refresh-only" else _without_left_out(plan, seen)
        applying = Applying(
            plan,
            recovered.state,
            around,
            self._options,
            now=now,
            absent=recovered.absent,
            saved=saved,
            identity=identity_of(self.saved) if self.saved is not None else "",
        )
        self.session.interruption.wake = applying.wake
        try:
            outcome = applying.run()
        except SaveFailed as error:
            if self._stopping is None or not isinstance(error.cause, Unserved):
                error.outcome = attrs.evolve(error.outcome, not_started=(*error.outcome.not_started, *self._left))
                raise
            outcome, self._unserved = error.outcome, error.cause  # the server may be there again to save it
        finally:
            self.begun = applying.begun
        outcome = attrs.evolve(outcome, not_started=(*outcome.not_started, *self._left))
        self.carried_out = outcome.clean
        return outcome

    def _wait(self, plan: Plan, outcome: Outcome, around: Surroundings, found: Settled) -> Outcome:
        """What `how.wait` asks for; the state is saved by then, so an API that fails now loses nothing."""
        session, how = self.session, self.how
        before = outcome.state.bindings

        def save(ended: Outcome, stopping: Stopping) -> State:
            self._stopping = stopping
            ended = attrs.evolve(ended, state=with_outputs(ended.state, self._recorded, plan))
            return self._keep(ended, before, found)

        end = Ending(session, plan, around, self._options, save)
        cloud, clock = session.cloud(), session.interruption.clock()
        waiting = Waiting(cloud, how.wait, how.timeout, clock, self._events, prices=partial(_prices, cloud), end=end)
        if session.settings.simulated:
            from flowplan.operations.simulator import STANDS_STILL

            waiting = attrs.evolve(waiting, hint=ADVANCE, note=STANDS_STILL)
        return waiting(plan, outcome)

    # -- the end

    def _save(self, outcome: Outcome, found: Settled, *, changed: bool) -> State:
        """A snapshot, unless nothing was recorded: then the serial stays."""
        if not changed:
            self.session.store.close()
            return outcome.state
        return self._keep(outcome, found.loaded.before, found)

    def _keep(self, outcome: Outcome, before: Mapping[Address, Binding], found: Settled) -> State:
        """A snapshot, with what the bids that ended were billed; `before`: what the state held. What was in doubt
        before this run, and is still, stays so. What another run has written since is not overwritten: the lock is
        looked after once more."""
        try:
            return save_state(
                self.session,
                with_bill(self.session, outcome.state, found.seen.live),
                (*outcome.pending, *found.doubted),
                before=before,
                stopped=self._stopping.where if self._stopping is not None else "",
                plan_sha256=self.saved["sha256"] if self.saved is not None else "",
                config_sha256=config_sha256(self.session, self.config) if self.config is not None else "",
            )
        except StateError as error:
            where = self._stopping.where if self._stopping is not None else IN_JOURNAL
            done = f"what was done {where}" if outcome.done else ""
            raise SaveFailed(error, outcome, "\n".join(filter(None, [outcome.reached, done]))) from error

    def _keep_forecast(self, plan: Plan, outcome: Outcome, costs: Costs | None) -> None:
        """What was shown of what exists now (`costs`): `flowplan cost` judges it. Never fails the run."""
        shown = self.saved or costs
        if shown is not None and self.wishes.mode == "apply" and outcome.done and not self._left:
            from flowplan.operations.running.track_record import keep_shown

            keep_shown(self.session, shown, plan, outcome)

    def _finish(self, plan: Plan, outcome: Outcome, found: Settled) -> None:
        self.reporter.summary(plan, outcome)
        outcome = attrs.evolve(outcome, pending=(*outcome.pending, *found.doubted))  # what is raised has all of it
        if self.saved is not None:
            say_made_since(self.session, self.saved, outcome.state)
        why = found.loaded.unread or (None if self.carried_out else self._unserved)
        if why is not None:
            raise with_running_on(SaveFailed(*unfinished(why, outcome)), self._whole or plan)
        if self.session.interruption.stopped() and not outcome.unknown:
            stopped = self.session.interruption.interrupted(outcome.undone or self.session.came_of_it)
            if isinstance(stopped, FlowplanError) and not self.carried_out:
                stopped.hint = "run the same command again: it continues from here"
                stopped.detail = running_on(self._whole or plan, outcome)
            raise with_outcome(stopped, outcome)
        if found.doubt is not None:
            raise with_outcome(found.doubt, outcome)
        verdict(outcome, carried_out=self.carried_out, detail=running_on(self._whole or plan, outcome))
        wishes = self.wishes
        held = wishes.held_to is not None and wishes.mode != "destroy"  # a saved destroy is of all that there is, too
        part = wishes.patterns.partial or wishes.lapsed or held
        hold_seen(plan, outcome, found.seen, is_of_all=not part)
        if self.saved is None:  # which does what it says, and no more
            hold_ended(plan, outcome, found.seen)


def _only_cancels(plan: Plan) -> bool:
    """Whether `plan` is a destroy of bids, whose volumes stay. To look as long again would only let them run on."""
    lost = (one for one in plan.changes if one.address.kind == "volume" and isinstance(one, Delete))
    return plan.mode == "destroy" and not any(lost)


def _prices(cloud: Fcp, bids: Sequence[Bid]) -> list[Prices]:
    """Of the auction of each of `bids`: one call for each auction, and unknown where that fails."""
    keys = {key_of(bid) for bid in bids}
    found = cloud.markets(sorted(keys), shown_only=keys)
    markets = [found.get(key_of(bid)) for bid in bids]
    return [
        Prices(market.spot if market else None, to_win(market, bid.limit_price))
        for bid, market in zip(bids, markets, strict=True)
    ]


def _without_left_out(plan: Plan, seen: Observed) -> State:
    """The state of `seen` without the objects that the plan would import, were they in it."""
    return without(seen.state, seen.desired.imports & set(plan.left_out))

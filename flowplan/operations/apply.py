"""Carrying out a plan: approval, signals, the run itself, and what is said at the end. For apply and destroy."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import attrs
from attrs import define, field, frozen

from flowplan.apply.options import Options
from flowplan.apply.outcome import Outcome, verdict
from flowplan.apply.recover import Recovered, recover
from flowplan.apply.run import Applying
from flowplan.apply.waits import Waiting
from flowplan.cli import options
from flowplan.cli.durations import read_duration
from flowplan.cli.stop import Stop, exit_signal
from flowplan.errors import (
    ApplyFailed,
    ApprovalMissing,
    CloudError,
    Interrupted,
    OutcomeUnknown,
    StalePlan,
    UsageProblem,
)
from flowplan.model.resources import Volume
from flowplan.operations.observe import Observed, observe
from flowplan.operations.plan import forecast, hold_budgets, plan_of, refuse
from flowplan.operations.saved_plan import hold_not_applied, hold_same_cloud, places_of
from flowplan.operations.settings import Session
from flowplan.planning.plan import Plan, Wishes
from flowplan.pricing import DAY, HOUR, MONTH
from flowplan.state.state import AppliedPlan, State

if TYPE_CHECKING:
    from flowplan.backends.store import Loaded, StateLock, Store
    from flowplan.config import Config
    from flowplan.model.budget import Budget
    from flowplan.reports.text.progress import Reporter
    from flowplan.state.journal import Intent

_TOLD = 8  # differences of a saved plan that are told
FRESH = 10.0  # seconds after which a plan is not carried out without another look


@frozen
class How:
    """What the command line says about the run."""

    auto_approve: bool = False
    parallelism: int = 10
    wait: str = "placed"
    timeout: str = "30m"
    as_events: bool = False
    settle_window: float = 45.0
    on_unknown: str = "retry"
    horizon: str | None = None
    init: bool = False  # start anew although there are traces of an earlier state

    @property
    def seconds(self) -> float:
        return read_duration(self.timeout, "--timeout")

    @property
    def hours(self) -> float | None:
        return options.hours(self.horizon)


@define
class Run:
    """One apply or destroy, from the lock to the last line."""

    session: Session
    config: Config | None  # None: destroy, which needs none
    wishes: Wishes
    how: How
    saved: dict[str, Any] | None = None  # a saved plan: carried out exactly, or refused
    budgets: tuple[Budget, ...] = ()
    stop: Stop = field(factory=Stop)
    _reporter: Any = field(default=None, init=False)
    _doubt: OutcomeUnknown | None = field(default=None, init=False)  # of an earlier run, and still there
    _doubted: tuple[Intent, ...] = field(default=(), init=False)  # the creates that are in doubt with it
    _shown: dict[str, Any] | None = field(default=None, init=False)  # the document of the plan that was approved
    _looked: float = field(default=0.0, init=False)  # when the look at the cloud began that the plan is made of
    _asked: bool = field(default=False, init=False)  # whether somebody was asked since: that may take days

    def _pause(self, seconds: float) -> None:
        """Between two tries of a call. Raises CloudError once the run is stopped: the call is abandoned."""
        self.stop.pause(seconds)
        if self.stop.stopped():
            raise CloudError("stopped before it was sent again")

    def __call__(self) -> int:
        _ = self.how.seconds, self.how.hours  # wrong usage is told before anything is looked at
        with self.session.locked() as lock:
            assert lock is not None  # noqa: S101 - only reading goes without
            return self._locked(lock)

    def _locked(self, lock: StateLock) -> int:
        store = self.session.store
        loaded = self._afresh(store) if self.how.init else self.session.load()
        if self.saved is not None:
            hold_not_applied(self.saved, loaded.state)
        recovered, seen = self._look(store, loaded, lock)
        plan = self._approved(seen)
        if self.how.init:
            for kept in store.begin_anew():
                self.session.terminal.note(f"set aside as {kept}")
        self.stop.let_go = lock.release
        with self.stop.listening():
            outcome = self._carry_out(plan, recovered, store, lock)
            self._save(store, outcome, changed=store.appended or loaded.journaled)
            self._keep_forecast(plan, outcome)
            outcome = self._wait(plan, outcome)
        return self._finish(plan, outcome, seen)

    def _afresh(self, store: Store) -> Loaded:
        """--init: only where the state itself is missing. What is left of it is set aside once the plan stands."""
        if store.exists():
            raise UsageProblem(
                f"--init: {store.name} exists",
                hint="to begin anew, move it away yourself; what it knows costs money until it is cancelled",
            )
        return store.fresh()

    # -- recovery and observation

    def _look(self, store: Store, loaded: Loaded, lock: StateLock) -> tuple[Recovered, Observed]:
        """Settle what an earlier run left, then observe."""
        session = self.session
        session.pause = self._pause
        session.cloud(self.how.parallelism)
        self._looked = time.monotonic()
        seen = observe(session, self.config, loaded.state, loaded.pending, kept=self._saved_places())
        state = attrs.evolve(
            loaded.state,
            stack=seen.state.stack,
            api_url=seen.state.api_url,
            project=seen.state.project,
            project_name=seen.state.project_name,
        )
        if loaded.pending:
            count = len(loaded.pending)
            session.terminal.note(f"recovering {count} operation{'s' if count > 1 else ''} of an earlier run")
        self.stop.say, self.stop.hurry = session.terminal.err, session.terminal.hurry
        with self.stop.listening():
            found = self._settled(state, loaded, seen)
        store.prepare(state)
        if found.records:
            lock.verify()
            store.append(found.records)
        for note in found.notes:
            session.terminal.note(note)
        if found.ended:
            raise ApplyFailed(
                "; ".join(found.ended),
                hint="it is not bought again in this run; the same command once more places it anew",
            )
        if loaded.pending or found.notes:
            # Types, regions and names have to be looked up again, with what was found in its place.
            self._looked = time.monotonic()
            seen = observe(session, self.config, found.state, {}, kept=self._saved_places())
        return found, attrs.evolve(seen, state=found.state, pending={})

    def _settled(self, state: State, loaded: Loaded, seen: Observed) -> Recovered:
        """What became of the operations in doubt. Raises OutcomeUnknown; but what is known to cost money is ended all
        the same, and that one of them stays in doubt is the last word then."""
        try:
            return recover(
                state,
                loaded.pending,
                self.session.cloud(),
                seen.live,
                window=self.how.settle_window,
                clock=self.stop.clock(),
                resend=self.how.on_unknown == "retry",
            )
        except OutcomeUnknown as error:
            if self.wishes.mode != "destroy" or not state.bindings:
                raise
            self._doubt = error
            self._doubted = tuple(intent for intent in loaded.pending.values() if intent.op == "create")
            self.session.terminal.note(f"{error}; what is known is destroyed all the same")
            return Recovered(state, (), {})

    def _saved_places(self) -> dict[Any, Any] | None:
        """The types and regions that a saved plan chose: prices may have moved since."""
        return None if self.saved is None else places_of(self.saved)

    # -- approval

    def _approved(self, seen: Observed) -> Plan:
        """The plan somebody approved: the saved one, or the one just shown, unless the cloud moved meanwhile."""
        plan = plan_of(self.session, seen, self.wishes)
        if self.saved is not None:
            self._hold_to_saved(plan, seen)
            refuse(self._held(plan), saved=True)
            return plan
        if not plan.empty and self.wishes.mode == "apply":
            spans = (HOUR, DAY, MONTH) if self.how.as_events else (HOUR,) if self.budgets else ()
            plan = forecast(self.session, plan, self.how.hours, spans=spans)
        plan = self._held(plan)
        self._show(plan, seen)
        plan = self._typed_volumes(plan, seen)
        refuse(plan)
        if not plan.empty and not self.how.auto_approve:
            self._ask()
        return plan if plan.empty or not self._time_passed() else self._still(plan, seen)

    def _time_passed(self) -> bool:
        """Whether what was looked at may be another by now: somebody was asked, or it took long to get here."""
        return self._asked or time.monotonic() - self._looked > FRESH

    def _still(self, plan: Plan, seen: Observed) -> Plan:
        """`plan` made again of what is there now, by the prices of now. Raises StalePlan when that does something
        else than was shown, GuardRefused when a guard or a budget refuses it now."""
        from flowplan.cli.plan import document_of

        shown = places_of(document_of(self.session, seen, plan))
        again = observe(self.session, self.config, seen.state, {}, kept=shown)
        now = plan_of(self.session, again, self.wishes)
        if self._does(now, again) != self._does(plan, seen):
            raise StalePlan(
                "what is live has changed since the plan was shown; nothing was done",
                hint="run the same command again and look at the new plan",
            )
        refuse(self._held(now), saved=True)
        return now

    def _held(self, plan: Plan) -> Plan:
        """`plan` held to the budgets; what only takes away is never too dear."""
        return plan if self.config is None else hold_budgets(self.session, plan, self.budgets, self.how.hours)

    def _does(self, plan: Plan, seen: Observed) -> str:
        from flowplan.cli.plan import document_of
        from flowplan.documents.plan import actions_of

        return actions_of(document_of(self.session, seen, plan))

    def _hold_to_saved(self, plan: Plan, seen: Observed) -> None:
        """Raise StalePlan unless planning again gives exactly the saved plan, all that it says. (What refuses it is
        told by the caller.)"""
        from flowplan.cli.plan import document_of
        from flowplan.documents.plan import actions_of, sealed
        from flowplan.documents.plan_held import differences
        from flowplan.reports.text.plan import moved

        saved = self.saved
        assert saved is not None  # noqa: S101 - the caller asked
        allowed = attrs.evolve(plan, refusals=())
        now = sealed(document_of(self.session, seen, allowed, saved["stack"]["paths"]))
        hold_same_cloud(saved["stack"], now["stack"])
        if now["stack"]["config_sha256"] != saved["stack"]["config_sha256"]:
            raise StalePlan("the configuration has changed since the plan was saved", hint="plan again")
        if actions_of(now) != actions_of(saved):
            raise StalePlan(
                "what the plan touches has changed since it was saved; nothing was done",
                detail="\n".join(moved(saved, now)),
                hint="plan again",
            )
        if saved["stack"]["lineage"] != now["stack"]["lineage"]:
            raise StalePlan("the plan was made for another state; nothing was done", hint="plan again")
        if saved["stack"]["serial"] != now["stack"]["serial"]:
            raise StalePlan("the state has changed since the plan was saved; nothing was done", hint="plan again")
        if differing := differences(saved, now, set(map(str, seen.desired.choices))):
            raise StalePlan(
                "the plan says something else than planning again; nothing was done",
                detail="\n".join(differing[:_TOLD]),
                hint="plan again",
            )

    def _show(self, plan: Plan, seen: Observed) -> None:
        from flowplan.cli.plan import document_of, show

        if self._asks_for_volumes(plan):
            plan = attrs.evolve(plan, refusals=())  # the question that follows says it
        body = self._shown = document_of(self.session, seen, plan, unchanged=False)
        if self.how.as_events:
            self.reporter.planned(body)
        else:
            show(self.session, body, "text")

    def _asks_for_volumes(self, plan: Plan) -> bool:
        """Whether somebody at the terminal can permit all that the guards refuse, by typing names."""
        only_data = all(refusal.reason == "volume_data" for refusal in plan.refusals)
        asks = self.wishes.mode == "destroy" and self.session.terminal.interactive
        return asks and bool(plan.refusals) and only_data

    def _typed_volumes(self, plan: Plan, seen: Observed) -> Plan:
        """In an interactive destroy, a volume's name typed in is the permission to destroy its data."""
        if not self._asks_for_volumes(plan):
            return plan
        names = {c.address: c.before.name for c in plan.changes if isinstance(c.before, Volume)}
        typed: set[str] = set()
        for refusal in plan.refusals:
            name = names.get(refusal.address) if refusal.address else None
            message = refusal.message[0].upper() + refusal.message[1:]
            self._asked = True
            self.session.terminal.err(f"\n{message}.")
            if self.session.terminal.ask("Type the volume's name to let its data go: ").strip() != name:
                raise ApprovalMissing("the name was not typed; nothing was changed")
            typed.add(name)
        self.wishes = attrs.evolve(self.wishes, destroyable=self.wishes.destroyable | typed)
        return plan_of(self.session, seen, self.wishes)

    def _ask(self) -> None:
        if not self.session.terminal.interactive:
            raise ApprovalMissing(
                "nobody is here to approve the plan; nothing was changed",
                hint="give --auto-approve, or apply a saved plan: flowplan plan --out FILE, flowplan apply FILE",
            )
        self._asked = True
        what = "Destroy all this?" if self.wishes.mode == "destroy" else "Apply this plan?"
        answer = self.session.terminal.ask(f"\n{what} Only 'yes' is accepted: ")
        if answer != "yes":
            raise ApprovalMissing("not approved; nothing was changed")

    # -- the run

    def _carry_out(self, plan: Plan, recovered: Recovered, store: Store, lock: StateLock) -> Outcome:
        from flowplan.startup import script

        applying = Applying(
            plan,
            recovered.state,
            self.session.cloud(),
            store,
            lambda bid, marker: script.render(bid.inputs, marker) if bid.inputs else None,
            self.reporter,
            options=Options(
                parallelism=self.how.parallelism,
                settle_window=self.how.settle_window,
                on_unknown="stop" if self.how.on_unknown == "stop" else "retry",
                endpoint=self.session.api_url,
                timeout=self.how.seconds,
            ),
            clock=self.stop.clock(),
            hold_lock=lock.verify,
            absent=recovered.absent,
            saved=AppliedPlan(self.saved["sha256"], self.session.now(), recovered.state.serial) if self.saved else None,
        )
        self.stop.wake = applying.wake
        return applying.run()

    def _wait(self, plan: Plan, outcome: Outcome) -> Outcome:
        """What --wait asks for; the state is saved by then, so an API that fails now loses nothing."""
        return Waiting(self.session, self.how.wait, self.how.seconds, self.stop, self.reporter)(plan, outcome)

    @property
    def reporter(self) -> Reporter:
        if self._reporter is None:
            from flowplan.reports.events import EventLines
            from flowplan.reports.text.progress import ProgressLines

            terminal = self.session.terminal
            self._reporter = (
                EventLines(terminal.out, self.session.now)
                if self.how.as_events
                else ProgressLines(terminal.out, terminal.err, terminal.paint_err, terminal.paint)
            )
        found: Reporter = self._reporter
        return found

    # -- the end

    def _save(self, store: Store, outcome: Outcome, *, changed: bool) -> State:
        """A snapshot, unless nothing was recorded: then the serial stays."""
        if not changed:
            store.close()
            return outcome.state
        # What another run has written since is not overwritten: the lock is looked after once more.
        return store.save(outcome.state, (*outcome.pending, *self._doubted))

    def _keep_forecast(self, plan: Plan, outcome: Outcome) -> None:
        """What was shown of what exists now: `flowplan cost` judges it. Never fails the run."""
        shown = self.saved or self._shown
        if shown is not None and self.wishes.mode == "apply" and outcome.done:
            from flowplan.cost.track_record import keep_shown

            keep_shown(self.session, shown, plan, outcome)

    def _finish(self, plan: Plan, outcome: Outcome, seen: Observed) -> int:
        reporter = self.reporter
        reporter.summary(plan, outcome)
        if self.stop.number is not None:
            number = exit_signal(self.stop.number)
            if not outcome.unknown:
                raise Interrupted("stopped by a signal; what was done is saved", signal_number=number)
        if self._doubt is not None:
            raise self._doubt
        verdict(outcome)
        hold_seen(plan, outcome, seen)
        return 0


def hold_seen(plan: Plan, outcome: Outcome, seen: Observed) -> None:
    """Raise ApplyFailed for what a plan that only stopped could not look at, and did not end."""
    from flowplan.planning.untold import left_unread

    left = left_unread(plan, seen.live, {step.address for step in outcome.done if step.way == "down"})
    if left:
        raise ApplyFailed(
            f"what was to stop has stopped, but not all could be looked at: {left[0]}",
            detail="\n".join(map(str, left[1:])) or None,
            hint=left[0].hint or "the same command again, once the API tells of it",
        )

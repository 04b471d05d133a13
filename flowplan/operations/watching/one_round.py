"""One round of `flowplan watch`: look, decide what is the watch's to do, and do it by an ordinary apply of that part of
the ordinary plan, which the same guards, budgets, lock and journal hold. Everything else is a person's, and is told.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import attrs
from attrs import field

from flowplan.apply.outcome import OutcomeUnknown
from flowplan.classes import define
from flowplan.documents.hooks import Happened
from flowplan.documents.watch import Round
from flowplan.errors import (
    CloudError,
    ConfigError,
    FlowplanError,
    GuardRefused,
    StalePlan,
    Unauthorized,
    Unreachable,
    UsageProblem,
)
from flowplan.model.address import Address
from flowplan.operations.opening.loading import load_state
from flowplan.operations.opening.session import Session
from flowplan.operations.proposing.request import Request, wanted
from flowplan.operations.running.approval import Approved, stale
from flowplan.operations.running.lapsed import lapsed
from flowplan.operations.running.options import RunOptions
from flowplan.operations.running.run import Run
from flowplan.operations.watching.judging import Judging, budgets_of
from flowplan.operations.watching.look import Looked, decided, look
from flowplan.patterns import regex
from flowplan.planning.plan import Plan, Wishes, same_work
from flowplan.planning.watch_findings import Decision, Finding

if TYPE_CHECKING:
    from flowplan.apply.events import Reporter
    from flowplan.config import Config

# The key in a file that cannot be read, and where it says what it says without it.
_ENFORCE, _ENFORCED = b"enforce_lifetime", regex(rb"enforce_lifetime[\"']?\s*:\s*true\s*(?=[,}#\r\n]|$)")
_NO_PLAN = (CloudError, ConfigError, GuardRefused, OutcomeUnknown, UsageProblem)
_NO_CALL = (Unauthorized, Unreachable)
WAITS = 120.0  # seconds that a round waits for a removal, or for a task that another needs, while it has the lock


def one_round(
    session: Session, request: Request, how: RunOptions, reporter: Reporter, hold: Callable[[], None] = lambda: None
) -> Round:
    """One round over the files of `request`, read again. `session` is a fresh one, and closed in the end; its
    `lock_timeout` says how long a round that acts waits for the lock. Nothing is locked or written where there is
    nothing to do. `hold` is asked under the lock, before anything is done: it raises StateError where another watches
    by now.

    Raises FlowplanError where it cannot look: StateError, and CloudError where the API answers nothing. Where the
    configuration cannot be used, the API does not tell all of what a plan is made from, or an operation of an earlier
    run stays in doubt, what is past its lifetime is cancelled, and that it cannot is the `error` of the round; so is
    what keeps it from acting: Locked, StalePlan, GuardRefused, ApplyFailed. Interruptions are raised."""
    made = _Round(session, request, attrs.evolve(how, wait="placed", timeout=min(how.timeout, WAITS)), reporter, hold)
    try:
        return made.whole()
    finally:
        made.session.close()


class _Watching(Approved):
    """The approval of the watch, as long as it is still the one that watches."""

    def __init__(self, hold: Callable[[], None]) -> None:
        self._hold = hold

    def approve(self, plan: Plan) -> bool:
        self._hold()
        return False


class _Decided(_Watching):
    """The same, of a plan made under the lock that is the one that was decided, and nothing else."""

    def __init__(self, session: Session, plan: Plan, hold: Callable[[], None]) -> None:
        super().__init__(hold)
        self._session, self._plan = session, plan

    def approve(self, plan: Plan) -> bool:
        super().approve(plan)
        if not same_work(plan, self._plan):
            raise stale(self._session, "something has changed since the watch looked")
        return False


@define
class _Round:
    session: Session
    request: Request
    how: RunOptions
    reporter: Reporter
    hold: Callable[[], None]
    _acted: list[Address] = field(factory=list, init=False)
    _applied: list[Happened] = field(factory=list, init=False)

    def whole(self) -> Round:
        """The round, also where there is no plan."""
        try:
            found = self.run()
        except _NO_PLAN as error:
            if isinstance(error, _NO_CALL):
                raise
            return self.without_plan(error)
        runs_on = {one.address for one in found.findings if one.act == "cancel"} - set(found.acted)
        if not runs_on or not isinstance(found.error, _NO_PLAN) or isinstance(found.error, (StalePlan, *_NO_CALL)):
            return found
        ended = self.without_plan(found.error)  # what refuses a plan of the files does not keep a bid that is over
        return attrs.evolve(found, acted=(*found.acted, *ended.acted))

    def run(self) -> Round:
        looked, decision, plans = self._looked()
        doubted = {one.address for one in looked.seen.pending.values() if one.op == "create"}
        placing = {one.address for one in decision.findings if one.act == "place"}
        if looked.seen.pending and not (doubted and doubted <= placing):
            self._settle()
            looked, decision, plans = self._looked()
        elif doubted:
            plans = plans[::-1]  # first what sends them again, under their own keys, before another run gives them up
        error: FlowplanError | None = None
        steps: list[Callable[[], None]] = [partial(self._act, looked.config, plan, part) for plan, part in plans]
        for step in steps or ([self._settle] if looked.ends else []):  # what acts records the ends, too
            try:
                step()
            except FlowplanError as one:
                error = error or one
        return Round(
            self.session.cloud().now(),
            decision.findings,
            tuple(self._acted),
            error,
            looked.wishes.hooks,
            tuple(self._applied),
            looked.plan,
            looked.seen.state,
            looked.due,
        )

    def _looked(self) -> tuple[Looked, Decision, list[tuple[Plan, Wishes]]]:
        """What there is, what is done about it, and the plans of that."""
        looked = look(self.session, self.request)
        return looked, *Judging(self.session, self.request, looked, decided(self.session, looked))()

    def without_plan(self, error: FlowplanError) -> Round:
        """The round where there can be no plan, because of `error`: what is past its lifetime is cancelled even so,
        unless the files may say that the watch does not, or another lifetime than was applied."""
        findings: tuple[Finding, ...] = ()
        with self.session.afresh() as session:
            wishes = lapsed(session, self.request, as_applied=True) if self._enforces(session) else None
            if wishes is None:
                return Round(None, error=error)
            state = load_state(session).state
            ids = {binding.id: address for address, binding in state.bindings.items() if address.kind == "bid"}
            findings = tuple(
                Finding(ids[id], "lifetime_over", f"its lifetime is over: {why}", act="cancel", id=id)
                for id, why in wishes.lapsed.items()
                if id in ids
            )
        with self.session.afresh() as session:
            run = Run(session, None, wishes, self.how, _Watching(self.hold), self.reporter)
            at: datetime | None = None
            try:
                run()
                at = session.cloud().now()
            except FlowplanError as other:
                error = error if isinstance(error, OutcomeUnknown) else other
            return Round(at, findings, run.done, error)

    def _enforces(self, session: Session) -> bool:
        """Whether lifetimes are the watch's to enforce, of files that cannot be used: not where they may say that they
        are not."""
        try:
            sources, _ = session.sources(self.request.paths)
        except (ConfigError, UsageProblem):
            return True  # there is no file that says so
        text = b"\n".join(source.data for source in sources)
        return text.count(_ENFORCE) == len(_ENFORCED.findall(text))

    # -- looking

    def _settle(self) -> None:
        """What an earlier run left in doubt is settled as any apply settles it, and what has ended is recorded; what
        stays in doubt is raised."""
        with self.session.afresh() as session:
            config, wishes = wanted(session, self.request)
            wishes = attrs.evolve(wishes, held_to=frozenset(), unrecorded=True)  # nothing is sent again
            Run(session, config, wishes, self.how, _Watching(self.hold), self.reporter)()
        self.session.close()
        self.session = self.session.afresh()

    # -- doing

    def _act(self, config: Config, plan: Plan, part: Wishes) -> None:
        """Carry out `plan`, if it is still that one, of files that are still the same, under the lock."""
        with self.session.afresh() as session:
            now, wishes = wanted(session, self.request)
            if now is None or now.sha256 != config.sha256 or now.watch != config.watch:
                raise stale(session, "the files have changed since the watch looked")
            wishes = attrs.evolve(
                wishes,
                held_to=part.held_to,
                unrecorded=True,
                limits=part.limits,
                moving=part.moving,
                places=part.places,
                lapsed=part.lapsed,
            )
            budgets = budgets_of(self.request, now)
            approval = _Decided(session, plan, self.hold)
            run = Run(
                session, now, wishes, self.how, approval, self.reporter, budgets=budgets, hours=self.request.hours
            )
            try:
                run()
            finally:
                self._acted += [address for address in run.done if address not in self._acted]
                if run.ran is not None and wishes.hooks:  # they are run once the round is over
                    from flowplan.operations.running.hooks import applied

                    self._applied += applied(*run.ran[:2])

"""One round of `flowplan watch`: look, decide what is the watch's to do, and do it by an ordinary apply of that part of
the ordinary plan, which the same guards, budgets, lock and journal hold. Everything else is a person's, and is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import attrs
from attrs import define, field, frozen

from flowplan.documents.watch import Round
from flowplan.errors import CloudError, ConfigError, FlowplanError, GuardRefused, UsageProblem
from flowplan.model.address import Address
from flowplan.model.budget import Budget, side_by_side
from flowplan.model.resources import Bid
from flowplan.model.watch import ONLY_LOOKS, Watching
from flowplan.operations.apply import How, Run
from flowplan.operations.looking.observe import Observed, observe_beside
from flowplan.operations.opening.session import Session
from flowplan.operations.plan import Request, hold_budgets, priced_plan, wanted
from flowplan.operations.running.approval import Approved, stale
from flowplan.operations.running.lapsed import lapsed
from flowplan.planning.make import make_plan
from flowplan.planning.plan import Plan, Wishes, same_work
from flowplan.planning.watching import CALM, COSTLY, Decision, Finding, Seen, decide
from flowplan.pricing.billing import Ender
from flowplan.pricing.entry import Key, Market, Totals
from flowplan.state.state import CANCELLED, State

if TYPE_CHECKING:
    from flowplan.apply.events import Reporter
    from flowplan.config import Config
    from flowplan.cost.priced_plan import PricedPlan
    from flowplan.model.catalogue import Place

ACTS_FIRST = frozenset(("cancel", "lower"))  # what stops something is carried out alone: it waits for no price
WAITS = 120.0  # seconds that a round waits for a removal, or for a task that another needs, while it has the lock


def one_round(
    session: Session, request: Request, how: How, reporter: Reporter, hold: Callable[[], None] = lambda: None
) -> Round:
    """One round over the files of `request`, read again: `session` is a fresh one, and its `lock_timeout` says how
    long a round that acts waits for the lock. Nothing is locked or written where there is nothing to do. `hold` is
    asked under the lock, before anything is done: it raises StateError where another watches by now.

    Raises FlowplanError where it cannot look: StateError, CloudError, and OutcomeUnknown where an operation of an
    earlier run stays in doubt. Where the configuration cannot be used, what is past its lifetime is cancelled, and that
    it cannot is the `error` of the round; so is what keeps it from acting: Locked, StalePlan, GuardRefused,
    ApplyFailed. Interruptions are raised."""
    made = _Round(session, request, attrs.evolve(how, wait="placed", timeout=min(how.timeout, WAITS)), reporter, hold)
    try:
        return made.run()
    except (ConfigError, GuardRefused, UsageProblem) as error:
        return made.without_configuration(error)


class _Watching(Approved):
    """The approval of the watch, as long as it is still the one that watches."""

    def __init__(self, hold: Callable[[], None]) -> None:
        self._hold = hold

    def approve(self, plan: Plan) -> bool:
        self._hold()
        return False


class _Decided(_Watching):
    """The same, of a plan made under the lock that is the one that was decided, and nothing else."""

    def __init__(self, plan: Plan, hold: Callable[[], None]) -> None:
        super().__init__(hold)
        self._plan = plan

    def approve(self, plan: Plan) -> bool:
        super().approve(plan)
        if not same_work(plan, self._plan):
            raise stale("something has changed since the watch looked")
        return False


@frozen
class _Looked:
    """What a round looked at, and its plan of everything."""

    config: Config
    wishes: Wishes
    seen: Observed
    plan: Plan
    markets: Mapping[Key, Market]

    @property
    def policy(self) -> Watching:
        return self.config.watch or ONLY_LOOKS


@define
class _Round:
    session: Session
    request: Request
    how: How
    reporter: Reporter
    hold: Callable[[], None]
    _acted: list[Address] = field(factory=list, init=False)

    def run(self) -> Round:
        self._settle()
        looked = self._look()
        found = self._decide(looked)
        decision, plans = self._judged(looked, found)
        error: FlowplanError | None = None
        for plan, part in plans:
            try:
                self._act(looked.config, plan, part)
            except FlowplanError as one:
                error = error or one
        return Round(
            self.session.cloud().now(),
            decision.findings,
            tuple(self._acted),
            error,
            self._costs(looked),
        )

    def without_configuration(self, error: FlowplanError) -> Round:
        """The round where the configuration cannot be used: what is past its lifetime is cancelled even so, unless
        the files may say that the watch does not."""
        findings: tuple[Finding, ...] = ()
        with self._fresh() as session:
            wishes = lapsed(session, self.request) if self._enforces(session) else None
            if wishes is None:
                return Round(None, error=error)
            state = session.load().state
            ids = {binding.id: address for address, binding in state.bindings.items() if address.kind == "bid"}
            findings = tuple(
                Finding(ids[id], "lifetime_over", f"its lifetime is over: {why}", act="cancel", id=id)
                for id, why in wishes.lapsed.items()
                if id in ids
            )
        with self._fresh() as session:
            try:
                outcome = Run(session, None, wishes, self.how, _Watching(self.hold), self.reporter)()
            except FlowplanError as other:
                return Round(None, findings, error=other)
            acted = tuple(step.address for step in outcome.done)
            return Round(session.cloud().now(), findings, acted, error)

    def _fresh(self) -> Session:
        return Session(
            self.session.settings, self.session.listener, self.session.interruption, paths=self.session.paths
        )

    def _enforces(self, session: Session) -> bool:
        """Whether lifetimes are the watch's to enforce, of files that cannot be used: not where they name the key."""
        try:
            sources, _ = session.sources(self.request.paths)
        except (ConfigError, UsageProblem):
            return True  # there is no file that says so
        return not any(b"enforce_lifetime" in source.data for source in sources)

    # -- looking

    def _settle(self) -> None:
        """What an earlier run left in doubt is settled first, as any apply settles it; what is not, stays in doubt, and
        is raised."""
        loaded = self.session.load()
        if not loaded.pending:
            return
        with self._fresh() as session:
            config, wishes = wanted(session, self.request)
            policy = config.watch if config is not None and config.watch is not None else ONLY_LOOKS
            resends = policy.on_preempted == "rebid" or policy.switch_region
            how = attrs.evolve(self.how, on_unknown="retry" if resends else "stop")
            wishes = attrs.evolve(wishes, held_to=frozenset())
            Run(session, config, wishes, how, _Watching(self.hold), self.reporter)()
        self.session.close()
        self.session = self._fresh()

    def _look(self) -> _Looked:
        """Everything, without the lock. A price that cannot be fetched is unknown."""
        from flowplan.cost.estimate import auctions_needed

        session = self.session
        config, wishes = wanted(session, self.request)
        if config is None:
            raise UsageProblem("there is nothing to watch: no configuration was given")
        policy = config.watch or ONLY_LOOKS
        with session.looking():
            loaded = session.load()
            places = _places(loaded.state, policy)
            _, seen = observe_beside(session, loaded, config, kept=places)
            ended = {a: place for a, place in places.items() if not _is_live(seen, a)}
            wishes = attrs.evolve(wishes, places=ended)
            plan = make_plan(seen.desired, seen.state, seen.live, wishes, seen.pending)
            keys = auctions_needed(seen.desired, seen.state, seen.live, plan.changes)
            markets = session.cloud().markets(keys, shown_only=keys)
        return _Looked(config, wishes, seen, plan, markets)

    def _decide(self, looked: _Looked) -> Decision:
        seen, cloud = looked.seen, self.session.cloud()
        found = decide(
            Seen(
                looked.plan,
                seen.desired,
                seen.state,
                seen.live,
                looked.policy,
                looked.markets,
                cloud.time(),
                highest=self._highest(seen, cloud.time()),
                ended_by=self._enders(looked),
            )
        )
        late = {
            one.address: "the list of bids lags behind"
            for one in found.findings
            if one.act == "raise" and one.id is not None and cloud.bid(one.id).status != one.status
        }
        return found.only(found.act - late.keys(), late)

    def _enders(self, looked: _Looked) -> Mapping[str, Ender]:
        """Who ended the bids that may be placed again. What cannot be read is not known."""
        if looked.policy.on_preempted != "rebid":
            return {}
        state = looked.seen.state
        ended = [
            binding.id
            for change in looked.plan.changes
            if change.reason == "create_because_gone" and change.address.kind == "bid"
            if (binding := state.bindings.get(change.address)) is not None and binding.ended != CANCELLED
        ]
        return self.session.cloud().enders(ended)

    def _highest(self, seen: Observed, now: datetime) -> Mapping[Place, Decimal]:
        """The highest price of the last hour in the auctions of bids whose limit was raised, where it is known."""
        bids = (seen.desired.resources[address] for address in seen.desired.raised)
        places = {(bid.instance_type, bid.region) for bid in bids if isinstance(bid, Bid)}
        if not places:
            return {}
        pasts = self.session.cloud().pasts(sorted(places), since=now - CALM, shown_only=True)
        return {place: max((price for _, price in past.prices), default=Decimal(0)) for place, past in pasts.items()}

    def _costs(self, looked: _Looked) -> Totals | None:
        from flowplan.cost.estimate import priced

        return priced(looked.plan, looked.markets, looked.seen.desired).totals

    # -- judging

    def _judged(self, looked: _Looked, found: Decision) -> tuple[Decision, list[tuple[Plan, Wishes]]]:
        """What of `found` is done: what stops something, and beside it, one by one in natural order, what every guard
        and budget lets through; with the plan of each of the two."""
        why: dict[Address, str] = {}
        stops = frozenset(one.address for one in found.findings if one.act in ACTS_FIRST)
        costly = [one.address for one in found.findings if one.act in COSTLY]
        stopping = self._allowed(looked, found, stops, why)
        done, adding = frozenset(costly), self._allowed(looked, found, frozenset(costly), why)
        if adding is None and len(costly) > 1:
            done = frozenset()
            for address in costly:
                more = self._allowed(looked, found, done | {address}, why, address)
                if more is not None:
                    done, adding = done | {address}, more
        acts = (stops if stopping is not None else frozenset()) | (done if adding is not None else frozenset())
        return found.only(acts, why), [one for one in (stopping, adding) if one is not None]

    def _allowed(
        self,
        looked: _Looked,
        found: Decision,
        acts: frozenset[Address],
        why: dict[Address, str],
        judged: Address | None = None,
    ) -> tuple[Plan, Wishes] | None:
        """The plan of nothing but `acts`; None where it is not allowed, or nothing is to be done: `why` says so of
        `judged`, or of each of them."""
        if not acts:
            return None
        part = _part(looked.wishes, found, acts)
        try:
            made = self._priced(looked, part)
        except (ConfigError, CloudError) as error:
            said = error.problems[0].summary if isinstance(error, ConfigError) else str(error)
        else:
            touched = {one.address for one in made.plan.changes if one.ways}
            more = sorted(str(one) for one in touched - acts if one.kind != "ports")
            if not made.refusals and not more:
                return made.plan, part
            said = made.refusals[0].summary if made.refusals else f"{more[0]} would be changed with it"
        why |= dict.fromkeys(acts if judged is None else (judged,), said)
        return None

    def _priced(self, looked: _Looked, part: Wishes) -> PricedPlan:
        made = priced_plan(self.session, looked.seen, part)
        return hold_budgets(self.session, made, self._budgets(looked.config), self.request.hours)

    def _budgets(self, config: Config) -> tuple[Budget, ...]:
        """Those that any apply is held to, and the one of the watch."""
        every = side_by_side(self.request.budgets, config.budgets)
        watch = config.watch
        if watch is None or watch.max_hourly_cost is None:
            return every
        return (*every, Budget(max_hourly_cost=watch.max_hourly_cost, position=watch.position, section="watch"))

    # -- doing

    def _act(self, config: Config, plan: Plan, part: Wishes) -> None:
        """Carry out `plan`, if it is still that one, of files that are still the same, under the lock."""
        with self._fresh() as session:
            now, wishes = wanted(session, self.request)
            if now is None or now.sha256 != config.sha256 or now.watch != config.watch:
                raise stale("the files have changed since the watch looked")
            wishes = attrs.evolve(
                wishes, held_to=part.held_to, limits=part.limits, moving=part.moving, places=part.places
            )
            budgets = self._budgets(now)
            approval = _Decided(plan, self.hold)
            run = Run(session, now, wishes, self.how, approval, self.reporter, None, budgets, self.request.hours)
            try:
                outcome = run()
                self._acted += [step.address for step in outcome.done if step.address not in self._acted]
            finally:
                run.set_off()


def _part(wishes: Wishes, found: Decision, acts: frozenset[Address]) -> Wishes:
    """`wishes` for nothing but `acts`, and the ports of their bids."""
    limits = {a: limit for a, limit in found.limits.items() if a in acts}
    ports = {Address("ports", one.name) for one in acts if one.kind == "bid"}
    return attrs.evolve(wishes, held_to=acts | ports, limits=limits, moving=found.moving & acts)


def _places(state: State, policy: Watching) -> dict[Address, Place]:
    """Where bids are placed again: where they were, unless they may be placed elsewhere."""
    if policy.switch_region:
        return {}
    bids = ((address, binding.applied) for address, binding in state.bindings.items())
    return {a: (bid.instance_type, bid.region) for a, bid in bids if isinstance(bid, Bid)}


def _is_live(seen: Observed, address: Address) -> bool:
    from flowplan.state.ownership import is_live

    return is_live(seen.state.bindings.get(address), seen.live)

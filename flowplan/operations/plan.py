"""Plan: what would be done, at what cost, and what speaks against it. Nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import attrs
from attrs import field

from flowplan.classes import frozen
from flowplan.errors import CloudError, ConfigError, GuardRefused
from flowplan.model.budget import side_by_side
from flowplan.model.resources import Bid
from flowplan.model.selection import Patterns
from flowplan.operations.looking.observe import Observed, observe_beside
from flowplan.operations.looking.prices import Prices, pasts_of, prices_of, streams_of
from flowplan.operations.opening.excerpts import with_lines
from flowplan.operations.opening.session import Session
from flowplan.operations.validate import Named, configuration, named_in
from flowplan.pricing.lifetime import ENDLESS
from flowplan.pricing.units import DAY, HOUR, MONTH

ENDED = "give it a later end_at, or leave the task out"

if TYPE_CHECKING:
    from datetime import datetime

    from flowplan.config import Config, Source
    from flowplan.cost.priced_plan import PricedPlan
    from flowplan.diagnostics import Diagnostic
    from flowplan.documents.shapes.plan import PastPrices, PlanDocument, SealedPlan
    from flowplan.model.address import Address
    from flowplan.model.budget import Budget
    from flowplan.model.hooks import Hook
    from flowplan.model.lifecycle import Lifetime
    from flowplan.model.live import Live
    from flowplan.model.outputs import Evaluated
    from flowplan.planning.lookup import Desired
    from flowplan.planning.plan import Plan, Wishes
    from flowplan.pricing.history import Stream
    from flowplan.pricing.past import Past
    from flowplan.state.state import State

    Body = TypeVar("Body", bound=PlanDocument | SealedPlan)


@frozen
class Request:
    """What to plan. `paths`: task files and directories, or sources that are read already; none means flowplan.yaml.

    `keep_volumes`: to destroy, leave volumes and forget them. `refresh_only`: only record what is live.
    `refresh` False: plan by the state alone, only to look. `patterns`:
    which part of it, and what to replace whatever differs. `destroyable`: names or addresses of volumes whose data may
    go. `hours`: how far ahead the cost is forecast, None: each task's estimated duration, else a day. `what_if`: the
    hours of a simulation of the auctions. `complete`: with what stays as it is and every span, for machines, sealed.
    `history`: with the past prices of its auctions, to be drawn. `policies`: files of rules. `hooks`: whether the
    files' commands run afterwards. `scripts`: with the startup scripts of the bids that it places.
    """

    paths: tuple[str | Source, ...] = ()
    destroy: bool = False
    keep_volumes: bool = False
    refresh_only: bool = False
    refresh: bool = True
    patterns: Patterns = field(factory=Patterns)
    destroyable: frozenset[str] = frozenset()
    hours: float | None = None
    budgets: tuple[Budget, ...] = ()
    what_if: float | None = None
    complete: bool = False
    history: bool = False
    hooks: bool = False
    scripts: bool = False
    policies: tuple[str, ...] = ()
    saved_policies: Mapping[str, str] = field(factory=dict)  # files of a saved plan, with their texts
    variables: Mapping[str, str] = field(factory=dict, repr=False)  # of a saved plan, for those that are not given

    @property
    def asked(self) -> Mapping[str, object]:
        """What of it may exclude each other, by the names of `combinations.RULES`; empty: it is not asked for."""
        return {
            "destroy": self.destroy,
            "keep_volumes": self.keep_volumes,
            "refresh_only": self.refresh_only,
            "no_refresh": not self.refresh,
            "replace": self.patterns.replace,
            "allow_volume_destroy": self.destroyable,
            "max_changes": any(one.max_changes is not None for one in self.budgets),
            "what_if": self.what_if is not None,
        }


@frozen
class Planned:
    """A plan with its price, and its document; `shown`: that with the scripts that were requested, never saved. `seen`:
    what it was made from, `hooks`: what runs once it is shown."""

    priced: PricedPlan
    document: PlanDocument | SealedPlan
    shown: PlanDocument | SealedPlan
    seen: Observed
    hooks: tuple[Hook, ...] = ()

    @property
    def changes_something(self) -> bool:
        """Whether an apply would change what is live, or the state: the outputs, or the name_prefix alone."""
        from flowplan.documents.outputs import saved_besides

        body = self.document
        return not self.priced.plan.empty or bool(saved_besides(body["outputs"], body["diagnostics"]))

    @property
    def sealed(self) -> SealedPlan:
        """The document of a plan that was requested `complete`. Raises ValueError for another."""
        if "sha256" not in self.document:
            raise ValueError("this plan has no digest: it was not requested complete")
        return self.document


def plan(session: Session, request: Request, tell: Callable[[int, int], None] = lambda done, all_: None) -> Planned:
    """Plan, without the lock. `tell` hears how far a simulation is. Raises ConfigError; a plan that a guard refuses is
    returned, with its refusals."""
    config, wishes = wanted(session, request)
    budgets = side_by_side(request.budgets, config.budgets) if config is not None else ()  # what removes is cheap
    with session.looking():
        loaded = session.load(removes=request.destroy)
        loaded, seen = observe_beside(session, loaded, config, refresh=request.refresh, partial=wishes.partial)
        if request.destroy:
            from flowplan.operations.looking.unknown_stack import hold_known

            hold_known(session, loaded, seen.state.stack, seen.live, wishes.declared)
        drawn = request.what_if is not None or request.history
        found = priced_plan(session, seen, wishes, forecasts=lambda plan: request.complete or drawn or not plan.empty)
        pasts = pasts_of(session, found) if drawn else None
        streams = None if pasts is None else streams_of(session, found, pasts)
        if request.complete or not found.plan.empty:  # people who have nothing to decide are shown no forecast
            spans = (HOUR, DAY, MONTH) if request.complete else (HOUR,) if budgets else ()
            found = forecast(session, found, request.hours, spans=spans, streams=streams)
        found = with_lines(hold_budgets(session, found, budgets, request.hours), config)
    names = tuple(path if isinstance(path, str) else path.name for path in request.paths)
    body = document_of(session, seen, found, names, unchanged=request.complete, wishes=wishes)
    if request.history and pasts is not None:
        body["price_history"] = _history(session, found, pasts)
    if request.what_if is not None and streams is not None:
        from flowplan.operations.what_if import simulated

        body["what_if"] = simulated(found.costs, streams, seen.catalogue, request.what_if, tell)
    whole = sealed(session, body) if request.complete else body
    shown = with_scripts(session, whole, found.plan, seen.live) if request.scripts else whole
    return Planned(found, whole, shown, seen, wishes.hooks)


def with_scripts(session: Session, body: Body, plan: Plan, live: Live) -> Body:
    """`body`, the document of `plan`, with the startup scripts of the bids that it places, beside those that run, as
    far as the API shows them."""
    from flowplan.documents.scripts import with_scripts as made
    from flowplan.planning.actions import Replace
    from flowplan.startup.carried import script_of

    replaced = [live.bids.get(one.id) for one in plan.changes if isinstance(one, Replace) and one.id is not None]
    scripts = {bid.id: script_of(bid) for bid in replaced if bid is not None}
    running = {id: script for id, script in scripts.items() if script is not None}
    return made(body, plan.changes, running, session.listener.secretless)


def _history(session: Session, found: PricedPlan, pasts: Mapping[tuple[str, str], Past]) -> list[PastPrices]:
    from flowplan.documents.price_history import price_history

    known = {auction: (past.prices, past.complete) for auction, past in pasts.items()}
    return price_history(found.costs, known, session.cloud().time())


def wanted(session: Session, request: Request, *, changes: bool = False) -> tuple[Config | None, Wishes]:
    """What the files and the request ask for. Without configuration: to destroy, none is needed. `changes`: it is about
    to be done, and while the files are read, the state's server is asked already. Raises ConfigError."""
    from flowplan.operations.checking.policies import policy_files, read_policies
    from flowplan.planning.plan import Wishes

    sources, scope = session.sources(request.paths, optional=request.destroy)
    if changes:
        session.reach()
    try:
        config = None if request.destroy else configuration(session, sources, request.variables)
    except ConfigError as error:
        from flowplan.operations.opening.not_given import say_not_given

        say_not_given(session, scope, sources, error)
        raise
    named = named_in(session, sources, request.variables) if request.destroy else Named()
    if scope.locked:
        from flowplan.planning.plan import Unread

        named = attrs.evolve(named, unread=attrs.evolve(named.unread or Unread(), locked=scope.locked))
    if named.why_unread is not None and request.paths and not session.may_have_made(scope):
        from flowplan.operations.opening.not_given import say_gone

        say_gone(session, scope)
        raise named.why_unread  # nobody is helped by "nothing to destroy": what runs is some other file's
    files = policy_files(session, request.policies, request.saved_policies)
    return config, Wishes(
        policies=(*read_policies(files), *(config or named).policies),
        policy_files=files,
        hooks=(config or named).hooks if request.hooks else (),
        refresh=request.refresh,
        mode="destroy" if request.destroy else "refresh-only" if request.refresh_only else "apply",
        patterns=request.patterns,
        destroyable=request.destroyable,
        keep_volumes=request.keep_volumes,
        in_scope=lambda binding: scope.covers(binding) or binding.address in named.addresses,
        attached=named.attached,
        lifecycles=named.lifecycles,
        spared=named.spared,
        declared=named.addresses,
        given_up=named.given_up,
        unread=named.unread,
        variables=named.variables,
        name_prefix=named.name_prefix,
        files=scope,
    )


def document_of(
    session: Session,
    seen: Observed,
    found: PricedPlan,
    paths: Sequence[str] = (),
    *,
    unchanged: bool = True,
    wishes: Wishes | None = None,
) -> PlanDocument:
    """The plan's JSON document. `paths`: what it was made of, for those who apply it later; `unchanged`: with the
    resources that stay as they are; `wishes`: with the policy files, and the variables where there is no
    configuration."""
    from flowplan.documents.plan import Circumstances, document
    from flowplan.operations.checking.sensitive import kept_of

    config = seen.config
    sha256, sensitive = ("", None) if config is None else kept_of(session, config)
    about = Circumstances(
        timestamp=session.now(),
        state=seen.state,
        config_sha256=sha256,
        paths=tuple(paths),
        variables=config.variables if config is not None else wishes.variables if wishes is not None else {},
        policies=wishes.policy_files if wishes is not None else {},
        sensitive=sensitive,
        outputs=_outputs(seen.state, config, found.plan),
        state_at=session.chosen.recorded(session.identity, session.settings.directory),
    )
    return document(found, about, unchanged=unchanged)


def _outputs(state: State, config: Config | None, plan: Plan) -> Mapping[str, Evaluated]:
    """As they are once `plan` is carried out."""
    if not state.outputs and (config is None or not config.outputs):
        return {}
    from flowplan.operations.outputs import planned_outputs

    return planned_outputs(state, config, plan)


def sealed(session: Session, body: PlanDocument) -> SealedPlan:
    """`body` with its digest, and signed where there is a key to sign with."""
    from flowplan.documents.plan import sealed, signed

    made = sealed(body)
    key = session.settings.plan_key
    return made if key is None else signed(made, key.reveal().encode())


def _never(plan: Plan) -> bool:
    return False


def priced_plan(
    session: Session, seen: Observed, wishes: Wishes, *, forecasts: Callable[[Plan], bool] = _never
) -> PricedPlan:
    """Plan, fetch the prices (one call per distinct type, region and quantity) and ask the guards. `forecasts`: whether
    the plan will be forecast; the past prices of that are fetched beside the others."""
    from flowplan.cost.estimate import priced
    from flowplan.cost.priced_plan import PricedPlan
    from flowplan.operations.checking.environment import other_environment, other_state
    from flowplan.operations.checking.policing import refused_by_policies, unheeded
    from flowplan.operations.checking.recipients import other_recipients
    from flowplan.planning.actions import Delete
    from flowplan.planning.guards import refusals
    from flowplan.planning.jobs import notes
    from flowplan.planning.make import make_plan
    from flowplan.planning.unreported import hold_reported

    state = seen.recorded if wishes.mode == "refresh-only" else seen.state  # what moves or is imported is not recorded
    plan = make_plan(seen.desired, state, seen.live, wishes, seen.pending)
    hold_reported(plan, seen.catalogue, seen.live)
    prices = prices_of(session, plan, seen, pasts=forecasts(plan))
    markets = prices.markets
    for address, why in plan.staying:
        session.cloud().note(f"{address} stays: {why}")
    unchecked = hold_placeable(session, plan, prices, seen)
    warnings = (*(seen.config.warnings if seen.config is not None else ()), *map(as_warning, plan.faults))
    if wishes.unread is not None and not wishes.lapsed:
        warnings = (*warnings, *map(_as_recorded, wishes.unread.locked))
    others = (other_recipients(session), other_environment(seen, wishes), other_state(seen, plan))
    warnings = (*(one for one in others if one is not None), *warnings)
    if any(isinstance(one, Delete) for one in plan.changes) and wishes.mode == "apply":
        from flowplan.operations.beside import named_beside

        warnings = (*warnings, *named_beside(session, plan, wishes))
    desired = lived(session, plan, seen) if forecasts(plan) or plan.patterns.partial else seen.desired
    costs = priced(plan, markets, desired)
    return PricedPlan(
        plan,
        costs,
        (*refusals(plan, seen.live, wishes), *refused_by_policies(session, plan, wishes, seen, costs)),
        unchecked=unchecked,
        warnings=(*warnings, *unheeded(wishes, seen), *notes(plan.changes, desired, seen.state.paid)),
        past=prices.past,
    )


def lived(session: Session, plan: Plan, seen: Observed) -> Desired:
    """What is desired, with what is left of lifetimes that no file has any more, or that no file is read for; and of
    bids that no file names any more, which lifetimes are over as they were applied."""
    known, desired = seen.state.bindings, seen.desired
    bids = [one.address for one in plan.changes if isinstance(one.before, Bid) and one.address in known]
    if not bids:
        return desired
    from flowplan.operations.looking.lifetimes import seen_of
    from flowplan.planning.lifetimes import Lives, as_applied, left_as_applied, over

    gone = {a: bounds for a in bids if a not in desired.lifetimes and (bounds := as_applied(known[a])) is not None}
    if not gone:
        return desired
    found = seen_of(session, gone, seen.state, seen.live)
    left = left_as_applied(gone, seen.state, found)
    dropped = {a: one for a, one in gone.items() if plan.mode == "apply" and a not in desired.resources}
    return attrs.evolve(
        desired,
        left={**desired.left, **{a: Lives(ENDLESS, ENDLESS, one) for a, one in left.items()}},
        over={**desired.over, **over(dropped, seen.state, seen.live, found)},
    )


def as_warning(fault: Diagnostic) -> Diagnostic:
    """A problem of what a plan leaves out."""
    return attrs.evolve(fault, severity="warning", summary=f"{fault.about} is left out: {fault.summary}")


def _as_recorded(locked: Diagnostic) -> Diagnostic:
    """A warning of a file that cannot be read, for a plan that needs none."""
    summary = f"{locked.summary}: what the state says that it made is destroyed"
    return attrs.evolve(locked, severity="warning", summary=summary, hint=None)


def hold_placeable(session: Session, plan: Plan, prices: Prices, seen: Observed) -> tuple[Diagnostic, ...]:
    """Notes of what could not be checked. Raises ConfigError for what `plan` would place in vain: where nothing is
    offered any more, or as FCP takes it from nobody. A running bid would be cancelled first, and nothing come of it."""
    from flowplan.diagnostics import Diagnostic
    from flowplan.planning.actions import Create, Replace
    from flowplan.planning.limits import refused

    config, unplaceable = seen.config, seen.desired.unplaceable
    if config is None:
        return ()
    placing, now = [one.address for one in plan.changes if isinstance(one, (Create, Replace))], session.cloud().time()
    problems = [unplaceable[address] for address in placing if address in unplaceable]
    problems += [
        config.problem(address, "lifetime", f"{address} would end at once: {why}", ENDED, code="lifetime-over")
        for address, why in _over_at_once(seen.desired.lifetimes, placing, now).items()
    ]
    quotas, unchecked = prices.quotas, list[Diagnostic]()
    if isinstance(quotas, CloudError):
        summary = f"flowplan could not check the quotas: {quotas}"
        quotas, unchecked = (), [Diagnostic("unchecked", summary, severity="note")]
    limits = {address: task.limit_price for address, task in config.tasks.items()}
    problems += refused(plan, prices.markets, seen.catalogue.ssh_keys, quotas, limits, config.problem)
    if problems:
        raise ConfigError(problems)
    return tuple(unchecked)


def _over_at_once(
    lifetimes: Mapping[Address, Lifetime], placing: Iterable[Address], now: datetime
) -> dict[Address, str]:
    """Those of `placing` whose lifetime is over before it begins, each with why."""
    if not lifetimes:
        return {}
    from flowplan.planning.lifetimes import past

    return {a: why for a in placing if a in lifetimes and (why := past(lifetimes[a], now)) is not None}


def hold_budgets(session: Session, found: PricedPlan, budgets: Sequence[Budget], hours: float | None) -> PricedPlan:
    """`found` held to `budgets`; forecast first, where one of them is judged by that and it is not yet."""
    if not budgets:
        return found
    from flowplan.cost.budgets import judged, refusals
    from flowplan.planning import mass_change

    if found.costs.forecast is None and any(budget.by_forecast for budget in budgets):
        found = forecast(session, found, hours, spans=(HOUR,))
    verdicts, mass = judged(found.costs, budgets), mass_change.judged(found.plan, budgets)
    refused = (*found.refusals, *mass_change.refusals(mass), *refusals(found.costs, verdicts))
    return attrs.evolve(found, refusals=refused, judged=(*found.judged, *verdicts), mass=mass)


def forecast(
    session: Session,
    found: PricedPlan,
    hours: float | None,
    *,
    spans: Iterable[float] = (),
    streams: Mapping[tuple[str, str], Stream] | None = None,
) -> PricedPlan:
    """`found` with what it will cost over `hours` (see `forecasted`) and over `spans`. `streams`: those of
    `streams_of`, if they are there already."""
    from flowplan.cost.forecast import forecasted

    streams = streams_of(session, found) if streams is None else streams
    now = session.cloud().time()
    return attrs.evolve(found, costs=forecasted(found.costs, streams, hours, spans, now))


def hold_unseen(found: Iterable[Diagnostic]) -> None:
    """Raise GuardRefused where what is said of a plan needs somebody who has looked at it: that its variables are those
    of another environment, or that what it places may run already."""
    from flowplan.operations.checking.environment import hold_warned

    hold_warned(found)


def tell_unseen(session: Session, found: Iterable[Diagnostic]) -> None:
    """Warn of what `hold_unseen` raises: of a plan that a program applies, which may have looked at it."""
    from flowplan.operations.checking.environment import and_then, warned

    for one in warned(found):
        session.listener.warn(and_then(one, one.hint or ""))


def refuse(session: Session, found: PricedPlan, *, saved: bool = False) -> None:
    """Raise GuardRefused when a guard says no, with every reason. The plan is shown by then; a `saved` one is not."""
    if found.refusals:
        reasons = sorted({refusal.word or refusal.code for refusal in found.refusals})
        guards = f"the guard{'' if len(reasons) == 1 else 's'} {', '.join(reasons)}"
        first = found.refusals[0]
        raise GuardRefused(
            f"refused by {guards}; {session.nothing_was('changed')}",
            code=first.code,
            detail="\n".join(refusal.summary for refusal in found.refusals) if saved else None,
            hint=_remedy(first) if saved else runs_on(found),
            refusals=() if saved else found.refusals,
        )


def runs_on(found: PricedPlan) -> str | None:
    """What a refused plan leaves running although its lifetime is over, and how to stop it anyway; None: nothing, or
    what is refused itself."""
    from shlex import quote

    from flowplan.planning.actions import Expire

    refused = {one.about for one in found.refusals}
    due = [str(one.address) for one in found.plan.changes if isinstance(one, Expire)]
    due = [one for one in due if one not in refused]
    if not due:
        return None
    run = f"{', '.join(due)} {'keeps running past its' if len(due) == 1 else 'keep running past their'} lifetime"
    return f"{run}; to stop only that: flowplan apply {' '.join(f'--target {quote(one)}' for one in due)}"


def _remedy(refusal: Diagnostic) -> str | None:
    """What to do about a refusal of a saved plan."""
    if refusal.code != "volume-data":
        return refusal.hint
    return (
        "a permission in a plan file proves nothing: name the volume here with --allow-volume-destroy, "
        "or give --expect SHA256, or sign plans with FLOWPLAN_PLAN_KEY"
    )

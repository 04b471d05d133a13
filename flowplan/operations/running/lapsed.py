"""What is past its lifetime where the configuration cannot be used: an apply still cancels it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from flowplan.errors import CloudError, ConfigError, GuardRefused, StateError, UsageProblem
from flowplan.model.address import Address, in_order
from flowplan.model.selection import Patterns, matching
from flowplan.operations.checking.policies import readable_policies
from flowplan.operations.looking.lifetimes import over
from flowplan.operations.looking.live import certain
from flowplan.operations.opening.loading import load_state
from flowplan.operations.proposing.request import Request, wanted
from flowplan.operations.validate import configuration

if TYPE_CHECKING:
    from flowplan.config import Config
    from flowplan.model.lifecycle import Bounds
    from flowplan.model.policy import Policies
    from flowplan.operations.opening.session import Session
    from flowplan.planning.plan import Wishes
    from flowplan.state.state import Binding, State


def lapsed(session: Session, request: Request, *, as_applied: bool = False) -> Wishes | None:
    """What cancels the bids of the files of `request` that are past their lifetime, and does nothing else; None: there
    is none, or nobody can tell, which is noted. Of a file that cannot be read the lifetimes are those that the last
    apply read, as is what it protects. Of a policy file, what it protects holds as far as it can be made out.
    `as_applied`: only those whose file, where it can be read, has the lifetime that was applied."""
    try:
        _, wishes = wanted(session, attrs.evolve(request, destroy=True, policies=()))
        state = load_state(session).state
    except (ConfigError, GuardRefused, StateError, UsageProblem):
        return None
    bounds = _bounds(session, request, wishes, state)
    if as_applied:
        from flowplan.planning.lifetimes import has_lifetime_as_applied

        bounds = {a: one for a, one in bounds.items() if has_lifetime_as_applied(state.bindings[a], one)}
    if not bounds:
        return None
    try:
        _, live = session.enter_and_list(state, None, session.cloud().objects_as_reported())
        live = certain(session.cloud(), state, live, hurried=True)
        found = over(session, bounds, state, live)
    except (CloudError, ConfigError, GuardRefused) as error:
        session.listener.note(f"flowplan cannot tell now whether a lifetime is over: {error}")
        return None
    ids = {a: state.bindings[a].id for a in found}
    there = {a: id for a, id in ids.items() if id in live.bids and not live.bids[id].ended}
    policies = (*readable_policies(session, request.policies), *wishes.policies)
    protected = {a: named for a in there if (named := _policy_of(state.bindings[a], policies, wishes))}
    for address in sorted(protected, key=in_order):
        stays = "stays, paused" if live.bids[there[address]].bid.paused else "runs on, and costs money"
        over_since = f"{address} is past its lifetime ({found[address]}), but {stays}"
        session.listener.note(f"{over_since}: the policy protects {protected[address]}")
        del there[address]
    if not there:
        return None
    return attrs.evolve(
        wishes,
        name_prefix=None,  # what ends by itself needs nobody's look
        stack="",
        policies=policies,
        lapsed={id: found[a] for a, id in there.items()},
        patterns=Patterns(),  # they have chosen already
    )


def _policy_of(binding: Binding, policies: Iterable[Policies], wishes: Wishes) -> str:
    """Which address in `protected` of `policies` means the bid; where the files cannot be read, as it was applied. "":
    none."""
    from flowplan.planning.protection import protecting

    as_applied = binding.protected_by if wishes.unread is not None else ""
    return protecting(policies, binding.address) or as_applied


def _bounds(session: Session, request: Request, wishes: Wishes, state: State) -> dict[Address, Bounds]:
    """By address: the lifetimes that may be over, of what may be ended."""
    config, patterns = _readable(session, request), request.patterns
    ours = {a: b for a, b in state.bindings.items() if a.kind == "bid" and wishes.in_scope(b) and not b.protected}
    meant = set(ours) if not patterns.targets else {a for p in patterns.targets for a in matching(p, ours)}
    meant -= {a for p in patterns.excluded for a in matching(p, ours)}
    kept = {a for a, one in wishes.lifecycles.items() if one.prevent_destroy} | wishes.spared
    found = {a: _bound(ours[a], config) for a in meant - kept}
    return {a: bound for a, bound in found.items() if bound is not None}


def _readable(session: Session, request: Request) -> Config | None:
    """The configuration, where only the cloud shows what is wrong with it; None: it cannot be read."""
    try:
        sources, _ = session.sources(request.paths)
        return configuration(session, sources, request.variables)
    except (ConfigError, UsageProblem):
        return None


def _bound(binding: Binding, config: Config | None) -> Bounds | None:
    """The lifetime of a bid, which follows the file if that can be read, still has it, and the bid has no successor;
    None: it has none, or goes with the fixed file."""
    address = binding.address
    task = config.tasks.get(address) if config is not None else None
    if task is not None:
        return task.lifetime.bounds if task.lifetime is not None else None
    moves = {one.old for one in config.moved} if config is not None and not address.is_earlier else set()
    return None if moves & {address, Address(address.kind, address.base)} else binding.lifetime

"""A plan held to its policies: by the clocks of their time zones, and the prices of now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowplan.errors import FlowplanError
from flowplan.model.address import Address
from flowplan.model.catalogue import Named
from flowplan.operations.checking.policies import zone_of

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from flowplan.config import Config
    from flowplan.cost.costs import Costs
    from flowplan.diagnostics import Diagnostic
    from flowplan.operations.looking.observe import Observed
    from flowplan.operations.opening.session import Session
    from flowplan.planning.plan import Plan, Wishes
    from flowplan.pricing.entry import Estimate


def refused_by_policies(
    session: Session, plan: Plan, wishes: Wishes, seen: Observed, costs: Costs
) -> tuple[Diagnostic, ...]:
    """What the policies of `wishes` refuse of `plan`, by the prices of `costs` and the time of now."""
    if not wishes.policies:
        return ()
    from flowplan.planning.policies import Circumstances, refused

    moments = _moments(session, wishes)
    about = Circumstances(seen.catalogue, seen.live, _project(seen), moments, _paid(costs))
    return refused(plan, wishes.policies, about)


def unheeded(wishes: Wishes, seen: Observed) -> tuple[Diagnostic, ...]:
    """Warnings of what in the policies of `wishes` limits nothing, and of lifetimes that they let end nothing."""
    if wishes.mode != "apply" or not wishes.policies:
        return ()
    from flowplan.planning.policies import protecting_from_the_end, protecting_nothing, unused

    recorded = {*seen.recorded.bindings, *seen.state.bindings}
    unmet = () if seen.config is None else protecting_nothing(wishes.policies, recorded | declared(seen.config))
    unmet += protecting_from_the_end(wishes.policies, seen.desired.lifetimes)
    return (*unused(wishes.policies, seen.catalogue, _project(seen)), *unmet)


def heedless(session: Session, config: Config) -> tuple[Diagnostic, ...]:
    """Warnings of lifetimes that the policies of the files let end nothing; and of what in these protects nothing, as
    far as the state can be read here; of one on a server nothing is known, because nobody is asked."""
    if not config.policies:
        return ()
    from flowplan.planning.policies import protecting_from_the_end, protecting_nothing

    lifetimes = {address: one.lifetime for address, one in config.tasks.items() if one.lifetime is not None}
    endless = protecting_from_the_end(config.policies, lifetimes)
    if session.chosen.is_url:
        return endless
    try:
        recorded = session.store.read().state.bindings
    except (FlowplanError, OSError):  # a check of files says nothing of the state
        return endless
    return endless + protecting_nothing(config.policies, {*recorded, *declared(config)})


def declared(config: Config) -> set[Address]:
    """The addresses that a configuration has, the ports of its tasks among them."""
    return {*config.tasks, *config.volumes, *(Address("ports", one.name) for one in config.tasks)}


def _project(seen: Observed) -> Named:
    return Named(seen.state.project or "", seen.state.project_name or "")


def _moments(session: Session, wishes: Wishes) -> dict[str, tuple[datetime, ...]]:
    """The time of now in each time zone that the policies of `wishes` name, as far as this system knows it: by the
    API's clock and, where nobody knows which of the two is wrong, by this machine's."""
    zones = {one.hours.zone: zone_of(one.hours.zone) for one in wishes.policies if one.hours is not None}
    now, here = session.cloud().time(), session.cloud().doubted_by() if zones else None
    clocks = (now,) if here is None else (now, here)
    return {name: tuple(one.astimezone(zone) for one in clocks) for name, zone in zones.items() if zone is not None}


def _paid(costs: Costs) -> dict[Address, Decimal | None]:
    """Dollars per instance-hour that each bid would pay now; of one that would wait, the price that it waits for."""
    return {one.change.address: _price(one.cost) for one in costs.changes if one.cost is not None}


def _price(cost: Estimate) -> Decimal | None:
    if cost.entry.point is None and cost.entry.basis == "losing" and cost.market is not None:
        return cost.market.spot
    return cost.entry.point

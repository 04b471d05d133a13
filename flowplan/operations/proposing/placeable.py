"""Whether what a plan would place can be placed at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from flowplan.errors import CloudError, ConfigError

if TYPE_CHECKING:
    from flowplan.cloud.fcp import Fcp
    from flowplan.diagnostics import Diagnostic
    from flowplan.model.address import Address
    from flowplan.model.lifecycle import Lifetime
    from flowplan.operations.looking.observe import Observed
    from flowplan.operations.looking.prices import Prices
    from flowplan.operations.opening.session import Session
    from flowplan.planning.plan import Plan

ENDED = "give it a later end_at, or leave the task out"


def hold_placeable(session: Session, plan: Plan, prices: Prices, seen: Observed) -> tuple[Diagnostic, ...]:
    """Notes of what could not be checked. Raises ConfigError for what `plan` would place in vain: where nothing is
    offered any more, or as FCP takes it from nobody. A running bid would be cancelled first, and nothing come of it."""
    from flowplan.diagnostics import Diagnostic
    from flowplan.planning.actions import Create, Replace
    from flowplan.planning.limits import refused

    config, unplaceable = seen.config, seen.desired.unplaceable
    if config is None:
        return ()
    placing, cloud = [one.address for one in plan.changes if isinstance(one, (Create, Replace))], session.cloud()
    problems = [unplaceable[address] for address in placing if address in unplaceable]
    problems += [
        config.problem(address, "lifetime", f"{address} would end at once: {why}", ENDED, code="lifetime-over")
        for address, why in _over_at_once(seen.desired.lifetimes, placing, cloud).items()
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


def _over_at_once(lifetimes: Mapping[Address, Lifetime], placing: Iterable[Address], cloud: Fcp) -> dict[Address, str]:
    """Those of `placing` whose lifetime is over before it begins, each with why."""
    if not lifetimes.keys() & set(placing):
        return {}
    from flowplan.planning.lifetimes import past_by_any

    now, here = cloud.time(), cloud.doubted_by()
    whys = {a: past_by_any(lifetimes[a], now, here) for a in placing if a in lifetimes}
    return {a: why for a, why in whys.items() if why is not None}

"""Look at what a plan is priced by: prices of now and of the past, and the quotas, all at one time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from flowplan.classes import frozen
from flowplan.cloud.looks import Looks, known, single
from flowplan.errors import CloudError
from flowplan.operations.looking.observe import Observed
from flowplan.operations.opening.session import Session

if TYPE_CHECKING:
    from flowplan.cost.priced_plan import PricedPlan
    from flowplan.model.catalogue import Quota
    from flowplan.planning.plan import Plan
    from flowplan.pricing.entry import Key, Market
    from flowplan.pricing.history import Stream
    from flowplan.pricing.past import Fetched, Past


@frozen
class Prices:
    """The prices of now; the quotas, none where the plan takes nothing that one could forbid, or why they could not be
    fetched; and the past prices, where they were asked for."""

    markets: Mapping[Key, Market]
    quotas: tuple[Quota, ...] | CloudError
    past: Fetched | None


def prices_of(session: Session, plan: Plan, seen: Observed, *, pasts: bool) -> Prices:
    """What `plan` is priced by, and with `pasts` what it is forecast by. Raises CloudError for the prices of now that
    bids are priced by alone, unless it only stops something; why there is no past is for the forecast to raise."""
    from flowplan.cost.forecast import auctions_ahead
    from flowplan.planning.limits import counts_against_quotas
    from flowplan.pricing.past import Fetched

    cloud = session.cloud()
    auctions = auctions_ahead(plan.changes) if pasts else []
    counted = seen.config is not None and counts_against_quotas(plan)
    stopping = plan.adds_nothing
    all_pasts = cloud.each_past(auctions, shown_only=stopping, hurried=plan.only_stops)
    each_past = all_pasts if stopping else all_pasts.or_error()
    quotas: Looks[tuple[Quota, ...] | CloudError]
    quotas = single(cloud.quotas).or_error() if counted else known(())
    (markets, limits), past = cloud.read(_each_market(session, plan, seen).beside(quotas).beside(each_past))
    markets = _with_one_more(session, plan, markets)
    return Prices(markets, limits, Fetched(frozenset(auctions), past) if auctions else None)


def markets_of(session: Session, plan: Plan, seen: Observed) -> dict[Key, Market]:
    """The prices of now that `plan` is priced by. Raises CloudError for those that bids are priced by alone, unless it
    only stops something."""
    markets = session.cloud().read(_each_market(session, plan, seen))
    return _with_one_more(session, plan, markets)


def _each_market(session: Session, plan: Plan, seen: Observed) -> Looks[dict[Key, Market]]:
    from flowplan.cost.estimate import auctions_needed

    needed = auctions_needed(seen.desired, seen.state, seen.live, plan.changes)
    company = [key for key, is_priced_by in needed.items() if not is_priced_by]
    return session.cloud().each_market(needed, needed if plan.adds_nothing else (), company, hurried=plan.only_stops)


def _with_one_more(session: Session, plan: Plan, markets: Mapping[Key, Market]) -> dict[Key, Market]:
    """`markets` with what the next instance would take: that depends on the prices themselves."""
    from flowplan.cost.estimate import one_more

    return session.cloud().with_one_more(markets, one_more(plan.changes, markets))


def pasts_of(session: Session, found: PricedPlan) -> dict[tuple[str, str], Past]:
    """The past prices that forecasts of it need, as far as they are not fetched already: one call a region, none
    without bids."""
    from flowplan.cost.forecast import auctions_of

    auctions = auctions_of(found.costs)
    if not auctions:
        return {}
    fetched = None if found.past is None else found.past.of(auctions)
    if fetched is not None:
        return fetched
    return session.cloud().pasts(auctions, shown_only=found.plan.adds_nothing, hurried=found.plan.only_stops)


def streams_of(
    session: Session, found: PricedPlan, pasts: Mapping[tuple[str, str], Past] | None = None
) -> dict[tuple[str, str], Stream]:
    """What forecasts of it are made from: `pasts`, where they are fetched already (`pasts_of`)."""
    from flowplan.cost.forecast import auctions_of
    from flowplan.pricing.history import Stream

    pasts = pasts_of(session, found) if pasts is None else pasts
    now = session.cloud().time()
    minimum = {(market.instance_type, market.region): market.minimum for market in found.costs.markets.values()}
    streams = {
        auction: Stream.of(past.prices, now, reserve=minimum.get(auction), complete=past.complete)
        for auction, past in pasts.items()
    }
    for auction in auctions_of(found.costs):  # of what has no past, the present may be known
        streams.setdefault(auction, Stream.of((), now, reserve=minimum.get(auction)))
    return streams

"""The auctions as anybody sees them: prices now, behind and ahead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from flowplan.classes import frozen
from flowplan.cloud.looks import or_why
from flowplan.diagnostics import Diagnostic
from flowplan.errors import CloudError, Unauthorized
from flowplan.operations.opening.session import Session

if TYPE_CHECKING:
    from flowplan.cloud.fcp import Fcp
    from flowplan.documents.market import Auctions
    from flowplan.model.catalogue import Auction, InstanceType
    from flowplan.pricing.entry import Market
    from flowplan.pricing.past import Past


_WINDOW = timedelta(days=14)  # what a forecast looks back on
_TREND = timedelta(days=7)  # what a table's trend shows where nothing says otherwise


@frozen
class Asked:
    """What is asked: `hours` ahead; `since` when, None: as long as a forecast or a trend needs, and no price change is
    listed; at which `limit`, dollars per instance-hour; with `advice` on a limit in any case."""

    hours: float
    since: timedelta | None
    limit: Decimal | None
    advice: bool


def look(session: Session, types: Sequence[str], region: str | None, asked: Asked) -> Auctions:
    """The auctions with their prices, the sizes of a GPU one after the other, of each the cheapest region first: two
    lists, one call an auction, one call a region. What could not be fetched is noted, and unknown. Raises ConfigError
    for a type or a region that is not there, UsageProblem for what is no name of a type, CloudError where nothing could
    be fetched."""
    from flowplan.documents.market import Auctions
    from flowplan.pricing.offers import Question, View, by_type_and_price, offer, wanted

    cloud, notes = session.cloud(), list[Diagnostic]()
    meant = wanted(cloud.offered(), types, region)
    since = asked.since or (_WINDOW if types else _TREND)
    with session.listener.busy(f"asking for the prices of {len(meant)} auction{'s' if len(meant) != 1 else ''}..."):
        markets = _markets(cloud, meant, notes)
        if types:
            markets = _with_one_more(cloud, markets)
        now = cloud.time()
        pasts = _pasts(cloud, meant, None if since <= _WINDOW else now - since, notes)
    question = Question(now, asked.hours, asked.limit, advice=bool(types) or asked.advice)
    offers = []
    for kind, auction in meant:
        key = (auction.instance_type, auction.region)
        past = pasts.get(key)
        known = ((), True) if past is None else (past.prices, past.complete)
        offers.append(offer(kind, auction, markets[key], *known, question))
    return Auctions(
        by_type_and_price(offers),
        View(now, asked.hours, since, asked.limit),
        timestamp=session.now(),
        api_url=session.settings.api_url,
        notes=notes,
        named=bool(types),
        history=asked.since is not None,
    )


def _markets(
    cloud: Fcp, auctions: Iterable[tuple[InstanceType, Auction]], notes: list[Diagnostic]
) -> dict[tuple[str, str], Market | None]:
    """The prices for one instance in each; None, with a note, where they could not be fetched."""
    keys = [(auction.instance_type, auction.region) for _, auction in auctions]
    found = dict(
        zip(
            keys,
            cloud.side_by_side([or_why(partial(cloud.market, (*key, 1)), (Unauthorized,)) for key in keys]),
            strict=True,
        )
    )
    failed = {key: one for key, one in found.items() if isinstance(one, CloudError)}
    if failed:
        (kind, region), error = next(iter(failed.items()))
        more = f", and those of {len(failed) - 1} more" if len(failed) > 1 else ""
        notes.append(_not_fetched(f"the prices of {kind} in {region}{more} could not be fetched: {error}"))
    return found | dict.fromkeys(failed)


def _with_one_more(
    cloud: Fcp, markets: Mapping[tuple[str, str], Market | None]
) -> dict[tuple[str, str], Market | None]:
    """`markets` with what tells how the price moves when a bid enters: one call for each that is full."""
    keyed = {(*auction, 1): one for auction, one in markets.items() if one is not None}
    more = {key: (*key[:2], 2) for key, one in keyed.items() if one.is_entered_by_displacing}
    return {**markets, **{key[:2]: one for key, one in cloud.with_one_more(keyed, more).items()}}


def _pasts(
    cloud: Fcp, auctions: Iterable[tuple[InstanceType, Auction]], since: datetime | None, notes: list[Diagnostic]
) -> dict[tuple[str, str], Past]:
    """The past prices of each: 14 days, or `since` then. Of a region where they could not be fetched, a note."""
    regions: dict[str, list[tuple[str, str]]] = {}
    for _, auction in auctions:
        regions.setdefault(auction.region, []).append((auction.instance_type, auction.region))
    calls = [or_why(partial(cloud.pasts, keys, since), (Unauthorized,)) for keys in regions.values()]
    found = cloud.side_by_side(calls)
    failed = {region: one for region, one in zip(regions, found, strict=True) if isinstance(one, CloudError)}
    if failed:
        where, error = ", ".join(sorted(failed)), next(iter(failed.values()))
        said = f"past prices in {where} could not be fetched: {error}; there is no forecast for them"
        notes.append(_not_fetched(said))
    return {key: past for part in found if not isinstance(part, CloudError) for key, past in part.items()}


def _not_fetched(summary: str) -> Diagnostic:
    return Diagnostic("not-fetched", summary, severity="warning")

"""The auctions as anybody sees them -> a document. Money as text, null where it is unknown: never 0."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from flowplan import __version__
from flowplan.classes import frozen
from flowplan.cost.advised import is_far_above_need
from flowplan.diagnostics import Diagnostic
from flowplan.documents.about import moment
from flowplan.documents.amounts import band, money, plain
from flowplan.documents.cost import of_advice, of_bid, of_entry, snapshot_id
from flowplan.exact import exact
from flowplan.names import few
from flowplan.pricing.offers import Offer, View
from flowplan.pricing.slices import Prices, from_then_on
from flowplan.pricing.units import usd

if TYPE_CHECKING:
    from flowplan.documents.shapes import market as shape
    from flowplan.documents.shapes.cost import BidCost

FORMAT_VERSION = "1.0"


@frozen
class Auctions:
    """The auctions as they were read. `notes`: what could not be fetched; `named`: types were asked for, so each is
    shown in full; `history`: the document has the price changes since then, null without."""

    offers: Sequence[Offer]
    view: View
    timestamp: str
    api_url: str
    notes: Sequence[Diagnostic]
    named: bool
    history: bool

    def __repr__(self) -> str:
        """The last price of each auction, in dollars per instance-hour; a notebook shows it, and a log."""
        prices = [f"{one.kind.name} in {one.auction.region} {usd(one.market.spot)}" for one in self.offers]
        return f"<Auctions: {few(prices) or 'none'}>"


@exact
def document(found: Auctions) -> shape.MarketDocument:
    """The auctions in the order of `found`."""
    view = found.view
    return {
        "format_version": FORMAT_VERSION,
        "flowplan_version": __version__,
        "timestamp": found.timestamp,
        "api_url": found.api_url,
        "as_of": moment(view.now),
        "unit": "USD/instance-hour",
        "horizon_hours": view.hours,
        "limit": money(view.limit),
        "auctions": [_auction(one, view, history=found.history) for one in found.offers],
        "diagnostics": [{"severity": "warning", "summary": note.summary} for note in found.notes],
    }


def _auction(one: Offer, view: View, *, history: bool) -> shape.Auction:
    market, kind = one.market, one.kind
    return {
        "id": one.auction.id,
        "instance_type": kind.id,
        "instance_type_name": kind.name,
        "gpu_type": kind.gpu_type or None,
        "gpus_per_instance": kind.gpus or None,
        "region": one.auction.region,
        "reserve": money(market.minimum),
        "last_price": money(market.spot),
        "last_price_per_gpu": None if one.per_gpu is None else f"{one.per_gpu:.4f}",
        "lowest_allocated": money(market.lowest_allocated),
        "win_price": money(market.win_price),
        "available_instances": market.available,
        "total_instances": market.total,
        "entry_price": of_entry(one.entry),
        "price_paid": band(one.ahead.price_paid),
        "confidence": one.ahead.basis,
        "basis": one.ahead.basis,
        "evidence": one.ahead.evidence,
        "at_limit": _at_limit(one),
        "advice": _advice(one),
        "as_of": market.as_of,
        "market_snapshot_id": snapshot_id(market),
        "history": history_of(one.past, view.now - view.since) if history else None,
    }


def _at_limit(one: Offer) -> BidCost | None:
    """What a bid for one instance would cost: as in a plan."""
    if one.bid is None:
        return None
    far = ("limit_far_above_need",) if is_far_above_need(one.bid, one.advice) else ()
    advice = of_advice(one.advice, one.forecast, 1)
    return of_bid(one.bid, one.forecast, advice=advice, warnings=(*one.bid.warnings, *far))


def _advice(one: Offer) -> shape.AdviceAhead | None:
    """As in a plan, and what can be expected at that limit."""
    said = of_advice(one.advice, one.forecast, 1)
    if said is None or one.advice is None:
        return None
    found = one.advice.forecast
    return {
        **said,
        "cost_over_horizon": None if found is None else band(found.cost),
        "preemptions_per_day": None if found is None else plain(found.preemptions_per_day.expected),
    }


def history_of(past: Prices, since: datetime) -> shape.History:
    """The price that was in force, and every change since."""
    kept = from_then_on(past, since)
    return {"timestamps": [moment(at) for at, _ in kept], "spot_prices": [f"{price:.2f}" for _, price in kept]}

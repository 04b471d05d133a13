"""What a plan costs -> its part of the plan document, and what is warned of.

Money as text, null where it is unknown: never 0.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from flowplan.plan import Change, Plan
from flowplan.pricing import (
    CENT,
    STORAGE_PER_GB_MONTH,
    Estimate,
    Market,
    Total,
    cents,
    storage_per_hour,
)
from flowplan.reports.amounts import band as _band
from flowplan.reports.amounts import money as _money
from flowplan.reports.amounts import plain as _plain
from flowplan.resources import Bid, Volume
from flowplan.state import digest

if TYPE_CHECKING:
    from flowplan.pricing import Advice, EntryPrice, Forecast


def cost(change: Change) -> dict[str, Any] | None:
    """What a bid or a volume costs as planned (as it is, when it goes away); null for ports, which are free."""
    resource = change.after or change.before
    if isinstance(resource, Volume):
        return _storage(resource)
    found = change.cost or change.cost_before
    if found is None:
        return None
    return of_bid(found, change.forecast if change.cost is not None else change.forecast_before, change.advice)


def of_bid(found: Estimate, expected: Forecast | None, advice: Advice | None) -> dict[str, Any]:
    """What a bid costs now and, where that is forecast, over a horizon."""
    body = _auction(found)
    if expected is None:
        return body
    over = {"horizon": {"hours": expected.hours, **_band(expected.cost), "worst": _money(expected.worst_case)}}
    if expected.hours == 24:
        over["day"] = over["horizon"]
    return {**body, **_expected(expected, advice), "cost": {**body["cost"], **over}}


def _storage(volume: Volume) -> dict[str, Any]:
    hour = storage_per_hour(volume.size_gb)
    month = STORAGE_PER_GB_MONTH * volume.size_gb
    return {
        "unit": "USD/GB-month",
        "quantity": volume.size_gb,
        "price": _money(STORAGE_PER_GB_MONTH),
        "cost": {
            "hour": {"now": _money(hour), "worst": _money(hour)},
            "month": {"now": _money(month), "worst": _money(month)},
        },
        "warnings": [],
        "basis": "list",
    }


def _auction(found: Estimate) -> dict[str, Any]:
    market = found.market
    return {
        "unit": "USD/instance-hour",
        "quantity": found.quantity,
        "gpus_per_instance": found.gpus,
        "limit": _money(found.limit),
        "reserve": _money(market.minimum if market else None),
        "last_price": _money(market.spot if market else None),
        "entry_price": of_entry(found.entry),
        "outlook": found.outlook,
        "price_paid": dict.fromkeys(("p10", "p50", "p90")),
        "availability": dict.fromkeys(("p10", "mean", "p90")),
        "preemptions_per_day": None,
        "cost": {
            "hour": {
                "now": _money(found.now),
                "if_won": _money(found.if_won),
                "p10": None,
                "p50": None,
                "p90": None,
                "worst": _money(found.worst),
            }
        },
        "savings_vs_limit": _savings(found),
        "savings_vs_list": None,
        "finish_time": None,
        "advice": None,
        "warnings": list(found.warnings),
        "confidence": "point-only" if found.outlook != "unknown" else "unknown",
        "basis": "point-only" if found.outlook != "unknown" else "unknown",
        "as_of": market.as_of if market else None,
        "market_snapshot_id": snapshot_id(market) if market else None,
    }


def of_entry(entry: EntryPrice) -> dict[str, str | None]:
    """What a bid would pay first."""
    return {
        "point": _money(entry.point),
        "low": _money(entry.low),
        "high": _money(entry.high),
        "basis": entry.basis,
    }


def _expected(found: Forecast, advice: Advice | None) -> dict[str, Any]:
    """What is forecast, in the place of what is not known without it."""
    paid, share, cost = found.price_paid, found.availability, found.cost
    body: dict[str, Any] = {
        "price_paid": {"p10": _money(paid.p10), "p50": _money(paid.p50), "p90": _money(paid.p90)},
        "availability": {"p10": _plain(share.p10), "mean": _plain(share.expected), "p90": _plain(share.p90)},
        "preemptions_per_day": _plain(found.preemptions_per_day.expected, CENT),
        "confidence": found.basis,
        "basis": found.basis,
        "evidence": found.evidence,
    }
    if found.worst_case and cost.expected is not None:
        body["savings_vs_limit"] = f"{int((1 - cost.expected / found.worst_case) * 1000) / 1000:.3f}"
    if advice is not None:
        body["advice"] = of_advice(advice, found)
    return body


def of_advice(advice: Advice, found: Forecast | None) -> dict[str, str | None]:
    """The limit that keeps a bid running, and what it is expected to cost more than what was asked about (null: than
    nothing, or unknown)."""
    return {
        "limit_for_95": _money(advice.limit_price),
        "confidence": _plain(advice.confidence),
        "expected_more": None if found is None else _money(advice.dearer_than(found)),
    }


def _savings(found: Estimate) -> str | None:
    """1 - price / limit, rounded down to a tenth of a percent; only where it would run."""
    if found.entry.point is None or not found.limit:
        return None
    share = 1 - found.entry.point / found.limit
    return f"{int(share * 1000) / 1000:.3f}"


@cache
def snapshot_id(market: Market) -> str:
    """A digest of the prices that were used."""
    prices = (market.spot, market.minimum, market.lowest_allocated, market.win_price)
    return digest(
        [market.instance_type, market.region, market.quantity, [_money(price) for price in prices], market.available]
    )[:16]


def totals(plan: Plan) -> dict[str, Any]:
    """Per hour, storage included: as it is, as planned, and the difference."""
    all_ = plan.totals
    return {
        "unit": "USD/hour",
        "current": _total(all_.current),
        "planned": _total(all_.planned),
        "delta": _total(all_.delta),
        "totalHourlyCost": _money(all_.planned.now),
        "pastTotalHourlyCost": _money(all_.current.now),
        "diffTotalHourlyCost": _money(all_.delta.now),
        "horizon": _horizon(plan),
    }


def _horizon(plan: Plan) -> dict[str, Any] | None:
    """Over the horizon of the forecast, quantiles of the sum; null where nothing was forecast."""
    found = plan.forecast
    if found is None:
        return None
    from flowplan.forecasts import movers  # who has nothing to decide is shown no forecast

    parts = {"current": found.current, "planned": found.planned, "delta": found.delta}
    return {
        "hours": plan.hours,
        **{
            name: {**_band(part.cost), "worst": _money(part.worst_case), "basis": part.basis}
            for name, part in parts.items()
        },
        "movers": [{"address": str(change.address), "expected": _money(by)} for change, by in islice(movers(plan), 3)],
    }


def _total(total: Total) -> dict[str, Any]:
    return {"now": _money(total.now), "p50": None, "p90": None, "worst": _money(total.worst)}


# ---- warnings ---------------------------------------------------------------------------------------------

ABOUT_THE_LIMIT = ("below_reserve", "cannot_win_now", "limit_far_above_need")
_FAR = 3  # times what is needed


def warnings_of(change: Change) -> tuple[str, ...]:
    """Of what is placed or changed: what its estimate warns of, and what its forecast does."""
    if change.cost is None or change.action == "no-op":
        return ()
    found, limit = list(change.cost.warnings), change.cost.limit
    if change.forecast is not None and change.forecast.basis in ("low", "point-only"):
        found.append("thin_history")
    advice = change.advice
    if is_far_above_need(limit, advice):
        found.append("limit_far_above_need")
    return tuple(found)


def is_far_above_need(limit: Decimal, advice: Advice | None) -> bool:
    """Whether a limit is that much above the one advised that a spike could be dear."""
    return advice is not None and advice.limit_price is not None and limit > advice.limit_price * _FAR


def advised(change: Change) -> str | None:
    """The limit that keeps a bid running, what is promised of it, and what it is expected to cost more."""
    advice, found = change.advice, change.forecast
    if advice is None or advice.limit_price is None or advice.confidence is None:
        return None
    text = kept_by(advice)
    more = advice.dearer_than(found) if found is not None else None
    return text if more is None or more <= 0 else f"{text}, for about ${cents(more):,.2f} more"


def kept_by(advice: Advice) -> str:
    """What the limit advised does, and how surely. Of advice that is none: "unknown"."""
    if advice.limit_price is None or advice.confidence is None:
        return "unknown"
    return (
        f"a limit of ${advice.limit_price:.2f} keeps it running {advice.availability:.0%} of {span(advice.hours)}"
        f" in {advice.confidence:.0%} of cases"
    )


def span(hours: float) -> str:
    """How long a horizon is, in words."""
    return "a day" if hours == 24 else f"{hours / 24:g} days" if hours >= 48 else f"{hours:g} hours"


def told(warning: str, change: Change) -> str:
    """A warning of the estimate, with its figures."""
    bid, found = change.after, change.cost
    assert isinstance(bid, Bid) and found is not None  # noqa: S101 - only estimates have warnings
    market, limit = found.market, f"${bid.limit_price:.2f}"
    minimum = f"${market.minimum:.2f}" if market and market.minimum is not None else "unknown"
    win = f"${market.win_price:.2f}" if market and market.win_price is not None else "unknown"
    return {
        "below_reserve": f"{change.address}: the limit {limit} is below the reserve {minimum}; it can never win",
        "cannot_win_now": f"{change.address}: the limit {limit} does not win now; the smallest that does is {win}",
        "tie": f"{change.address}: the limit {limit} equals the lowest winning one; the older bid wins a tie",
        "thin_history": f"{change.address}: too little is known of past prices for more than a rough forecast",
        "limit_far_above_need": f"{change.address}: the limit {limit} is far above need, and may be paid",
        "all_or_nothing_too_large": f"{change.address}: {found.quantity} instances are more than the whole auction has",
    }[warning]

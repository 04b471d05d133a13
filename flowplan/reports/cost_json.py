"""What a plan costs -> its part of the plan document, and what is warned of.

Money as text, null where it is unknown: never 0.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from flowplan.budget import Judged
from flowplan.plan import Change, Plan
from flowplan.pricing import (
    CENT,
    STORAGE_PER_GB_MONTH,
    Estimate,
    Market,
    Total,
    storage_per_hour,
)
from flowplan.reports.amounts import money as _money
from flowplan.reports.cost_warnings import warnings_of
from flowplan.resources import Volume
from flowplan.state import digest

if TYPE_CHECKING:
    from flowplan.pricing import Advice, Band, Forecast


def cost(change: Change) -> dict[str, Any] | None:
    """What a bid or a volume costs as planned (as it is, when it goes away); null for ports, which are free."""
    resource = change.after or change.before
    if isinstance(resource, Volume):
        return _storage(resource)
    found = change.cost or change.cost_before
    if found is None:
        return None
    body = _auction(change, found)
    expected = change.forecast if change.cost is not None else change.forecast_before
    if expected is None:
        return body
    over = {"horizon": {"hours": expected.hours, **_band(expected.cost), "worst": _money(expected.worst_case)}}
    if expected.hours == 24:
        over["day"] = over["horizon"]
    return {**body, **_expected(expected, change.advice), "cost": {**body["cost"], **over}}


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


def _auction(change: Change, found: Estimate) -> dict[str, Any]:
    market = found.market
    entry = found.entry
    return {
        "unit": "USD/instance-hour",
        "quantity": found.quantity,
        "gpus_per_instance": found.gpus,
        "limit": _money(found.limit),
        "reserve": _money(market.minimum if market else None),
        "last_price": _money(market.spot if market else None),
        "entry_price": {
            "point": _money(entry.point),
            "low": _money(entry.low),
            "high": _money(entry.high),
            "basis": entry.basis,
        },
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
        "warnings": list(warnings_of(change)),
        "confidence": "point-only" if found.outlook != "unknown" else "unknown",
        "basis": "point-only" if found.outlook != "unknown" else "unknown",
        "as_of": market.as_of if market else None,
        "market_snapshot_id": snapshot_id(market) if market else None,
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
        more = advice.dearer_than(found)
        body["advice"] = {
            "limit_for_95": _money(advice.limit_price),
            "confidence": _plain(advice.confidence),
            "expected_more": _money(more),
        }
    return body


def _band(band: Band) -> dict[str, str | None]:
    parts = {"p10": band.p10, "p50": band.p50, "p90": band.p90, "expected": band.expected}
    return {name: _money(part) for name, part in parts.items()}


def _plain(number: Decimal | None, unit: Decimal = Decimal("0.001")) -> str | None:
    return None if number is None else f"{number.quantize(unit).normalize():f}"


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
        "guards": [_judged(one) for one in plan.judged],
    }


def _judged(judged: Judged) -> dict[str, Any]:
    """One limit on what may be spent: dollars an hour before, after, and allowed after; null where unknown."""
    budget, place = judged.budget, judged.budget.position
    limit = budget.max_hourly_cost if judged.limit == "max_hourly_cost" else budget.max_cost_increase
    return {
        "guard": judged.limit,
        "limit": f"{limit:.2f}" if isinstance(limit, Decimal) else str(limit),
        "basis": budget.basis,
        "before": _money(judged.before),
        "after": _money(judged.after),
        "allowed": _money(judged.allowed),
        "refused": judged.refused,
        "source": None if place is None else {"file": place.file, "line": place.line, "column": place.column},
    }


def _horizon(plan: Plan) -> dict[str, Any] | None:
    """Over the horizon of the forecast, quantiles of the sum; null where nothing was forecast."""
    found = plan.forecast
    if found is None:
        return None
    parts = {"current": found.current, "planned": found.planned, "delta": found.delta}
    return {
        "hours": plan.hours,
        **{
            name: {**_band(part.cost), "worst": _money(part.worst_case), "basis": part.basis}
            for name, part in parts.items()
        },
        "movers": [{"address": str(address), "expected": _money(by)} for address, by in plan.movers[:3]],
    }


def _total(total: Total) -> dict[str, Any]:
    return {"now": _money(total.now), "p50": None, "p90": None, "worst": _money(total.worst)}

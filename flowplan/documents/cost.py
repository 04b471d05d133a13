"""What a plan costs -> its part of the plan document, and what is warned of.

Money as text, null where it is unknown: never 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from flowplan.cost.costs import Costs, Priced
from flowplan.cost.warnings import warnings_of
from flowplan.documents.amounts import band as _band
from flowplan.documents.amounts import money as _money
from flowplan.documents.amounts import plain as _plain
from flowplan.documents.diagnostics import source
from flowplan.model.budget import Judged
from flowplan.model.digest import digest
from flowplan.model.resources import Volume
from flowplan.pricing.entry import Estimate, Market, Total
from flowplan.pricing.lifetime import ENDLESS, Left
from flowplan.pricing.units import CENT, DAY, HOUR, MONTH, STORAGE_PER_GB_MONTH, storage_per_hour, storage_per_month

if TYPE_CHECKING:
    from flowplan.documents.shapes import cost as shape
    from flowplan.pricing.advice import Advice
    from flowplan.pricing.entry import EntryPrice
    from flowplan.pricing.forecasting import Forecast
    from flowplan.pricing.sums import StackForecast, Sum

_NONE: Mapping[float, Forecast] = MappingProxyType({})


def cost(one: Priced) -> shape.BidCost | shape.VolumeCost | None:
    """What a bid or a volume costs as planned (as it is, when it goes away); null for ports, which are free."""
    resource = one.change.after or one.change.before
    if isinstance(resource, Volume):
        return of_volume(resource)
    found = one.cost or one.cost_before
    if found is None:
        return None
    expected = one.forecast if one.cost is not None else one.forecast_before
    advice = of_advice(one.advice, one.forecast, found.quantity, one.left) if one.forecast is not None else None
    return of_bid(found, expected, advice=advice, spans=one.spans, warnings=[found.word for found in warnings_of(one)])


def of_bid(
    found: Estimate,
    expected: Forecast | None,
    *,
    advice: shape.Advice | None = None,
    spans: Mapping[float, Forecast] = _NONE,
    warnings: Sequence[str] = (),
) -> shape.BidCost:
    """What a bid costs now and, where that is forecast, over a horizon; `spans`: over these hours too."""
    body = _auction(found, warnings)
    if expected is None:
        return body
    hour, day, month = (spans.get(hours) for hours in (HOUR, DAY, MONTH))
    costs = body["cost"]
    costs["day"], costs["horizon"], costs["month"] = _over(day), _over(expected), _over(month)
    if hour is not None:
        costs["hour"] = {**costs["hour"], **_band(hour.cost)}
    _expect(body, found, expected)
    body["advice"] = advice
    body["hourlyCost"], body["monthlyCost"] = _middle(hour), _middle(month)
    return body


def _middle(found: Forecast | None) -> str | None:
    return _money(found.cost.p50) if found is not None else None


def of_volume(volume: Volume) -> shape.VolumeCost:
    """What a volume costs."""
    hour, month = _money(storage_per_hour(volume.held_gb)), _money(storage_per_month(volume.held_gb))
    return {
        "unit": "USD/GB-month",
        "quantity": volume.held_gb,
        "price": _money(STORAGE_PER_GB_MONTH),
        "cost": {
            "hour": {"now": hour, "worst": hour},
            "month": {"now": month, "worst": month},
        },
        "warnings": [],
        "basis": "list",
        "hourlyCost": hour,
        "monthlyCost": month,
    }


def _auction(found: Estimate, warnings: Sequence[str]) -> shape.BidCost:
    market = found.market
    return {
        "unit": "USD/instance-hour",
        "quantity": None if "instance_quantity" in found.unreported else found.quantity,
        "gpus_per_instance": found.gpus,
        "limit": None if "limit_price" in found.unreported else _money(found.limit_price),
        "reserve": _money(market.minimum if market else None),
        "last_price": _money(market.spot if market else None),
        "list_price": _money(market.reserved if market else None),
        "entry_price": of_entry(found.entry),
        "per_gpu": _per_gpu(found),
        "outlook": found.outlook,
        "price_paid": {"p10": None, "p50": None, "p90": None},
        "availability": {"p10": None, "mean": None, "p90": None},
        "preemptions_per_day": None,
        "cost": {
            "hour": {
                "now": _money(found.now),
                "if_won": _money(found.if_won),
                "p10": None,
                "p50": None,
                "p90": None,
                "expected": None,
                "worst": _money(found.worst),
            },
            "day": None,
            "horizon": None,
            "month": None,
        },
        "savings_vs_limit": _savings(found),
        "savings_vs_list": None,
        "finish_time": None,
        "advice": None,
        "warnings": list(warnings),
        "confidence": "point-only" if found.outlook != "unknown" else "unknown",
        "basis": "point-only" if found.outlook != "unknown" else "unknown",
        "as_of": market.as_of if market else None,
        "market_snapshot_id": snapshot_id(market) if market else None,
        "hourlyCost": None,
        "monthlyCost": None,
    }


def of_entry(entry: EntryPrice) -> shape.EntryPrice:
    """What a bid would pay first."""
    return {
        "point": _money(entry.point),
        "low": _money(entry.low),
        "high": _money(entry.high),
        "basis": entry.basis,
    }


def _per_gpu(found: Estimate) -> shape.PerGpu | None:
    """The same per GPU-hour, to four decimals, limits up; null for types without GPUs, and for a limit that the API
    does not report."""
    if not found.gpus or "limit_price" in found.unreported:
        return None
    price = found.entry.point
    return {
        "limit": f"{(found.limit_price / found.gpus).quantize(_FOUR, ROUND_CEILING):f}",
        "entry_price": None if price is None else f"{(price / found.gpus).quantize(_FOUR, ROUND_HALF_UP):f}",
    }


_FOUR = Decimal("0.0001")


def _over(found: Forecast | None) -> shape.Over | None:
    """What it costs over the hours of a forecast, with how sure that is."""
    if found is None:
        return None
    return {"hours": found.hours, **_band(found.cost), "worst": _money(found.worst_case), "basis": found.basis}


def _expect(body: shape.BidCost, estimate: Estimate, found: Forecast) -> None:
    """Put what is forecast in the place of what is not known without it."""
    paid, share = found.price_paid, found.availability
    listed = estimate.market.reserved if estimate.market else None
    body["price_paid"] = {"p10": _money(paid.p10), "p50": _money(paid.p50), "p90": _money(paid.p90)}
    body["availability"] = {"p10": _plain(share.p10), "mean": _plain(share.expected), "p90": _plain(share.p90)}
    body["preemptions_per_day"] = _plain(found.preemptions_per_day.expected, CENT)
    body["savings_vs_list"] = _saved(paid.expected, listed)
    body["finish_time"] = _finish(found)
    body["confidence"] = body["basis"] = found.basis
    body["evidence"] = found.evidence
    if found.at_limit is not None:
        body["savings_vs_limit"] = _saved(found.cost.expected, found.at_limit)


def _finish(found: Forecast) -> shape.Finish | None:
    """When the hours of work that the task says are done, from now; null where it says none, or never gets there."""
    finish = found.finish
    if finish is None or finish.hours.p50 is None:
        return None
    return {
        "unit": "hours",
        "work": finish.work_hours,
        "p50": _plain(finish.hours.p50, _FOUR),
        "p90": _plain(finish.hours.p90, _FOUR),
        "cost": _band(finish.cost),
        "seen": _plain(finish.seen),
    }


def of_advice(
    advice: Advice | None, expected: Forecast | None, quantity: int, left: Left = ENDLESS
) -> shape.Advice | None:
    """The limit that keeps a bid for `quantity` instances running, its cost within what is `left` of its lifetime, and
    what is expected to be paid more than with what was asked about (null: nothing was)."""
    if advice is None:
        return None
    then = advice.forecast.cost.expected if advice.forecast else None
    return {
        "limit_for_95": _money(advice.limit_price),
        "confidence": _plain(advice.confidence),
        "cost_at_that_limit": _money(None if then is None else left.most(then * quantity)),
        "expected_more": None if expected is None else _money(advice.extra_cost_over(expected, left)),
    }


def _savings(found: Estimate) -> str | None:
    """By the price of now against the limit; only where it would run."""
    return _saved(found.entry.point, found.limit_price)


def _saved(paid: Decimal | None, instead_of: Decimal | None) -> str | None:
    """The share saved, rounded down to a tenth of a percent; negative where it is more expensive."""
    return None if paid is None or not instead_of else _share(1 - paid / instead_of)


def _share(saved: Decimal | None) -> str | None:
    return None if saved is None else f"{saved.quantize(Decimal('0.001'), ROUND_FLOOR):f}"


@lru_cache(maxsize=256)  # a program that runs for days sees other prices each minute
def snapshot_id(market: Market) -> str:
    """A digest of the prices that were used."""
    prices = (market.spot, market.minimum, market.lowest_allocated, market.win_price)
    return digest(
        [market.instance_type, market.region, market.quantity, [_money(price) for price in prices], market.available]
    )[:16]


def totals(costs: Costs, judged: Sequence[Judged] = ()) -> shape.Totals:
    """Per hour, storage included: as it is, as planned, and the difference. The names of Infracost: p50 of an hour, and
    of a month of 730 hours."""
    all_, hour, month = costs.totals, costs.spans.get(HOUR), costs.spans.get(MONTH)
    an_hour, a_month = _middles(hour), _middles(month)
    return {
        "unit": "USD/hour",
        "current": _total(all_.current, hour.current if hour else None),
        "planned": _total(all_.planned, hour.planned if hour else None),
        "delta": _total(all_.delta, hour.delta if hour else None),
        "totalHourlyCost": an_hour[0],
        "pastTotalHourlyCost": an_hour[1],
        "diffTotalHourlyCost": an_hour[2],
        "totalMonthlyCost": a_month[0],
        "pastTotalMonthlyCost": a_month[1],
        "diffTotalMonthlyCost": a_month[2],
        "horizon": _horizon(costs),
        "month": _stack(month),
        "guards": [_judged(one) for one in judged],
    }


def _middles(found: StackForecast | None) -> tuple[str | None, str | None, str | None]:
    """p50 as planned, as it is, and what it is more."""
    was, will = (found.current.cost.p50, found.planned.cost.p50) if found else (None, None)
    more = None if was is None or will is None else will - was
    return _money(will), _money(was), _money(more)


def _judged(judged: Judged) -> shape.Guard:
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
        "source": source(place),
    }


def _horizon(costs: Costs) -> shape.Horizon | None:
    """Over the horizon of the forecast; null where nothing was forecast."""
    found, hours = _stack(costs.forecast), costs.hours
    if found is None or hours is None:
        return None
    movers: list[shape.Mover] = [{"address": str(address), "expected": _money(by)} for address, by in costs.movers[:3]]
    return {"hours": hours, **found, "movers": movers}


def _stack(found: StackForecast | None) -> shape.Parts | None:
    """Quantiles of the sum, which are no sums of quantiles."""
    if found is None:
        return None
    return {"current": _saving(found.current), "planned": _saving(found.planned), "delta": _part(found.delta)}


def _part(part: Sum) -> shape.Part:
    return {**_band(part.cost), "worst": _money(part.worst_case), "basis": part.basis}


def _saving(part: Sum) -> shape.SavingPart:
    return {**_part(part), "savings_vs_limit": _share(part.saved)}


def _total(total: Total, likely: Sum | None) -> shape.Total:
    p50, p90 = (likely.cost.p50, likely.cost.p90) if likely else (None, None)
    return {"now": _money(total.now), "p50": _money(p50), "p90": _money(p90), "worst": _money(total.worst)}

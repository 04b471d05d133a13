"""What a plan warns of: prices and limits, each with its figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from flowplan.cost.costs import Costs, Priced
from flowplan.diagnostics import CODE_OF, Diagnostic, Severity
from flowplan.model.live import ALLOCATED
from flowplan.model.resources import Bid
from flowplan.planning.actions import NoOp
from flowplan.pricing.entry import Estimate
from flowplan.pricing.units import cents, span, usd

if TYPE_CHECKING:
    from flowplan.pricing.advice import Advice
    from flowplan.pricing.forecasting import Forecast

_ABOUT_THE_LIMIT = ("below_reserve", "cannot_win_now", "limit_far_above_need")
_NOT_RUNNING = ("below_reserve", "cannot_win_now", "all_or_nothing_too_large")
_OF_THE_AUCTION = ("self_competition", "stale_market")  # told once for all bids in it
_FAR = 3  # times what is needed
_VOLATILE = 2  # times the middle


def warnings_of(one: Priced) -> tuple[str, ...]:
    """Of what is placed or changed: what its estimate warns of, and what its forecast does."""
    if one.cost is None:
        return ()
    found = list(one.cost.warnings)
    if isinstance(one.change, NoOp):
        return tuple(found)
    if one.stale:
        found.append("stale_market")
    expected, advice = one.forecast, one.advice
    if expected is not None and expected.basis in ("low", "point-only"):
        found.append("thin_history")
    if expected is not None and _moves_much(expected):
        found.append("volatile")
    if is_far_above_need(one.cost.limit, advice):
        found.append("limit_far_above_need")
    return tuple(found)


def is_far_above_need(limit: Decimal, advice: Advice | None) -> bool:
    """Whether a limit is that much above the one advised that a spike could be dear."""
    return advice is not None and advice.limit_price is not None and limit > advice.limit_price * _FAR


def _moves_much(found: Forecast) -> bool:
    middle, high = found.cost.p50, found.cost.p90
    return middle is not None and high is not None and 0 < middle * _VOLATILE < high


def warned(costs: Costs) -> Iterator[Diagnostic]:
    """The diagnostics of prices and limits."""
    for one in costs.changes:
        if isinstance(one.change, NoOp):
            yield from _not_running(one)
            continue
        for warning in warnings_of(one):
            if warning not in _OF_THE_AUCTION:
                hint = advised(one) if warning in _ABOUT_THE_LIMIT else _HINTS.get(warning)
                yield _said("warning", told(warning, one), warning, hint, one)
    for bids in _auctions(costs.changes):
        stale = next((one for one in bids if one.stale), None)
        if stale is not None:
            yield _said("warning", f"{_place(stale)}: {stale.stale}", "stale_market", _HINTS["stale_market"], stale)
        yield from _competing(bids)


def _not_running(one: Priced) -> Iterator[Diagnostic]:
    """For an unchanged bid, warn only that it does not run. If your own new bids push it out, the warning is given once
    for all of them."""
    found = one.cost
    reason = next((one for one in found.warnings if one in _NOT_RUNNING), None) if found is not None else None
    if found is None or reason is None:
        return
    state = "is still running, but" if one.change.status == ALLOCATED else "does not run:"
    summary = f"{one.change.address} ({one.change.status}) {state} {_TEXTS[reason](one, found)}"
    hint = "it costs nothing while it waits; to get it running, raise the limit or choose another type or region"
    yield _said("warning", summary, reason, hint, one)


_HINTS = {
    "stale_market": "the plan is still valid, but its cost may not be: plan again",
    "volatile": "a lower limit caps what it can cost; `--max-hourly-cost` refuses a plan above a budget",
    "all_or_nothing_too_large": "split it into tasks of fewer instances, or choose another type or region",
    "tie": "raise the limit by one cent to win it",
}


def _said(severity: Severity, summary: str, warning: str, hint: str | None, one: Priced) -> Diagnostic:
    where, about = one.change.position, str(one.change.address)
    return Diagnostic(CODE_OF[warning], summary, hint, severity=severity, position=where, about=about)


def told(warning: str, one: Priced) -> str:
    """A warning of one bid, with its figures."""
    assert one.cost is not None  # noqa: S101 - only estimates have warnings
    return f"{one.change.address}: {_TEXTS[warning](one, one.cost)}"


def _below_reserve(_: Priced, found: Estimate) -> str:
    reserve = found.market.minimum if found.market else None
    return f"the limit {usd(found.limit)} is below the reserve {usd(reserve)}; it can never win"


def _cannot_win_now(_: Priced, found: Estimate) -> str:
    return f"the limit {usd(found.limit)} does not win now; the lowest that does is {usd(found.entry.low)}"


def _tie(_: Priced, found: Estimate) -> str:
    return f"the limit {usd(found.limit)} equals the lowest winning one; the older bid wins a tie"


def _too_large(_: Priced, found: Estimate) -> str:
    total = found.market.total if found.market else None
    return f"{found.quantity} instances at once can never win: the whole auction has {total}"


def _ambiguous(_: Priced, found: Estimate) -> str:
    low, high = found.ambiguous or (None, None)
    why = "a larger bid of yours does not fit, and FCP does not document whether it still sets the price"
    return f"the price is between {usd(low)} and {usd(high)}: {why}"


def _thin(one: Priced, _: Estimate) -> str:
    known = f" ({one.forecast.evidence})" if one.forecast else ""
    return f"too few past prices are known for more than a rough forecast{known}"


def _volatile(one: Priced, _: Estimate) -> str:
    assert one.forecast is not None  # noqa: S101 - it is what warns
    cost, over = one.forecast.cost, span(one.forecast.hours)
    middle, high, mean = usd(cost.p50), usd(cost.p90), usd(cost.expected)
    return (
        f"the price varies a lot: over {over}, {middle} in the middle, {mean} on average, at most {high} in 9 "
        "of 10 cases"
    )


def _far_above(one: Priced, found: Estimate) -> str:
    need = one.advice.limit_price if one.advice else None
    return f"the limit {usd(found.limit)} is far above the {usd(need)} it needs; in a price spike you would pay it"


_TEXTS: dict[str, Callable[[Priced, Estimate], str]] = {
    "below_reserve": _below_reserve,
    "cannot_win_now": _cannot_win_now,
    "tie": _tie,
    "all_or_nothing_too_large": _too_large,
    "price_ambiguous": _ambiguous,
    "thin_history": _thin,
    "volatile": _volatile,
    "limit_far_above_need": _far_above,
}
OF_THE_MARKET = frozenset({*_TEXTS, *_OF_THE_AUCTION})  # every warning here: of what prices decide


def advised(one: Priced) -> str | None:
    """The limit that keeps a bid running, what is promised of it, and what it is expected to cost more."""
    advice, found = one.advice, one.forecast
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


# ---- your own bids in one auction -------------------------------------------------------------------------


def _auctions(changes: Iterable[Priced]) -> list[list[Priced]]:
    """The bids that take part, by auction, where one of them is placed or changed."""
    found: dict[tuple[str, str], list[Priced]] = {}
    for one in changes:
        if isinstance(one.change.after, Bid) and one.cost and one.cost.outlook not in ("paused", "cannot_win"):
            found.setdefault((one.change.after.instance_type, one.change.after.region), []).append(one)
    return [bids for bids in found.values() if not all(isinstance(one.change, NoOp) for one in bids)]


def _competing(bids: Sequence[Priced]) -> Iterator[Diagnostic]:
    """That your own bids compete: what that costs now, or, if it costs nothing yet, what it would cost."""
    hit = [one for one in bids if one.cost is not None and one.cost.alone is not None]
    first = next(one for one in bids if not isinstance(one.change, NoOp))
    if hit:
        yield _said("warning", f"{_place(first)}: {_price_of(hit)}", "self_competition", _ONE_TASK, first)
        return
    running = sorted((one for one in bids if one.cost and one.cost.outlook == "runs"), key=_limit)
    if len(running) < 2:
        return
    lowest, others = running[0], running[1:]
    limit, price = _limit(lowest), _now(others[0])
    if price is None or limit <= price:
        return
    more = (limit - price) * sum(one.cost.quantity for one in others if one.cost)
    summary = (
        f"{_place(first)}: {_names(running)} bid against each other; if {lowest.change.address} loses, the "
        f"others pay its limit: {usd(limit)} instead of {usd(price)}, {usd(more)} an hour more together"
    )
    yield _said("note", summary, "self_competition", _ONE_TASK, first)


_ONE_TASK = "one task with more instances (num_instances) does not bid against itself"


def _price_of(hit: Sequence[Priced]) -> str:
    """What competing costs, or who does not run because of it."""
    dearer = [one for one in hit if one.cost and one.cost.outlook == "runs"]
    parts = []
    if dearer:
        now, alone = _now(dearer[0]), _alone(dearer[0])
        each = [
            (after - before) * one.cost.quantity
            for one in dearer
            if one.cost and (after := _now(one)) is not None and (before := _alone(one)) is not None
        ]
        parts.append(
            f"{_names(dearer)} would pay {usd(now)} instead of {usd(alone)}, {usd(sum(each, Decimal(0)))} an hour more"
        )
    torn = [one for one in hit if one.cost and one.cost.outlook == "unknown"]
    if torn:
        most = usd(max(map(_limit, torn)))
        parts.append(
            f"{_names(torn)} may not all win; those that do pay up to {most}, instead of {usd(_alone(torn[0]))} alone"
        )
    late = [one for one in hit if one.cost and one.cost.outlook == "waits"]
    if late:
        parts.append(f"{_names(late)} would wait, although {'it' if len(late) == 1 else 'each'} would run alone")
    return "your own bids compete: " + "; ".join(parts)


def _names(bids: Sequence[Priced]) -> str:
    names = [str(one.change.address) for one in bids]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _place(one: Priced) -> str:
    bid = one.change.after
    assert isinstance(bid, Bid)  # noqa: S101 - only bids are in auctions
    return f"{bid.instance_type_name or bid.instance_type} in {bid.region}"


def _limit(one: Priced) -> Decimal:
    return one.cost.limit if one.cost else Decimal(0)


def _now(one: Priced) -> Decimal | None:
    return one.cost.entry.point if one.cost else None


def _alone(one: Priced) -> Decimal | None:
    return one.cost.alone.point if one.cost and one.cost.alone else None

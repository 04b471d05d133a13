"""What a plan warns of: prices and limits, each with its figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from flowplan.classes import frozen
from flowplan.cost.advised import advised, is_far_above_need
from flowplan.cost.costs import Costs, Priced
from flowplan.cost.interruptions import interruptions
from flowplan.cost.own_bids import of_auctions
from flowplan.diagnostics import Diagnostic
from flowplan.model.live import ALLOCATED, PREEMPTING
from flowplan.planning.actions import NoOp
from flowplan.pricing.entry import Estimate
from flowplan.pricing.units import span, usd

if TYPE_CHECKING:
    from flowplan.pricing.forecasting import Forecast

_ABOUT_THE_LIMIT = ("below_reserve", "cannot_win_now", "tie")
_NOT_RUNNING = ("below_reserve", "cannot_win_now", "all_or_nothing_too_large")
_OF_THE_AUCTION = ("self_competition", "stale_market", "limit_far_above_need")  # said once for all bids in it
_AHEAD = ("thin_history", "volatile", "limit_far_above_need")
_VOLATILE = 2  # times the middle


@frozen
class Warned:
    """What one bid is warned of: the `word` that documents have for it, and what it says, with its figures."""

    word: str
    text: str


def warnings_of(one: Priced) -> tuple[Warned, ...]:
    """Of what is placed or changed: what its estimate warns of, and what its forecast does."""
    cost = one.cost
    if cost is None:
        return ()
    found = [Warned(word, _TEXTS[word](cost)) for word in cost.warnings]
    if isinstance(one.change, NoOp):
        return tuple(found)
    if one.stale:
        found.append(Warned("stale_market", one.stale))
    if one.forecast is not None:
        found += _of_forecast(one.forecast)
    if is_far_above_need(cost, one.advice):
        found.append(Warned("limit_far_above_need", "the limit is far above need"))
    return tuple(found)


def _of_forecast(found: Forecast) -> Iterator[Warned]:
    if found.is_rough:
        yield Warned("thin_history", _thin(found))
    if _moves_much(found):
        yield Warned("volatile", _volatile(found))


def _moves_much(found: Forecast) -> bool:
    middle, high = found.cost.p50, found.cost.p90
    return middle is not None and high is not None and 0 < middle * _VOLATILE < high


def warned(costs: Costs) -> Iterator[Diagnostic]:
    """The diagnostics of prices and limits."""
    for one in costs.changes:
        if isinstance(one.change, NoOp):
            yield from _not_running(one)
            continue
        for found in warnings_of(one):
            if found.word not in _OF_THE_AUCTION:
                hint = _raise(one) if found.word in _ABOUT_THE_LIMIT else _hint(found.word, one)
                yield one.said("warning", f"{one.change.address}: {found.text}", found.word, hint)
    yield from interruptions(costs.changes)
    yield from of_auctions(costs)


def _not_running(one: Priced) -> Iterator[Diagnostic]:
    """For an unchanged bid, warn only that it does not run, unless you paused it. If your own new bids push it out, the
    warning is given once for all of them."""
    found = one.cost
    reason = next((one for one in found.warnings if one in _NOT_RUNNING), None) if found is not None else None
    if found is None or reason is None or found.outlook == "paused":
        return
    runs = one.change.status in (ALLOCATED, PREEMPTING)
    summary = f"{one.change.address}{_standing(one.change.status, runs=runs)} {_TEXTS[reason](found)}"
    yield one.said("warning", summary, reason, _STILL_RUNS if runs else _WAITS)


_WAITS = "it costs nothing while it waits; to get it running, raise the limit or choose another type or region"
_STILL_RUNS = (
    "you pay for it until it is preempted, and nothing while it waits then; to keep it running, raise the limit or "
    "choose another type or region"
)


def _standing(status: str | None, *, runs: bool) -> str:
    """How a bid stands, before what is to be said of its limit; "" and None: the cloud was not asked."""
    if not status:
        return ":"
    return f": {status}, {'still running, but' if runs else 'not running:'}"


_HINTS = {
    "volatile": "a lower limit caps what it can cost; `--max-hourly-cost` refuses a plan above a budget",
    "all_or_nothing_too_large": "split it into tasks of fewer instances, or choose another type or region",
}


def _hint(word: str, one: Priced) -> str | None:
    """What to do about it. A bid that is to win is never also advised to lower its limit."""
    losing = one.cost is not None and one.cost.outlook in ("waits", "cannot_win")
    return None if word == "volatile" and losing else _HINTS.get(word)


def _raise(one: Priced) -> str | None:
    """The one direction for a bid that loses: up, at least to what wins now. None for a paused one, which costs nothing
    as it is, and where what wins is unknown."""
    found, advice = one.cost, one.advice
    if found is None or found.outlook == "paused":
        return None
    wins, reserve = found.entry.low, found.market.minimum if found.market else None
    kept = advice.limit_price if advice is not None else None
    if kept is not None and kept > found.limit_price and (wins is None or kept >= wins):
        return advised(one)
    if wins is None:
        return f"raise it to at least {usd(reserve)}, the reserve" if reserve is not None else None
    return f"raise it to {usd(wins)}, the lowest that wins now"


def _below_reserve(found: Estimate) -> str:
    reserve = found.market.minimum if found.market else None
    return f"the limit {usd(found.limit_price)} is below the reserve {usd(reserve)}; it can never win"


def _cannot_win_now(found: Estimate) -> str:
    return f"the limit {usd(found.limit_price)} does not win now; the lowest that does is {usd(found.entry.low)}"


def _tie(found: Estimate) -> str:
    return f"the limit {usd(found.limit_price)} equals the lowest winning one; the older bid wins a tie"


def _too_large(found: Estimate) -> str:
    total = found.market.total if found.market else None
    return f"{found.quantity} instances at once can never win: the whole auction has {total}"


def _ambiguous(found: Estimate) -> str:
    low, high = found.ambiguous or (None, None)
    why = "a larger bid of yours does not fit, and FCP does not document whether it still sets the price"
    return f"the price is between {usd(low)} and {usd(high)}: {why}"


def _competes(_: Estimate) -> str:
    return "your own bids compete"


def _thin(found: Forecast) -> str:
    from flowplan.pricing.history import why_rough

    why = why_rough(found.hours)
    return f"the forecast over {span(found.hours)} is a rough one, because {why} ({found.evidence})"


def _volatile(found: Forecast) -> str:
    cost, over = found.cost, span(found.hours)
    middle, high, mean = usd(cost.p50), usd(cost.p90), usd(cost.expected)
    return (
        f"the price varies a lot: over {over} the median cost is {middle} and the average {mean}; 9 of 10 cases cost "
        f"at most {high}"
    )


_TEXTS: dict[str, Callable[[Estimate], str]] = {  # what an estimate warns of
    "below_reserve": _below_reserve,
    "cannot_win_now": _cannot_win_now,
    "tie": _tie,
    "all_or_nothing_too_large": _too_large,
    "price_ambiguous": _ambiguous,
    "self_competition": _competes,
}
OF_THE_MARKET = frozenset(
    {*_TEXTS, *_OF_THE_AUCTION, *_AHEAD, "interrupts"}
)  # every warning here: of what prices decide

"""What a plan warns of: prices and limits, each with its figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from attrs import frozen

from flowplan.cost.costs import Costs, Priced
from flowplan.cost.interruptions import interruptions
from flowplan.diagnostics import CODE_OF, Diagnostic, Severity
from flowplan.model.address import Address
from flowplan.model.catalogue import PRIORITIES
from flowplan.model.live import ALLOCATED
from flowplan.model.resources import Bid
from flowplan.planning.actions import NoOp
from flowplan.planning.succession import Succession
from flowplan.pricing.entry import Estimate
from flowplan.pricing.units import percent, span, usd
from flowplan.printable import natural

if TYPE_CHECKING:
    from flowplan.pricing.advice import Advice
    from flowplan.pricing.forecasting import Forecast

_ABOUT_THE_LIMIT = ("below_reserve", "cannot_win_now", "tie")
_NOT_RUNNING = ("below_reserve", "cannot_win_now", "all_or_nothing_too_large")
_OF_THE_AUCTION = ("self_competition", "stale_market", "limit_far_above_need")  # said once for all bids in it
_AHEAD = ("thin_history", "volatile", "limit_far_above_need")
_FAR = 3  # times what is needed
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


def is_far_above_need(found: Estimate, advice: Advice | None) -> bool:
    """Whether a bid that would run has a limit far above the one advised. Not said of a limit that is one of FCP's
    priorities: nobody chose that figure."""
    if advice is None or advice.limit_price is None or found.outlook not in ("runs", "unknown"):
        return False
    limit = found.limit_price
    if found.gpus and limit / found.gpus in PRIORITIES.values():
        return False
    return limit > advice.limit_price * _FAR


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
                yield _said("warning", f"{one.change.address}: {found.text}", found.word, hint, one)
    yield from interruptions(costs.changes)
    order = Succession.of(one.change for one in costs.changes)
    for bids in _auctions(costs.changes):
        stale = next((one for one in bids if one.priced.stale), None)
        if stale is not None:
            summary = f"{stale.place}: {stale.priced.stale}"
            yield _said("warning", summary, "stale_market", _HINTS["stale_market"], stale.priced)
        if far := [one for one in bids if one.is_new and is_far_above_need(one.cost, one.priced.advice)]:
            yield _far_above(far)
        compete = [said for group in order.groups(bids, _address) if (said := _competing(*group)) is not None]
        yield from [one for one in compete if one.severity == "warning"] or compete[:1]


def _not_running(one: Priced) -> Iterator[Diagnostic]:
    """For an unchanged bid, warn only that it does not run, unless you paused it. If your own new bids push it out, the
    warning is given once for all of them."""
    found = one.cost
    reason = next((one for one in found.warnings if one in _NOT_RUNNING), None) if found is not None else None
    if found is None or reason is None or found.outlook == "paused":
        return
    summary = f"{one.change.address}{_standing(one.change.status)} {_TEXTS[reason](found)}"
    hint = "it costs nothing while it waits; to get it running, raise the limit or choose another type or region"
    yield _said("warning", summary, reason, hint, one)


def _standing(status: str | None) -> str:
    """How a bid stands, before what is to be said of its limit; "" and None: the cloud was not asked."""
    if not status:
        return ":"
    return f": {status}, {'still running, but' if status == ALLOCATED else 'not running:'}"


_HINTS = {
    "stale_market": "the plan is still valid, but its cost may not be: plan again",
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


def _said(severity: Severity, summary: str, warning: str, hint: str | None, one: Priced) -> Diagnostic:
    where, about = one.change.position, str(one.change.address)
    return Diagnostic(CODE_OF[warning], summary, hint, severity=severity, position=where, about=about)


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
    return f"too few past prices are known for more than a rough forecast ({found.evidence})"


def _volatile(found: Forecast) -> str:
    cost, over = found.cost, span(found.hours)
    middle, high, mean = usd(cost.p50), usd(cost.p90), usd(cost.expected)
    return (
        f"the price varies a lot: over {over}, {middle} in the middle, {mean} on average, at most {high} in 9 "
        "of 10 cases"
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


def advised(one: Priced) -> str | None:
    """The limit that keeps a bid running, what is promised of it, and what it is expected to cost more."""
    advice, found = one.advice, one.forecast
    if advice is None or advice.limit_price is None or advice.confidence is None:
        return None
    text = kept_by(advice)
    more = advice.extra_cost_over(found) if found is not None else None
    return text if more is None or more <= 0 else f"{text}, for about {usd(more)} more"


def kept_by(advice: Advice) -> str:
    """What the limit advised does, and how surely. Of advice that is none: "unknown"."""
    if advice.limit_price is None or advice.confidence is None:
        return "unknown"
    return (
        f"a limit of {usd(advice.limit_price)} keeps it running {percent(advice.availability)} of {span(advice.hours)}"
        f" in {percent(advice.confidence)} of cases"
    )


# ---- your own bids in one auction -------------------------------------------------------------------------


@frozen
class _Bidder:
    """One of your bids in an auction, and what it costs."""

    priced: Priced
    bid: Bid
    cost: Estimate

    @property
    def address(self) -> Address:
        return self.priced.change.address

    @property
    def is_new(self) -> bool:
        """Whether it is placed or changed."""
        return not isinstance(self.priced.change, NoOp)

    @property
    def place(self) -> str:
        return f"{self.bid.instance_type_name or self.bid.instance_type} in {self.bid.region}"

    @property
    def limit_price(self) -> Decimal:
        return self.cost.limit_price

    @property
    def now(self) -> Decimal | None:
        """What an instance of it would pay."""
        return self.cost.entry.point

    @property
    def alone(self) -> Decimal | None:
        """The same without the others; None where they make no difference, and where it is unknown."""
        return self.cost.alone.point if self.cost.alone else None


def _address(one: _Bidder) -> Address:
    return one.address


def _auctions(changes: Iterable[Priced]) -> list[list[_Bidder]]:
    """The bids that take part, by auction, where one of them is placed or changed."""
    found: dict[tuple[str, str], list[_Bidder]] = {}
    for one in changes:
        bid = one.change.after
        if isinstance(bid, Bid) and one.cost and one.cost.outlook not in ("paused", "cannot_win"):
            found.setdefault((bid.instance_type, bid.region), []).append(_Bidder(one, bid, one.cost))
    for bids in found.values():
        bids.sort(key=lambda one: natural(str(one.address)))
    return [bids for bids in found.values() if any(one.is_new for one in bids)]


def _competing(bids: Sequence[_Bidder], begin: Sequence[_Bidder]) -> Diagnostic | None:
    """That your own bids compete: what that costs now, or, if it costs nothing yet, what it would cost. `begin`: those
    that were not there before, of which something was said already."""
    hit = [one for one in begin if one.cost.alone is not None]
    first = next((one for one in begin if one.is_new), None)
    if first is None:
        return None
    if hit:
        return _said("warning", f"{first.place}: {_price_of(hit)}", "self_competition", _ONE_TASK, first.priced)
    running = sorted((one for one in bids if one.cost.outlook == "runs"), key=lambda one: one.limit_price)
    if len(running) < 2:
        return None
    lowest, others = running[0], running[1:]
    limit, price = lowest.limit_price, others[0].now
    if price is None or limit <= price:
        return None
    more = (limit - price) * sum(one.cost.quantity for one in others)
    summary = (
        f"{first.place}: {_names(running)} bid against each other; if {lowest.address} loses, the "
        f"others pay its limit: {usd(limit)} instead of {usd(price)}, {usd(more)} an hour more together"
    )
    return _said("note", summary, "self_competition", _ONE_TASK, first.priced)


def _far_above(bids: Sequence[_Bidder]) -> Diagnostic:
    """Once for an auction: that limits are far above what has been enough, which is right where they are what the work
    is worth, and what a lower one would lose."""
    need = max(
        (one.priced.advice for one in bids if one.priced.advice is not None),
        key=lambda advice: advice.limit_price or Decimal(0),
    )
    limits = sorted({one.limit_price for one in bids})
    amount = usd(limits[0]) if len(limits) == 1 else f"{usd(limits[0])} to {usd(limits[-1])}"
    what = f"limit of {_names(bids)} is" if len(bids) == 1 else f"limits of {_names(bids)} are"
    summary = (
        f"{bids[0].place}: the {what} {amount}, far above the {usd(need.limit_price)} needed; that is right if an "
        "hour is worth so much to you: you are charged the price, not the limit"
    )
    return _said("note", summary, "limit_far_above_need", risk_of_lowering(need), bids[0].priced)


def risk_of_lowering(advice: Advice) -> str:
    """What the limit advised may lose, and how surely."""
    lost = 1 - advice.availability
    sure = f" in {percent(advice.confidence)} of cases, more in the others" if advice.confidence is not None else ""
    return f"a limit of {usd(advice.limit_price)} loses up to {percent(lost)} of {span(advice.hours)}{sure}"


_ONE_TASK = "one task with more instances (num_instances) does not bid against itself"


def _price_of(hit: Sequence[_Bidder]) -> str:
    """What competing costs, or who does not run because of it."""
    paying = [one for one in hit if one.cost.outlook == "runs"]
    parts = []
    if paying:
        now, alone = paying[0].now, paying[0].alone
        each = [
            (one.now - one.alone) * one.cost.quantity for one in paying if one.now is not None and one.alone is not None
        ]
        parts.append(
            f"{_names(paying)} would pay about {usd(now)} instead of {usd(alone)}, "
            f"{usd(sum(each, Decimal(0)))} an hour more"
        )
    torn = [one for one in hit if one.cost.outlook == "unknown"]
    if torn:
        most = usd(max(one.limit_price for one in torn))
        parts.append(
            f"{_names(torn)} may not all win; those that do pay up to {most}, instead of {usd(torn[0].alone)} alone"
        )
    late = [one for one in hit if one.cost.outlook == "waits"]
    if late:
        parts.append(f"{_names(late)} would wait, although {'it' if len(late) == 1 else 'each'} would run alone")
    return "your own bids compete: " + "; ".join(parts)


def _names(bids: Sequence[_Bidder]) -> str:
    names = [str(one.address) for one in bids]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

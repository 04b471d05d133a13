"""Several of your own bids in one auction: they compete for what is free, a loser may set the price, and all that win
pay one price. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import accumulate, groupby

import attrs

from flowplan.pricing.entry import EntryPrice, Estimate, Market, Outlook, displaced, unknown
from flowplan.pricing.units import CENT


def together(estimates: Sequence[Estimate], market_for: Callable[[int], Market | None]) -> list[Estimate]:
    """`estimates` of bids in one auction, each made as if it were one's only new one, as they are side by side.

    `market_for(n)`: the prices of now for n instances, None where they were not asked for. What cannot be told from
    public prices becomes unknown. Where something changes, `alone` keeps what was.
    """
    found = list(estimates)
    for index, entry in _crowded(found, market_for):
        outlook: Outlook = "runs" if entry.point is not None else "waits" if entry.basis == "losing" else "unknown"
        found[index] = attrs.evolve(found[index], entry=entry, outlook=outlook)
    price = _one_price(found, estimates)
    return at_one_price([*_torn(found, price[0])], estimates, *price)


def at_one_price(
    found: Sequence[Estimate],
    estimates: Sequence[Estimate],
    price: Decimal | None,
    ceiling: Decimal | None,
    most: Decimal | None = None,
) -> list[Estimate]:
    """`found`, of `estimates` each alone, where all that run pay `price`, None where that is unknown; or up to
    `ceiling` where a bid that was passed over sets the price too. It may also be up to `most`, or to the limit of one
    of which nobody can tell whether it wins."""
    now = list(found)
    if price is not None:
        now = [_paying(one, price, ceiling) for one in _in_one_range(now)]
    reach = [one.limit_price for one in now if one.outlook == "unknown"] + ([] if most is None else [most])
    if reach:
        highest = max(reach)
        now = [_up_to(one, highest) for one in now]
    return [_compared(one, alone) for one, alone in zip(now, estimates, strict=True)]


def stairs(bids: Iterable[tuple[Decimal, int]]) -> list[int]:
    """For (limit, quantity) of bids to be placed in one auction: how many instances those with the highest limit are,
    with the next lower, and so on. What all of each win with has to be known to tell who wins."""
    many: Counter[Decimal] = Counter()
    for limit, quantity in bids:
        many[limit] += quantity
    return list(accumulate(many[limit] for limit in sorted(many, reverse=True)))


def _crowded(found: Sequence[Estimate], market_for: Callable[[int], Market | None]) -> Iterator[tuple[int, EntryPrice]]:
    """The new bids that would all run alone, but find no room for all of them: who enters how, the highest limit first.

    All down to a limit win if that is enough for as many instances in one piece.
    """
    new = [index for index, one in enumerate(found) if one.outlook == "runs" and one.entry.basis != "holding"]
    new.sort(key=lambda index: -found[index].limit_price)
    free = min((one.available for one in _markets(found) if one.available is not None), default=0)
    needed, full, blind = 0, False, False
    for limit, group in groupby(new, key=lambda index: found[index].limit_price):
        step = list(group)
        needed += sum(found[index].quantity for index in step)
        if needed <= free or (needed == found[step[0]].quantity and not full):
            continue  # there is room for these, or there is this one alone
        whole = None if full or blind else market_for(needed)
        blind = blind or (whole is None and not full)
        win = whole.win_price if whole is not None else None
        if whole is not None and win is not None and limit >= win:
            entry = displaced(whole, _spot(found), win, win - CENT, limit)
        elif full or (len(step) == 1 and not blind):
            entry, full = EntryPrice(None, win, None, "losing"), True
        else:
            entry, full = EntryPrice(None, None, limit, "unknown"), not blind
        yield from ((index, entry) for index in step)


def _torn(found: Sequence[Estimate], price: Decimal | None) -> Iterator[Estimate]:
    """`found`, where nobody can tell whether those run on, at `price` or more, that are as high as one that new ones
    push out, and may be it in a tie; or lower than a new one of which nobody can tell whether it wins."""
    pushed_out = [one.entry.point for one in found if one.outlook == "runs" and one.entry.basis == "displacing"]
    told = [one for one in found if one.market is not None and one.market.spot is not None]
    may_win = max((one.limit_price for one in told if one.outlook == "unknown"), default=None)
    for one in found:
        limit = one.limit_price
        is_torn = limit in pushed_out or (may_win is not None and limit < may_win)
        if is_torn and one.outlook == "runs" and one.entry.basis == "holding" and not (price and limit < price):
            one = unknown(one)
        yield one


def _spot(found: Sequence[Estimate]) -> Decimal:
    return next(one.spot for one in _markets(found) if one.spot is not None)


def _one_price(found: Sequence[Estimate], alone: Sequence[Estimate]) -> tuple[Decimal | None, Decimal | None]:
    """What all that win pay; and what they pay where a bid that was passed over sets the price too, if one was."""
    market = next((one for one in _markets(found) if one.spot is not None), None)
    if market is None or market.spot is None:
        return None, None
    price, lowest, passed_over = market.spot, market.lowest_allocated, False
    for one, was in zip(found, alone, strict=True):
        if one.entry.basis == "displacing" and one.entry.point is not None:
            price = max(price, one.entry.point)
        elif one.outlook == "waits" and was.outlook == "waits" and lowest is not None and one.limit_price > lowest:
            passed_over = True  # it is too large for what is left by those who bid less
        elif one.outlook == "waits":
            price = max(price, one.limit_price)
    return price, lowest if passed_over and lowest is not None and lowest > price else None


def _in_one_range(found: Sequence[Estimate]) -> Iterator[Estimate]:
    """Where some push others out, all new ones that run pay what these pay: the same price, in the same range."""
    entering = [one.entry for one in found if one.outlook == "runs" and one.entry.basis == "displacing"]
    lows = [entry.low for entry in entering if entry.low is not None]
    highs = [entry.high for entry in entering if entry.high is not None]
    for one in found:
        entry, limit = one.entry, one.limit_price
        if lows and highs and one.outlook == "runs" and entry.basis in ("displacing", "room"):
            entry = attrs.evolve(entry, low=min(lows), high=min(max(highs), limit), basis="displacing")
            one = attrs.evolve(one, entry=entry)
        yield one


def _paying(one: Estimate, price: Decimal, ceiling: Decimal | None) -> Estimate:
    """A bid that runs, at the price of all; one whose limit is below that is pushed out."""
    entry = one.entry
    if one.outlook != "runs" or entry.point is None:
        return one
    if one.limit_price < price:
        return attrs.evolve(one, outlook="waits", entry=EntryPrice(None, price, None, "losing"))
    high = max(price, entry.high or price)
    if ceiling is None:
        return attrs.evolve(one, entry=attrs.evolve(entry, point=price, high=high))
    most = min(ceiling, one.limit_price)
    changed = attrs.evolve(entry, point=price, high=max(high, most))
    return attrs.evolve(one, entry=changed, ambiguous=(price, most), warnings=(*one.warnings, "price_ambiguous"))


def _up_to(one: Estimate, most: Decimal) -> Estimate:
    """Beside a bid of which nobody can tell whether it sets the price, up to its limit `most`."""
    entry = one.entry
    if one.outlook != "runs" or entry.high is None:
        return one
    return attrs.evolve(one, entry=attrs.evolve(entry, high=max(entry.high, min(most, one.limit_price))))


def _compared(now: Estimate, alone: Estimate) -> Estimate:
    if now.outlook == alone.outlook and not _is_dearer(now.entry, alone.entry):
        return now
    return attrs.evolve(now, alone=alone.entry, warnings=(*now.warnings, "self_competition"))


def _is_dearer(now: EntryPrice, alone: EntryPrice) -> bool:
    """Whether it costs more, or becomes unknown. A point of a range may be a cent lower beside others, which harms
    nobody."""
    if now.point is None or alone.point is None:
        return now.point != alone.point
    return now.point > alone.point


def _markets(found: Sequence[Estimate]) -> list[Market]:
    return [one.market for one in found if one.market is not None]

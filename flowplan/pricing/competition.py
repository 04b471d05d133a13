"""Several of your own bids in one auction: all that win pay one price, which a loser of yours may set. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import accumulate

import attrs

from flowplan.pricing.entry import EntryPrice, Estimate


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
    """Whether it costs more, or becomes unknown. Beside one of yours below the price of now it costs less, which harms
    nobody."""
    if now.point is None or alone.point is None:
        return now.point != alone.point
    return now.point > alone.point

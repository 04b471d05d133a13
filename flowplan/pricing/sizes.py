"""Bids of yours that share one stock of GPUs, in one size or several: they compete per GPU. Pure.

They are priced as bids for units of one size: a unit is what all sizes are multiples of, and prices are those of the
least that is so many of each. So every limit of whole cents stays exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import groupby

import attrs

from flowplan.pricing.book import Book, Common, Wish, freed
from flowplan.pricing.competition import at_one_price, stairs
from flowplan.pricing.entry import EntryPrice, Estimate, Market, unknown


def asked_about(
    wishes: Sequence[Wish], beside: Sequence[Wish], held: Sequence[Wish], steps: int, most: int
) -> list[tuple[int, int]]:
    """(GPUs of an instance, how many instances) whose prices tell who of `wishes`, for one stock, wins and at what: as
    many GPUs as those with the highest limits are together, and one unit more; at most `steps` such numbers, spread
    evenly up to all, for what wins more wins less. At most `most` instances each, in the size whose prices tell the
    most: the largest that comes out even, else the largest, for a few GPUs more.

    What bids of yours have that are taken out of the book (`held`) is free for those who bid no more than they did.
    Whether others may take it before those who bid less, of the wishes and `beside` them, the prices of large
    requests tell."""
    sizes = sorted({one.gpus for one in (*wishes, *beside, *held)}, reverse=True)
    common = Common.of(sizes)
    places, bids = [common.bid(one) for one in held], [common.bid(one) for one in wishes]
    limits = sorted({limit for limit, _ in bids}, reverse=True)
    free = freed(places)
    levels = [many for limit, all in zip(limits, stairs(bids), strict=True) for many in _beyond(all, limit, free)]
    numbers = [more for units in _spread(sorted(set(levels)), steps) for more in (units, units + 1)]
    rest = [*limits, *(common.price(one.limit_price, one.gpus) for one in beside)]
    if any(limit > min(rest) for limit, _ in places if rest):
        numbers += common.large
    found = []
    for units in numbers:
        gpus = units * common.unit
        even = [(size, gpus // size) for size in sizes if gpus % size == 0]
        found += [one for one in (*even, (sizes[0], -(-gpus // sizes[0]))) if one[1] <= most][:1]
    return list(dict.fromkeys(found))


def _beyond(units: int, limit: Decimal, free: Sequence[tuple[Decimal, int]]) -> list[int]:
    """How many units more have to be won for `units` at `limit` than come `free` (`freed`), by whom of those that free
    them it outbids; none where enough comes free."""
    found = {units - next((many for one, many in reversed(free) if one >= limit), 0)}
    found.update(units - many for one, many in free if one < limit)
    return sorted(found) if min(found) > 0 else []


def _spread(numbers: Sequence[int], steps: int) -> list[int]:
    """At most `steps` of `numbers`, evenly up to the last."""
    many = len(numbers)
    return [numbers[(step + 1) * many // steps - 1] for step in range(steps)] if many > steps else list(numbers)


def side_by_side(
    estimates: Sequence[Estimate],
    markets: Sequence[tuple[int, Market]],
    held: Sequence[Wish | None] = (),
    ended: Sequence[Wish] = (),
    older: Sequence[bool] = (),
) -> list[Estimate]:
    """`estimates` of bids for one stock (docs/ASSUMPTIONS.md, A7), each made as if it were one's only new one, as they
    are side by side. `markets`: the prices of now, each with the GPUs of an instance. `held`: what each of them has now
    and does not keep as it is, since its limit or its quantity changes; `ended`: what others of yours had that are over
    by then; `older`: which of them are there already. Where something changes by it, `alone` keeps what was."""
    held, older = held or [None] * len(estimates), older or [False] * len(estimates)
    given_up = [one for one in held if one is not None]
    common = Common.of([*(one.gpus or 1 for one in estimates), *(one.gpus for one in (*given_up, *ended))])
    book = Book(common, markets).without(ended)
    alone = [
        book.alone(one, holding=_holds(one)) if its is None else book.without([its]).alone(one, holding=False)
        for one, its in zip(estimates, held, strict=True)
    ]
    found = _cleared(alone, book.without(given_up), older)
    goes_on = [its is not None and _holds(one) for one, its in zip(estimates, held, strict=True)]
    found = [_going_on(now) if is_same else now for now, is_same in zip(found, goes_on, strict=True)]
    return [_back(one, now, common) for one, now in zip(estimates, found, strict=True)]


def _cleared(alone: Sequence[Estimate], book: Book, is_older: Sequence[bool]) -> list[Estimate]:
    """`alone`, in units, as they are side by side: the highest limit first, of one limit those that are there already
    (`is_older`), each finds room or pushes others out.

    Whom a bid pushes out may free more than it takes, and what is left over goes to those who bid less. So a bid waits
    for certain only where what is left is known to be too little for it, or was for one as large that bids more; else
    nobody can tell.
    """
    found = list(alone)
    told = ("runs", "waits") if book.is_as_it_is else ("runs", "waits", "unknown")
    new = [index for index, one in enumerate(found) if one.outlook in told and one.market and not _holds(one)]
    new.sort(key=lambda index: (-found[index].limit_price, not is_older[index]))
    taken, is_known = 0, True  # by those of higher limits
    too_many = 1 + sum(found[index].quantity for index in new)  # less than that is left for those of lower limits
    above: list[tuple[Decimal, int]] = []
    for (limit, old), group in groupby(new, key=lambda index: (found[index].limit_price, is_older[index])):
        step = []
        for index in group:
            many = found[index].quantity
            if many >= too_many or (is_known and book.is_too_much(taken, taken + many, limit, is_older=old)):
                found[index] = _waiting(found[index], book.win(taken + many))
                too_many = min(too_many, many)
            else:
                step.append(index)
        if not step:
            continue
        needed = taken + sum(found[index].quantity for index in step)
        if is_known and book.wins(needed, limit, above):
            above.append((limit, needed - taken))
            taken = needed
            for index in step:
                found[index] = book.entered(found[index], needed)
            continue
        if is_known and book.is_too_much(taken, needed, limit, is_older=old):
            too_many = min(too_many, max(found[index].quantity for index in step))  # one of them loses
        is_known = False
        for index in step:
            found[index] = unknown(found[index])
    torn = [found[index] for index in new if found[index].outlook == "unknown"]
    entering = [one.entry for one in found if one.outlook == "runs" and one.entry.basis == "displacing"]
    found = [_beside(one, book, above, torn, entering) if _holds(one) else one for one in found]
    price, *others = _one_price(found, book, taken)
    now = at_one_price(found, alone, price, *others)
    least = book.falls_beside(taken, price)
    return now if least is None else [_down_to(one, least) for one in now]


def _down_to(one: Estimate, least: Decimal) -> Estimate:
    """A bid beside others that end: the price may be as low as `least`."""
    entry = one.entry
    if one.outlook != "runs" or entry.low is None:
        return one
    return attrs.evolve(one, entry=attrs.evolve(entry, low=min(entry.low, least)))


def _going_on(one: Estimate) -> Estimate:
    """A bid that is changed while it runs, and runs on."""
    return attrs.evolve(one, entry=attrs.evolve(one.entry, basis="holding")) if one.outlook == "runs" else one


def _holds(one: Estimate) -> bool:
    return one.entry.basis == "holding"


def _beside(
    one: Estimate,
    book: Book,
    above: Sequence[tuple[Decimal, int]],
    torn: Sequence[Estimate],
    entering: Sequence[EntryPrice],
) -> Estimate:
    """A bid that has what is allocated, beside yours `above`, which win (limit, units) from those who bid least, those
    `entering` of them by pushing others out; and beside those `torn`, of which nobody can tell whether they do."""
    taken, limit = sum(units for _, units in above), one.limit_price
    win, beaten = book.win(taken), book.beaten(taken)
    if book.is_contested(0, limit, above):
        return unknown(one)
    if entering and not (win is not None and limit >= win):
        if book.next_above(taken) is not None and beaten is not None and limit <= beaten:
            return _waiting(one, win)  # nothing is left over that could be its again
        return unknown(one)
    most = taken + sum(other.quantity for other in torn if other.limit_price >= limit)
    if most > max(taken, book.room) and not ((win := book.win(most)) is not None and limit >= win):
        return unknown(one)
    lows = [entry.low for entry in entering if entry.low is not None]  # whom these push out bid less
    return attrs.evolve(one, entry=attrs.evolve(one.entry, low=min((one.entry.low or lows[0], *lows)))) if lows else one


def _waiting(one: Estimate, win: Decimal | None) -> Estimate:
    if one.outlook == "waits":
        return one
    return attrs.evolve(one, entry=EntryPrice(None, win, None, "losing"), outlook="waits")


def _one_price(
    found: Sequence[Estimate], book: Book, taken: int
) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """What all that win pay, who newly take `taken` units; what they pay where a bid that was passed over sets the
    price too, if one was; up to what it may be where nobody can tell whether one is."""
    if book.spot is None:
        return None, None, None
    entering = [one.entry.point for one in found if one.entry.basis == "displacing" and one.outlook == "runs"]
    beaten = book.beaten(taken) if entering else None
    points = entering if beaten is None else [beaten]  # that of all is the highest
    running = [one.limit_price for one in found if one.outlook == "runs"]
    price = max((book.spot, *(point for point in points if point is not None)))
    price = price if entering else min((price, *running))  # below the price of now somebody finds room
    lowest = book.next_above(taken) if entering else book.lowest_allocated
    below = min((other for other in (*running, lowest) if other is not None), default=None)
    passed_over, unclear = None, None
    for limit in sorted(one.limit_price for one in found if one.outlook == "waits"):
        if limit <= price:
            continue
        if below is not None and (limit > below or (entering and limit == below)):
            passed_over = below  # it is too large for what is left by those who bid less
        elif lowest is None and (entering or book.hides_lowest) and not book.is_all(taken):
            unclear = limit
        else:
            price = limit
    return price, passed_over if passed_over is not None and passed_over > price else None, unclear


def _back(one: Estimate, now: Estimate, common: Common) -> Estimate:
    """`one` as it is now, in units, in its own size again."""

    least = (one.market.minimum if one.market else None) or Decimal(0)

    def price(amount: Decimal) -> Decimal:
        return max(common.of_instance(amount, one.gpus or 1), least)

    def entry(of: EntryPrice) -> EntryPrice:
        point, low, high = (None if amount is None else price(amount) for amount in (of.point, of.low, of.high))
        return EntryPrice(point, low, high, of.basis)

    return attrs.evolve(
        one,
        outlook=now.outlook,
        entry=entry(now.entry),
        warnings=now.warnings,
        alone=None if now.alone is None else entry(now.alone),
        ambiguous=None if now.ambiguous is None else (price(now.ambiguous[0]), price(now.ambiguous[1])),
    )

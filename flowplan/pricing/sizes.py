"""Bids for instances of several sizes that share one stock of GPUs: they compete per GPU. Pure.

They are priced as bids for units of one size: a unit is what all sizes are multiples of, and prices are those of the
least that is so many of each. So every limit of whole cents stays exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_CEILING, Decimal
from itertools import groupby
from math import gcd, lcm
from typing import NamedTuple

import attrs

from flowplan.classes import frozen
from flowplan.pricing.competition import at_one_price, stairs, together
from flowplan.pricing.entry import EntryPrice, Estimate, Market, displaced, estimate
from flowplan.pricing.units import CENT


class Wish(NamedTuple):
    """What a bid asks for: `limit_price` in dollars per instance-hour, `gpus` per instance."""

    limit_price: Decimal
    quantity: int
    gpus: int


@frozen
class Common:
    """What instances of several sizes are told in: units of `unit` GPUs, at the prices of `whole` GPUs."""

    unit: int
    whole: int

    @classmethod
    def of(cls, sizes: Iterable[int]) -> Common:
        """For instances of so many GPUs each."""
        found = set(sizes)
        return cls(gcd(*found), lcm(*found))

    def units(self, quantity: int, gpus: int) -> int:
        """How many units `quantity` instances of `gpus` GPUs are."""
        return quantity * (gpus // self.unit)

    def price(self, price: Decimal, gpus: int) -> Decimal:
        """A price of an instance of `gpus` GPUs, as one of `whole`."""
        return price * (self.whole // gpus)

    def of_instance(self, price: Decimal, gpus: int) -> Decimal:
        """A price of `whole` GPUs, as one of an instance: rounded up to the cent, as prices of a size are (A8)."""
        return (price * gpus / self.whole).quantize(CENT, ROUND_CEILING)


def asked_about(wishes: Sequence[Wish], steps: int, most: int) -> list[tuple[int, int]]:
    """(GPUs of an instance, how many instances) whose prices tell who of `wishes`, for one stock, wins and at what: as
    many GPUs as those with the highest limits are together, and one unit more; at most `steps` such numbers, spread
    evenly up to all, for what wins more wins less. At most `most` instances each, in the size whose prices tell the
    most: the largest that comes out even, else the largest, for a few GPUs more."""
    sizes = sorted({one.gpus for one in wishes}, reverse=True)
    common = Common.of(sizes)
    found = []
    bids = ((common.price(one.limit_price, one.gpus), common.units(one.quantity, one.gpus)) for one in wishes)
    for units in _spread(stairs(bids), steps):
        for gpus in (units * common.unit, (units + 1) * common.unit):
            even = [(size, gpus // size) for size in sizes if gpus % size == 0]
            found += [one for one in (*even, (sizes[0], -(-gpus // sizes[0]))) if one[1] <= most][:1]
    return list(dict.fromkeys(found))


def _spread(numbers: Sequence[int], steps: int) -> list[int]:
    """At most `steps` of `numbers`, evenly up to the last."""
    many = len(numbers)
    return [numbers[(step + 1) * many // steps - 1] for step in range(steps)] if many > steps else list(numbers)


def side_by_side(
    estimates: Sequence[Estimate], markets: Sequence[tuple[int, Market]], before: Sequence[Decimal | None]
) -> list[Estimate]:
    """`estimates` of bids for one stock (docs/ASSUMPTIONS.md, A7), each made as if it were one's only new one, as they
    are side by side. `markets`: the prices of now, each with the GPUs of an instance. `before`: the limit of each that
    was there, in dollars per instance-hour, by which these prices count it. Where all are of one size, this is
    `together`."""
    common = Common.of(one.gpus or 1 for one in estimates)
    if common.unit == common.whole:
        asked = {market.quantity: market for _, market in markets}
        return together(estimates, asked.get)
    book = _Book(common, markets)
    limits = [
        None if limit is None else common.price(limit, one.gpus or 1)
        for one, limit in zip(estimates, before, strict=True)
    ]
    found = _cleared([book.alone(one) for one in estimates], book, limits)
    return [_back(one, now, common) for one, now in zip(estimates, found, strict=True)]


def _cleared(alone: Sequence[Estimate], book: _Book, before: Sequence[Decimal | None]) -> list[Estimate]:
    """`alone`, in units, as they are side by side: the highest limit first, each finds room or pushes others out.

    Whom a bid pushes out may free more than it takes, and what is left over goes to those who bid less. So a bid waits
    for certain only where what is left is known to be too little for it; else nobody can tell. One that holds what the
    prices still count among what is pushed out, since its limit was lower, takes its place as a new one does.
    """
    found = list(alone)
    new = [index for index, one in enumerate(found) if one.outlook in ("runs", "waits") and not _holds(one)]
    raised = _raised(found, new, book, before)
    new += raised
    new.sort(key=lambda index: -found[index].limit_price)
    taken, is_known = 0, True  # by those of higher limits
    for limit, group in groupby(new, key=lambda index: found[index].limit_price):
        step = list(group)
        needed = taken + sum(found[index].quantity for index in step)
        if is_known and book.wins(needed, limit):
            taken = needed
            for index in step:
                found[index] = book.entered(found[index], needed)
        elif is_known and taken <= book.room and all(found[index].outlook == "waits" for index in step):
            continue  # nobody is pushed out by those above: they wait as they would alone
        elif is_known and len(step) == 1 and book.is_too_much(taken, needed, limit):
            found[step[0]] = _waiting(found[step[0]], book.win(needed))
        else:
            is_known = False
            for index in step:
                found[index] = _unknown(found[index])
    entering = [one.entry for one in found if one.outlook == "runs" and one.entry.basis == "displacing"]
    if entering:
        found = [_pushed(one, book, taken, entering) if _holds(one) else one for one in found]
    now = at_one_price(found, alone, *_one_price(found, book, taken))
    for index in raised:
        if now[index].outlook == "runs":
            now[index] = attrs.evolve(now[index], entry=attrs.evolve(now[index].entry, basis="holding"))
    return now


def _raised(found: Sequence[Estimate], new: Sequence[int], book: _Book, before: Sequence[Decimal | None]) -> list[int]:
    """Which of `found` hold something at a limit that is raised, from one at which the `new` ones would push it out."""
    units = sum(found[index].quantity for index in new)
    if units <= book.room:
        return []
    limits = {
        index: limit
        for index, (one, limit) in enumerate(zip(found, before, strict=True))
        if _holds(one) and one.outlook == "runs" and limit is not None and limit < one.limit_price
    }
    win = book.win(units + sum(found[index].quantity for index in limits))
    return [index for index, limit in limits.items() if win is None or limit < win]


def _holds(one: Estimate) -> bool:
    return one.entry.basis == "holding"


def _pushed(one: Estimate, book: _Book, taken: int, entering: Sequence[EntryPrice]) -> Estimate:
    """A bid that has what is allocated, beside `entering`, which take `taken` units from those who bid least."""
    win, beaten = book.win(taken), book.beaten(taken)
    if win is not None and one.limit_price >= win:  # whom they push out bid less
        lows = [entry.low for entry in entering if entry.low is not None]
        return attrs.evolve(one, entry=attrs.evolve(one.entry, low=min((one.entry.low or lows[0], *lows))))
    if book.next_above(taken) is not None and beaten is not None and one.limit_price < beaten:
        return _waiting(one, win)  # nothing is left over that could be its again
    return _unknown(one)


def _unknown(one: Estimate) -> Estimate:
    """A bid of which nobody can tell whether it runs."""
    entry = EntryPrice(None, None, one.limit_price, "unknown")
    return attrs.evolve(one, entry=entry, outlook="unknown", warnings=())


def _waiting(one: Estimate, win: Decimal | None) -> Estimate:
    if one.outlook == "waits":
        return one
    return attrs.evolve(one, entry=EntryPrice(None, win, None, "losing"), outlook="waits")


def _one_price(
    found: Sequence[Estimate], book: _Book, taken: int
) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """What all that win pay, who newly take `taken` units; what they pay where a bid that was passed over sets the
    price too, if one was; up to what it may be where nobody can tell whether one is."""
    if book.spot is None:
        return None, None, None
    entering = [one.entry.point for one in found if one.entry.basis == "displacing" and one.outlook == "runs"]
    beaten = book.beaten(taken) if entering else None
    points = entering if beaten is None else [beaten]  # that of all is the highest
    price = max((book.spot, *(point for point in points if point is not None)))
    lowest = book.next_above(taken) if entering else book.lowest_allocated
    running = [one.limit_price for one in found if one.outlook == "runs"]
    passed_over, unclear = None, None
    for limit in sorted(one.limit_price for one in found if one.outlook == "waits"):
        if limit <= price:
            continue
        below = min((other for other in (*running, lowest) if other is not None), default=None)
        if below is not None and (limit > below or (entering and limit == below)):
            passed_over = below  # it is too large for what is left by those who bid less
        elif lowest is None and entering:
            unclear = limit
        else:
            price = limit
    return price, passed_over if passed_over is not None and passed_over > price else None, unclear


class _Book:
    """What the prices of all sizes tell of the one book behind them. Prices of a size are rounded up to its cents, so
    that the lowest, made comparable, is the nearest to what is true."""

    def __init__(self, common: Common, markets: Sequence[tuple[int, Market]]) -> None:
        self._common = common
        self._wins: dict[int, Decimal] = {}  # by units: from this limit on they win
        self._beaten: dict[int, Decimal] = {}  # by units: whom they displace last bids no less
        for gpus, one in markets:
            for quantity, price in ((one.quantity, one.win_price), (one.quantity + 1, one.next_win)):
                if price is not None:
                    units, win = common.units(quantity, gpus), common.price(price, gpus)
                    beaten = common.price(price - CENT, gpus)
                    self._wins[units] = min(self._wins.get(units, win), win)
                    self._beaten[units] = max(self._beaten.get(units, beaten), beaten)
        self.spot = self._lowest(markets, "spot")
        self.lowest_allocated = self._lowest(markets, "lowest_allocated")
        self._minimum = self._lowest(markets, "minimum")
        self._free = self._most(markets, "available")
        self._total = self._most(markets, "total")

    def _lowest(self, markets: Iterable[tuple[int, Market]], name: str) -> Decimal | None:
        prices = [(gpus, price) for gpus, one in markets if (price := getattr(one, name)) is not None]
        return min((self._common.price(price, gpus) for gpus, price in prices), default=None)

    def _most(self, markets: Iterable[tuple[int, Market]], name: str) -> int | None:
        """Of what is counted in whole instances, the smallest size tells the most."""
        many = [(gpus, count) for gpus, one in markets if (count := getattr(one, name)) is not None]
        return max((self._common.units(count, gpus) for gpus, count in many), default=None)

    def win(self, units: int) -> Decimal | None:
        """From which limit on so many units surely win: what more of them win with is enough for fewer."""
        return min((win for many, win in self._wins.items() if many >= units), default=None)

    def wins(self, units: int, limit: Decimal) -> bool:
        """Whether it is known that `limit` wins so many units."""
        win = self.win(units)
        if self.spot is None or limit < self.spot:
            return False
        return units <= self.room or (win is not None and limit >= win)

    def is_too_much(self, taken: int, needed: int, limit: Decimal) -> bool:
        """Whether it is known that `limit` does not win the units from `taken` to `needed`: that whom it outbids have
        too little, and so has what is left over by those whom the first `taken` push out."""
        beaten = max((price for many, price in self._beaten.items() if taken < many <= needed), default=None)
        if beaten is None or limit > beaten:
            return False
        before = self.win(taken)
        return taken <= self.room or (before is not None and beaten >= before)

    @property
    def room(self) -> int:
        """The units that are free."""
        return self._free or 0

    def beaten(self, units: int) -> Decimal | None:
        """What the last of those whom so many units push out bids at least; None where nobody asked for as many."""
        return self._beaten.get(units)

    def entered(self, one: Estimate, units: int) -> Estimate:
        """`one`, as the last of bids for so many units that win together."""
        win, spot, beaten = self.win(units), self.spot, self._beaten.get(units)
        if units <= self.room or win is None or spot is None:
            return one
        win = max(win, spot)
        point = win if beaten is None else max(beaten, spot)
        entry = displaced(self._market(units), spot, win, point, one.limit_price)
        return attrs.evolve(one, entry=entry, outlook="runs")

    def _market(self, units: int) -> Market:
        win = self._wins.get(units)
        return Market(
            "",
            "",
            units,
            spot=self.spot,
            minimum=self._minimum,
            lowest_allocated=self.lowest_allocated,
            win_price=win,
            available=self._free,
            total=self._total,
            next_win=self._next_win(units),
        )

    def next_above(self, units: int) -> Decimal | None:
        """What one unit more wins with, where that is known to be more than what `units` win with: then whom these push
        out leave nothing over. Cents of another size may not tell."""
        more, win = self._wins.get(units + 1), self._wins.get(units)
        return more if more is not None and win is not None and self._beaten[units + 1] >= win else None

    def _next_win(self, units: int) -> Decimal | None:
        """What one unit more wins with; None where it is unknown whether that is more than what `units` win with."""
        more, win = self._wins.get(units + 1), self._wins.get(units)
        is_same = more is not None and win is not None and more <= win
        return more if is_same else self.next_above(units)

    def alone(self, one: Estimate) -> Estimate:
        """`one`, told in units. What nobody knows of its own size is not known from others."""
        gpus = one.gpus or 1
        units = self._common.units(one.quantity, gpus)
        found = estimate(
            self._market(units) if one.market is not None and one.market.spot is not None else None,
            self._common.price(one.limit_price, gpus),
            units,
            gpus=self._common.unit,
            paused=one.outlook == "paused",
            holding=one.entry.basis == "holding",
        )
        return self.entered(found, units) if found.entry.basis == "displacing" else found


def _back(one: Estimate, now: Estimate, common: Common) -> Estimate:
    """`one` as it is now, in units, in its own size again."""

    def price(amount: Decimal) -> Decimal:
        return common.of_instance(amount, one.gpus or 1)

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

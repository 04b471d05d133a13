"""What public prices tell of the book behind them, in units that bids of all sizes for one stock are so many of. Pure.

A book is known by what so many units win with: so many of those who win bid less. Bids of yours that a plan changes or
ends are taken out of it (`without`), and come back as new ones: who wins then is who would if all were placed again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from copy import copy
from decimal import ROUND_CEILING, Decimal
from itertools import accumulate
from math import gcd, lcm
from typing import NamedTuple

import attrs

from flowplan.classes import frozen
from flowplan.pricing.entry import EntryPrice, Estimate, Market, displaced, estimate, unknown
from flowplan.pricing.units import CENT

MACHINE = 8  # GPUs: the most that an instance has


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

    @property
    def large(self) -> tuple[int, int, int]:
        """How many units one machine is, two, and four: the most that others are taken to ask for at once
        (docs/ASSUMPTIONS.md, W2)."""
        one = max(1, MACHINE // self.unit)
        return one, 2 * one, 4 * one

    def largest(self, total: int | None) -> int:
        """The same of a stock of `total` units, None where that is unknown: nobody asks for more than a quarter of it,
        but for one machine."""
        one, _, four = self.large
        return four if total is None else min(four, max(one, total // 4))

    def price(self, price: Decimal, gpus: int) -> Decimal:
        """A price of an instance of `gpus` GPUs, as one of `whole`."""
        return price * (self.whole // gpus)

    def bid(self, one: Wish) -> tuple[Decimal, int]:
        """(limit, units) of it."""
        return self.price(one.limit_price, one.gpus), self.units(one.quantity, one.gpus)

    def of_instance(self, price: Decimal, gpus: int) -> Decimal:
        """A price of `whole` GPUs, as one of an instance: rounded up to the cent, as prices of a size are (A8)."""
        return (price * gpus / self.whole).quantize(CENT, ROUND_CEILING)


def freed(places: Iterable[tuple[Decimal, int]]) -> list[tuple[Decimal, int]]:
    """Of places (limit, units): how many units come free at each limit and above it, the highest first."""
    many: Counter[Decimal] = Counter()
    for limit, units in places:
        many[limit] += units
    limits = sorted(many, reverse=True)
    return list(zip(limits, accumulate(many[limit] for limit in limits), strict=True))


class Book:
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
        spot, self.minimum = self._lowest(markets, "spot"), self._lowest(markets, "minimum")
        self.spot = None if spot is None else max(spot, self.minimum or Decimal(0))  # they may disagree
        self.lowest_allocated = self._lowest(markets, "lowest_allocated")
        self._free = self._most(markets, "available")
        self._places: tuple[tuple[Decimal, int], ...] = ()  # (limit, units) of what comes free
        self._free_from: list[tuple[Decimal, int]] = []  # the same, as `freed`
        self.hides_lowest = False  # whether nobody knows the lowest limit that wins
        self._total = self._most(markets, "total")
        self._safe = self.win(common.largest(self._total))  # outbids as many as anybody asks for

    def _lowest(self, markets: Iterable[tuple[int, Market]], name: str) -> Decimal | None:
        """Of one size, read at several moments, the highest counts."""
        highest: dict[int, Decimal] = {}
        for gpus, one in markets:
            if (price := getattr(one, name)) is not None:
                highest[gpus] = max(highest.get(gpus, price), price)
        return min((self._common.price(price, gpus) for gpus, price in highest.items()), default=None)

    def _most(self, markets: Iterable[tuple[int, Market]], name: str) -> int | None:
        """Of what is counted in whole instances, the smallest size tells the most."""
        many = [(gpus, count) for gpus, one in markets if (count := getattr(one, name)) is not None]
        return max((self._common.units(count, gpus) for gpus, count in many), default=None)

    def without(self, held: Iterable[Wish]) -> Book:
        """The same book without bids of yours, which win `held` now. What they have is free, for those who wait too. A
        limit displaces none of the units of those that bid as much or more, and has no need to: it finds them free."""
        places = [self._common.bid(one) for one in held]
        if not places:
            return self
        found = copy(self)
        found._wins, found._beaten = {}, {}
        for units, win in self._wins.items():
            more = units + sum(many for limit, many in places if limit >= win)
            found._wins[more] = min(found._wins.get(more, win), win)
        for units, beaten in self._beaten.items():
            more = units + sum(many for limit, many in places if limit >= beaten)
            found._beaten[more] = max(found._beaten.get(more, beaten), beaten)
        found._places = (*self._places, *places)
        found._free_from = freed(found._places)
        lowest = self.lowest_allocated
        if lowest is not None and any(limit <= lowest for limit, _ in places):
            found.lowest_allocated, found.hides_lowest = None, True
        return found

    def win(self, units: int) -> Decimal | None:
        """From which limit on so many units surely win: what more of them win with is enough for fewer."""
        return min((win for many, win in self._wins.items() if many >= units), default=None)

    def wins(self, units: int, limit: Decimal, above: Sequence[tuple[Decimal, int]]) -> bool:
        """Whether it is known that `limit` wins so many units, beside bids of yours `above`."""
        win = self.win(units)
        if self.spot is None or self.is_contested(units, limit, above):
            return False
        return (units <= self.room and limit >= self.spot) or (win is not None and limit >= win)

    def is_contested(self, units: int, limit: Decimal, above: Sequence[tuple[Decimal, int]] = ()) -> bool:
        """Whether `limit` has so many units only if those who wait now do not take what comes free, and bids of yours
        `above` leave: (limit, units) of each. No price tells how many they are, nor what they ask for.

        They bid no more than the spot price, but for those that are too large for what is left. These ask for more than
        all have who bid less than they do. So one who outbids as many as the largest of them asks for is safe."""
        if self.spot is None or not self._freed:
            return False
        somebody_waits = self._free_now < units or self.spot > (self.minimum or Decimal(0))
        if limit <= self.spot and 0 < units <= self.room and somebody_waits:
            return True
        return (self._safe is None or limit < self._safe) and self._is_left(limit, above)

    def _is_left(self, limit: Decimal, above: Sequence[tuple[Decimal, int]]) -> bool:
        """Whether, at any limit higher than `limit`, more comes free than yours take: `above`, the highest first."""
        taken, left = 0, list(reversed(above))
        for place, free in self._free_from:
            if place <= limit:
                return False
            while left and left[-1][0] >= place:
                taken += left.pop()[1]
            if free > taken:
                return True
        return False

    def falls_beside(self, units: int, price: Decimal | None) -> Decimal | None:
        """How far below `price` it may fall where you take so many units: because those who wait now take what is left
        of what comes free, or because you bid less than they do; None: it does not."""
        is_low = price is not None and self.spot is not None and price < self.spot
        return (self.minimum or Decimal(0)) if is_low or units < self._freed else None

    def is_all(self, units: int) -> bool:
        """Whether nobody else has any where you take so many units."""
        return self._total is not None and units >= self._total

    def is_too_much(self, taken: int, needed: int, limit: Decimal, *, is_older: bool = False) -> bool:
        """Whether it is known that `limit` does not win the units from `taken` to `needed`: that whom it outbids have
        too little, and so has what is left over by those whom the first `taken` push out. `is_older`: it may win a
        tie."""
        if self.is_all(needed - 1):
            return True  # there are not so many
        if taken <= self.room < needed and self.spot is not None and limit < self.spot:
            return True  # it outbids nobody
        beaten = max((price for many, price in self._beaten.items() if taken < many <= needed), default=None)
        if beaten is None or limit > beaten or (is_older and limit == beaten):
            return False
        before = self.win(taken)
        return taken <= self.room or (before is not None and beaten >= before)

    @property
    def is_as_it_is(self) -> bool:
        """Whether nothing is taken out of it."""
        return not self._freed

    @property
    def _freed(self) -> int:
        return sum(units for _, units in self._places)

    @property
    def _free_now(self) -> int:
        return self._free or 0

    @property
    def room(self) -> int:
        """The units that are free, with what comes free."""
        return self._free_now + self._freed

    def beaten(self, units: int) -> Decimal | None:
        """What the last of those whom so many units push out bids at least; None where nobody asked for as many."""
        return self._beaten.get(units)

    def entered(self, one: Estimate, units: int) -> Estimate:
        """`one`, as the last of bids for so many units that win together."""
        win, spot, beaten = self.win(units), self.spot, self._beaten.get(units)
        if units <= self.room and spot is not None and one.entry.basis != "room":
            limit, least = one.limit_price, self.minimum if one.limit_price < spot else spot
            entry = EntryPrice(min(spot, limit), least, limit, "room")
            return attrs.evolve(one, entry=entry, outlook="runs", warnings=())
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
            minimum=self.minimum,
            lowest_allocated=self.lowest_allocated,
            win_price=win,
            available=self.room if self._freed else self._free,
            total=self._total,
            next_win=self._next_win(units),
        )

    def next_above(self, units: int) -> Decimal | None:
        """What one unit more wins with, where that is known to be more than what `units` win with: then whom these push
        out leave nothing over. Cents of another size may not tell."""
        more, win, beaten = self._wins.get(units + 1), self._wins.get(units), self._beaten.get(units + 1)
        return more if win is not None and beaten is not None and beaten >= win else None

    def _next_win(self, units: int) -> Decimal | None:
        """What one unit more wins with; None where it is unknown whether that is more than what `units` win with."""
        more, win = self._wins.get(units + 1), self._wins.get(units)
        is_same = more is not None and win is not None and more <= win
        return more if is_same else self.next_above(units)

    def alone(self, one: Estimate, *, holding: bool) -> Estimate:
        """`one`, told in units; `holding`: it is in this book. What nobody knows of its own size is not known from
        others."""
        gpus = one.gpus or 1
        units, limit = self._common.units(one.quantity, gpus), self._common.price(one.limit_price, gpus)
        known = one.market is not None and one.market.spot is not None
        found = estimate(
            self._market(units) if known else None,
            limit,
            units,
            gpus=self._common.unit,
            paused=one.outlook == "paused",
            holding=holding,
        )
        if one.outlook == "cannot_win":  # by what is known of its own size
            return attrs.evolve(found, outlook=one.outlook, entry=one.entry, warnings=one.warnings)
        if known and found.outlook in ("runs", "waits") and not holding and self.is_contested(units, limit):
            return unknown(found)
        if found.entry.basis != "displacing":
            return found
        return attrs.evolve(self.entered(found, units), outlook=found.outlook)  # one that is paused takes nothing

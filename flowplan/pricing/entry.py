"""What a bid costs now, per hour: by the prices of this moment. Pure: prices are given, nothing is fetched."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Literal, TypeAlias

import attrs

from flowplan.classes import frozen
from flowplan.exact import exact
from flowplan.pricing.units import CENT, total


@frozen
class Market:
    """One auction as `pricing/current` shows it for `quantity` instances. Prices in dollars per
    instance-hour, capacities in instances; None where the API says nothing."""

    instance_type: str
    region: str
    quantity: int
    spot: Decimal | None = None
    minimum: Decimal | None = None
    lowest_allocated: Decimal | None = None
    win_price: Decimal | None = None  # the smallest limit that wins `quantity` now
    available: int | None = None
    total: int | None = None
    reserved: Decimal | None = None  # the list price: what reserved capacity costs
    as_of: str | None = None
    next_win: Decimal | None = None  # the smallest limit that wins one more than `quantity`, where it was asked for

    @property
    def is_entered_by_displacing(self) -> bool:
        """Whether a bid for `quantity` instances wins here, but only by pushing others out."""
        return self.available is not None and self.available < self.quantity and self.win_price is not None


# Of one instance, and of several: how far the price falls below the last one at most, and rises above the win price.
_MEASURED = ((Decimal("0.7"), Decimal("1.15")), (Decimal("0.85"), Decimal("1.05")))
Key: TypeAlias = tuple[str, str, int]  # instance type, region, quantity
Outlook: TypeAlias = Literal["runs", "waits", "cannot_win", "paused", "unknown"]


@frozen
class EntryPrice:
    """What this bid would pay per instance-hour if it ran now: `point`, within `low` to `high`.

    `basis` says why: `holding` (it runs already), `room` (free capacity), `displacing` (it pushes others
    out and pays the highest limit among them), `losing`, `below_reserve`, `too_large`, `unknown`.
    """

    point: Decimal | None
    low: Decimal | None
    high: Decimal | None
    basis: Literal["holding", "room", "displacing", "losing", "below_reserve", "too_large", "unknown"]

    @property
    def is_most(self) -> bool:
        """Whether `point` is the most that it would pay: it enters below the spot price, which makes that fall."""
        return self.basis == "room" and self.point != self.low


def entry_price(market: Market | None, limit: Decimal, *, holding: bool) -> EntryPrice:
    """The second price for a bid of `market.quantity` instances at `limit`; `holding`: it is allocated now.

    With room left nobody is displaced and the price stays. When the auction is full, the bids pushed out
    become the highest losers: one instance pays about today's lowest winning limit; several, and one that is made of
    several of a smaller size, what the last of them bids, a cent less than the win price (docs/ASSUMPTIONS.md, A13).
    Today's spot price alone would be too low in a full auction. What nobody sees of the book makes it a range
    (`displaced`). Nobody enters below the reserve, nor a full auction below the spot price: prices read at different
    moments may disagree.
    """
    if market is None or market.spot is None:
        return _untold(market.minimum if market else None, limit)
    spot, minimum = market.spot, market.minimum
    if minimum is not None and limit < minimum:
        return EntryPrice(None, None, None, "below_reserve")
    if market.total is not None and market.quantity > market.total:
        return EntryPrice(None, None, None, "too_large")
    spot = max(spot, minimum or Decimal(0))
    if holding and limit >= spot:
        return EntryPrice(spot, spot, limit, "holding")
    if market.available is not None and market.available >= market.quantity:
        return _with_room(market, limit, spot)
    if market.available is None and market.win_price is None:
        return _untold(minimum, limit)
    return _displacing(market, limit, spot)


def _untold(least: Decimal | None, limit: Decimal) -> EntryPrice:
    """A price that nobody can tell: from `least`, where that is known, up to the limit."""
    return EntryPrice(None, None if least is None else min(least, limit), limit, "unknown")


def _with_room(market: Market, limit: Decimal, spot: Decimal) -> EntryPrice:
    """Below the spot price a bid wins what is free where those who lose at that price ask for more than is free. Its
    limit is the lowest that wins then, and nobody pays more: the price falls to what the next loser bids, which no
    price shows, or to this limit by the other reading of the rule (docs/ASSUMPTIONS.md, A2)."""
    win = market.win_price
    if limit >= spot:
        return EntryPrice(spot, spot, limit, "room")
    if win is None:
        return _untold(market.minimum, limit)
    if limit < win:
        return EntryPrice(None, min(win, spot), None, "losing")
    return EntryPrice(limit, market.minimum, limit, "room")


def to_win(market: Market | None, limit: Decimal) -> Decimal | None:
    """The lowest limit that wins `market.quantity` instances now, in dollars per instance-hour, where `limit` does not;
    None where it does, or where that is unknown."""
    entry = entry_price(market, limit, holding=False)
    if entry.basis == "below_reserve" and market is not None and market.minimum is not None:
        return to_win(market, market.minimum) or market.minimum
    return entry.low if entry.basis == "losing" else None


def _displacing(market: Market, limit: Decimal, spot: Decimal) -> EntryPrice:
    win, lowest = market.win_price, market.lowest_allocated
    if win is None and market.quantity == 1 and lowest is not None:
        win = lowest + CENT  # equal limits go to the older bid, so a newcomer must be above
    if win is None:
        return _untold(spot, limit)
    win = max(win, spot)
    if limit < win:
        return EntryPrice(None, win, None, "losing")
    last = max(win - CENT, spot)  # what the last of those bids whom it pushes out
    if market.quantity == 1 and lowest is not None:
        last = max(last, lowest)
    return displaced(market, spot, win, min(last, limit), limit)


def displaced(market: Market, spot: Decimal, win: Decimal, point: Decimal, limit: Decimal) -> EntryPrice:
    """The price of a bid that wins from `win` on, by pushing others out, with the range it is in.

    Where one instance more takes a higher limit, exactly as much comes free as the bid takes. Everybody else stays, and
    the price is at most what the next to be pushed out bids. Where it does not, more comes free: bids that wait take
    the rest, and the price may fall, or rise to what a large one that is passed over asks, above this range. How far it
    falls, no price shows; it is measured (tests/pricing/test_entry_range.py).
    """
    fall, rise = _MEASURED[market.quantity > 1]
    least = max((spot * fall).quantize(CENT, ROUND_FLOOR), market.minimum or Decimal(0))
    if market.next_win is None:
        low, high = least, (win * rise).quantize(CENT, ROUND_CEILING)
    elif market.next_win > win:
        low, high = spot, market.next_win
    else:
        low, high = least, win
    return EntryPrice(point, min(low, point), min(max(high, point), limit), "displacing")


def at_any_limit(market: Market | None) -> EntryPrice:
    """What a bid for `market.quantity` instances would pay first, were its limit no matter."""
    found = entry_price(market, Decimal("Infinity"), holding=False)
    return found if found.high is None or found.high.is_finite() else attrs.evolve(found, high=None)


def first_price(entry: EntryPrice, last: Decimal | None) -> Decimal | None:
    """The price of now for a bid with this entry, where it is another than `last`, that of the auction; None: that
    one. A losing bid moves no price."""
    if entry.basis == "losing":
        return entry.low if last is None else None
    return None if entry.point == last else entry.point


def charged_at(spot: Decimal, limit: Decimal) -> Decimal:
    """Dollars that an instance which runs is charged an hour, at most: until it is preempted one that the spot price
    has passed pays the last price at which it won, which the cloud does not list."""
    return min(spot, limit)


def has_passed(spot: Decimal | None, limit: Decimal | None) -> bool:
    """Whether the spot price has passed the `limit` of an instance that is charged: what `charged_at` says is the most
    then. Not where one of them is unknown."""
    return spot is not None and limit is not None and spot > limit


@frozen
class Estimate:
    """What one bid costs in dollars per hour, all its instances together.

    `now`: 0 while it would not run, None when the market says too little. `if_won`: what it would pay
    once it ran. `worst`: every instance at the limit, the ceiling. `charged`: whether its instances are paid for at
    this moment, though it may win no longer: so they are until it is preempted. None: nobody knows.

    `unreported`: which of its quantity and limit price nobody knows, by their names in `Bid`. What these hold here
    stands for nothing, and what is made of them is None.

    `alone`: what it would pay without your other new bids; None where they make no difference.
    `ambiguous`: the price under both readings, where the rule does not determine it (competition.py).
    """

    quantity: int
    limit_price: Decimal
    outlook: Outlook
    entry: EntryPrice
    market: Market | None
    gpus: int | None = None
    warnings: tuple[str, ...] = ()
    alone: EntryPrice | None = None
    ambiguous: tuple[Decimal, Decimal] | None = None
    charged: bool | None = False
    unreported: tuple[str, ...] = ()

    @property
    @exact
    def now(self) -> Decimal | None:
        """Dollars per hour of all instances together; at most where it is charged at a price above its limit."""
        if self.outlook == "unknown":
            return None
        if self.outlook == "runs" and self.entry.point is not None:
            return self.entry.point * self.quantity
        if self.charged is False or self.outlook == "paused":
            return Decimal(0)
        spot = self.market.spot if self.market is not None else None
        return None if spot is None or self.charged is None else charged_at(spot, self.limit_price) * self.quantity

    @property
    def is_most(self) -> bool:
        """Whether `now` is the most that is charged: the spot price has passed its limit."""
        waits = self.outlook in ("waits", "cannot_win") and bool(self.charged)
        return waits and has_passed(self.market.spot if self.market is not None else None, self.limit_price)

    @property
    @exact
    def if_won(self) -> Decimal | None:
        """None for a bid that waits (the price has to come down to its limit first) or can never win."""
        return None if self.entry.point is None else self.entry.point * self.quantity

    @property
    @exact
    def worst(self) -> Decimal | None:
        """Dollars per hour with every instance at the limit; 0 while it is paused, for then it is never charged."""
        if self.outlook == "paused":
            return Decimal(0)
        return None if self.unreported else self.limit_price * self.quantity


def estimate(
    market: Market | None,
    limit: Decimal,
    quantity: int,
    *,
    gpus: int | None,
    paused: bool,
    holding: bool,
    charged: bool | None = False,
) -> Estimate:
    """The estimate of a bid; `holding`: it is allocated now and stays so if its limit allows."""
    entry = entry_price(market, limit, holding=holding)
    outlook: Outlook
    if paused:
        outlook = "paused"
    elif entry.basis in ("below_reserve", "too_large"):
        outlook = "cannot_win"
    elif entry.basis == "losing":
        outlook = "waits"
    else:
        outlook = "unknown" if entry.point is None else "runs"
    return Estimate(quantity, limit, outlook, entry, market, gpus, _warnings(market, entry, limit), charged=charged)


def unknown(one: Estimate) -> Estimate:
    """A bid of which nobody can tell whether it runs."""
    entry = _untold(None, one.limit_price)
    return attrs.evolve(one, entry=entry, outlook="unknown", warnings=())


def untold(one: Estimate, unreported: tuple[str, ...]) -> Estimate:
    """A bid of which nobody knows what is `unreported`: paused it costs nothing; else nobody knows what it costs."""
    outlook: Outlook = "paused" if one.outlook == "paused" else "unknown"
    entry = EntryPrice(None, None, None, "unknown")
    return attrs.evolve(one, entry=entry, outlook=outlook, warnings=(), unreported=unreported)


def _warnings(market: Market | None, entry: EntryPrice, limit: Decimal) -> tuple[str, ...]:
    found = []
    if entry.basis == "below_reserve":
        found.append("below_reserve")
    if entry.basis == "losing":
        found.append("cannot_win_now")
    if market and market.lowest_allocated == limit and entry.basis == "losing":
        found.append("tie")
    if entry.basis == "too_large":
        found.append("all_or_nothing_too_large")
    return tuple(found)


@frozen
class Total:
    """Dollars per hour of several things together. Each is None as soon as that of one of them is unknown."""

    now: Decimal | None = Decimal(0)
    worst: Decimal | None = Decimal(0)

    def __add__(self, other: Total) -> Total:
        return Total(total((self.now, other.now)), total((self.worst, other.worst)))

    def __sub__(self, other: Total) -> Total:
        return self + Total(*(None if part is None else -part for part in (other.now, other.worst)))


@frozen
class Totals:
    """The stack per hour as it is and as planned; storage included."""

    current: Total
    planned: Total

    @property
    @exact
    def delta(self) -> Total:
        """How much more the stack costs as planned; less is negative."""
        return self.planned - self.current

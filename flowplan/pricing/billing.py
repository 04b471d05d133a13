"""The account of a bid: what it was billed, in all or within a window, and what was done to it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Literal, TypeAlias

import attrs
from attrs import field

from flowplan.classes import frozen
from flowplan.model.bill import Bill

Ender: TypeAlias = Literal["user", "cloud"]  # who ended a bid: somebody, with flowplan or without, or the cloud
Steering: TypeAlias = Literal["placed", "limit_changed", "paused", "resumed", "cancelled"]
_HOUR = 3_600_000_000  # microseconds
_SEEN_LATE = timedelta(minutes=10)  # an instance had ended for up to so long when its end was seen
_MILLIONTH = Decimal("0.000001")


@frozen
class Billed:
    """One `instance` of `bid` ran from `start` to `end` (None: it still does) at `price` dollars an hour."""

    bid: str
    instance: str
    price: Decimal
    start: datetime
    end: datetime | None = None


@frozen
class Steered:
    """What somebody did to a bid. `limit`: its limit from then on, where that is said."""

    at: datetime
    how: Steering
    limit: Decimal | None = None


@frozen
class Bills:
    """The price periods of instances, as far as they can be read. `unread`: by bid, what of its bill cannot be; what
    `periods` has of such a bid is the least that it was billed, and the whole is unknown."""

    periods: tuple[Billed, ...] = ()
    unread: Mapping[str, str] = field(factory=dict)

    @cached_property
    def by_bid(self) -> Mapping[str, Sequence[Billed]]:
        """The periods of each bid."""
        return by_bid(self.periods)

    def paid(self, bid: str, until: datetime | None) -> Decimal | None:
        """Dollars that `bid` was billed until `until`: what is not listed was not billed; None: that is unknown."""
        return None if bid in self.unread else paid(self.by_bid.get(bid, ()), until)


def paid(periods: Iterable[Billed], until: datetime | None, since: datetime | None = None) -> Decimal:
    """Dollars billed from `since` (None: from the first) to `until`. None: what still runs counts nothing."""
    total = Decimal(0)
    for one in periods:
        start = one.start if since is None else max(one.start, since)
        ends = [moment for moment in (one.end, until) if moment is not None]
        end = min(ends, default=start)
        if end > start:
            total += one.price * hours_between(start, end)
    return total


def billed_by_end(periods: Iterable[Billed], now: datetime, ended: datetime | None) -> Bill | None:
    """What was billed for a bid that has ended: at `ended`, where that is known. None: unknown, since the bill lags so
    far that it has the bid running, and nobody knows how long it did."""
    periods = tuple(periods)
    if ended is None:
        return None if any(one.end is None for one in periods) else billed(periods, now)
    surely = billed((_ending(one, ended - _SEEN_LATE) for one in periods), now)
    return Bill(paid((_ending(one, ended) for one in periods), now), surely.hours)


def _ending(period: Billed, end: datetime) -> Billed:
    return attrs.evolve(period, end=end) if period.end is None else period


def billed(periods: Iterable[Billed], until: datetime | None) -> Bill:
    """What was billed until `until`. None: what still runs counts nothing."""
    periods = tuple(periods)
    hours = paid((attrs.evolve(one, price=Decimal(1)) for one in periods), until)
    return Bill(paid(periods, until), hours.quantize(_MILLIONTH))


def each_once(periods: Iterable[Billed]) -> tuple[Billed, ...]:
    """`periods` without what is in them again: a bill in pages can move by a row between two of them. Of two that begin
    alike the longer one counts."""
    found: dict[tuple[str, str, Decimal, datetime], Billed] = {}
    for one in periods:
        key = (one.bid, one.instance, one.price, one.start)
        other = found.get(key)
        if other is None or (other.end is not None and (one.end is None or one.end > other.end)):
            found[key] = one
    return tuple(found.values())


def by_bid(periods: Iterable[Billed]) -> dict[str, list[Billed]]:
    """The periods of each bid."""
    found: dict[str, list[Billed]] = {}
    for one in periods:
        found.setdefault(one.bid, []).append(one)
    return found


def hours_between(start: datetime, end: datetime) -> Decimal:
    """Exact to the microsecond."""
    passed = end - start
    return Decimal((passed.days * 86400 + passed.seconds) * 1_000_000 + passed.microseconds) / _HOUR

"""Futures: past price paths, set to the present, and books drawn around them, in which the plan's bids take part.

The futures of a plan depend on its auctions alone: two plans for the same auctions meet the same futures, and can be
compared. In a future all auctions follow pieces of the past that are near in time, so they move together as they did.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from random import Random
from typing import NamedTuple, TypeAlias

from flowplan.cost.what_if.book import Book, Cleared
from flowplan.cost.what_if.pools import Own, Pool
from flowplan.cost.what_if.rivals import Depth, drawn
from flowplan.pricing.forecasting import HIGH
from flowplan.pricing.history import GRACE
from flowplan.pricing.units import DAY

FUTURES = 200
RENEWED = 12.0  # hours after which others have come and gone: a new book is drawn
_MOMENT = 1e-6  # hours
Tell: TypeAlias = Callable[[int, int], None]  # how many futures of how many are done
Path: TypeAlias = Sequence[tuple[float, float]]  # (dollars per instance-hour, hours), one after the other


class Fate(NamedTuple):
    """What becomes of a bid in a future. `cost` in dollars of all its instances, `first_day` of that until a day has
    passed; `running` in hours; `done_at`: hours from now, None where its work is not done; `paid` and `without`:
    dollar-hours of an instance, at the price and at what it would be without the plan, both while it wins."""

    cost: float
    first_day: float
    running: float
    preemptions: int
    done_at: float | None
    paid: float
    without: float


class Futures(NamedTuple):
    """`fates` by pool, future, bid; `inner`: how much of all futures the upper end of a band leaves below it, and of
    the band of a day."""

    fates: list[list[list[Fate]]]
    inner: float
    inner_of_a_day: float


def simulate(
    pools: Sequence[Pool], hours: float, number: int = FUTURES, tell: Tell = lambda done, all_: None
) -> Futures:
    """What becomes of every bid over `hours` in `number` futures. The pasts must be at least `hours` long."""
    fates = []
    for index, pool in enumerate(pools):
        of_pool = []
        for future, place in enumerate(_chosen(pool, hours, number)):
            path = pool.stream.path_at(place, hours, pool.level * pool.gpus)
            of_pool.append(_lived(pool, path, _books(pool, future, hours)))
            tell(index * number + future + 1, len(pools) * number)
        fates.append(of_pool)
    inner, day = (max((pool.stream.share(HIGH, span) for pool in pools), default=HIGH) for span in (hours, DAY))
    return Futures(fates, inner, day)


def _chosen(pool: Pool, hours: float, number: int) -> list[int]:
    """Which past path each future follows, those that count more more often: evenly, so that no chance is in it, and in
    the order of time. So the auctions follow pieces as near in time as what counts in each allows."""
    reached = list(accumulate(pool.stream.weights(hours, pool.level * pool.gpus)))
    return [bisect_left(reached, (future + 0.5) / number * reached[-1]) for future in range(number)]


def _books(pool: Pool, future: int, hours: float) -> Iterator[Book]:
    """The books of one future, one after the other: the first as far as it is seen, the others for as deep ones."""
    seed = f"{pool.kind}:{pool.region}:{future}"  # nothing of the plan's bids
    elasticity = pool.depth.drawn(Random(seed), pool.lots)  # noqa: S311 - a simulation
    for number in range(math.ceil(hours / RENEWED)):
        rivals = drawn(
            Random(f"{seed}:{number}"),  # noqa: S311
            elasticity,
            Depth() if number else pool.depth,
            pool.lots,
            winning=pool.stock - pool.held,
            displaced=pool.wanted + pool.lots.largest,
            freed=pool.held + pool.lots.largest,
        )
        yield Book(pool.competing, rivals, stock=pool.stock, held=pool.held, room=pool.room, reserve=pool.reserve)


def _lived(pool: Pool, path: Path, books: Iterator[Book]) -> list[Fate]:
    """One future of a pool."""
    rounds = []
    book, until, at = next(books), RENEWED, 0.0
    for price, hours in path:
        market, end = price / pool.gpus, at + hours
        while end > until + _MOMENT:
            rounds.append((market, until - at, book.at(market)))
            at, until, book = until, until + RENEWED, next(books)
        rounds.append((market, end - at, book.at(market)))
        at = end
    return [_fate(own, index, rounds) for index, own in enumerate(pool.own)]


def _fate(own: Own, index: int, rounds: Sequence[tuple[float, float, Cleared]]) -> Fate:
    """Who loses keeps running for the minutes of his notice, at his last price; who wins again within them goes on.
    Nothing is paid once its lifetime is over; in the book of that future it stays."""
    each = own.quantity * own.gpus
    most, most_running, end = own.left.paid, own.left.most_running, own.left.within(math.inf)
    at = cost = first_day = running = paid = without = last = out = 0.0
    preemptions, has_machines, done_at = 0, False, None
    for market, hours, cleared in rounds:
        if at >= end or running >= most_running or (most is not None and cost * each >= most):
            break
        left = min(hours, end - at, most_running - running)
        if cleared.wins[index]:
            last, out, ran, has_machines = cleared.price(market), 0.0, left, True
            paid += last * ran
            without += market * ran
        elif has_machines:
            ran = min(left, GRACE - out)
            out += hours
            if out >= GRACE:
                preemptions, has_machines = preemptions + 1, False
        else:
            ran = 0.0
        cost += last * ran
        first_day = cost if at < DAY - _MOMENT else first_day  # no round goes beyond a day: the book is new then
        running += ran
        if own.work_hours is not None and done_at is None and running >= own.work_hours - 1e-9:
            done_at = at + ran - (running - own.work_hours)
        at += hours
    if most is not None:
        cost, first_day = (min(amount, float(most) / each) for amount in (cost, first_day))
    return Fate(cost * each, first_day * each, running, preemptions, done_at, paid * own.gpus, without * own.gpus)

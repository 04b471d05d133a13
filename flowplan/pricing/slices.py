"""Prices that hold until the next one, cut into parts of the time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, TypeAlias

Prices: TypeAlias = Sequence[tuple[datetime, Decimal]]  # the oldest first; each holds until the next


class Slice(NamedTuple):
    """What a part of the time saw: the least and the greatest price, and the mean weighted by duration."""

    least: Decimal
    greatest: Decimal
    mean: Decimal


def slices(prices: Prices, start: datetime, end: datetime, count: int) -> list[Slice | None]:
    """`count` equal parts from `start` to `end`; None for a part before the first price. One pass."""
    width = (end - start) / count
    made: list[Slice | None] = []
    index = -1
    for number in range(count):
        left, right = start + number * width, start + (number + 1) * width
        while index + 1 < len(prices) and prices[index + 1][0] <= left:
            index += 1
        spans: list[tuple[Decimal, Decimal]] = []
        at, price = left, prices[index][1] if index >= 0 else None
        while True:
            following = prices[index + 1] if index + 1 < len(prices) else None
            until = min(following[0], right) if following else right
            if price is not None and until > at:
                spans.append((price, Decimal((until - at).total_seconds())))
            if following is None or following[0] >= right:
                break
            index += 1
            at, price = following
        made.append(_slice(spans))
    return made


def _slice(spans: Sequence[tuple[Decimal, Decimal]]) -> Slice | None:
    if not spans:
        return None
    prices = [price for price, _ in spans]
    length = sum(seconds for _, seconds in spans)
    return Slice(min(prices), max(prices), sum((p * s for p, s in spans), Decimal(0)) / length)


def from_then_on(prices: Prices, start: datetime) -> list[tuple[datetime, Decimal]]:
    """The price in force at `start`, if one is known, and every change after it."""
    before = [price for at, price in prices if at <= start]
    return [*([(start, before[-1])] if before else []), *((at, price) for at, price in prices if at > start)]

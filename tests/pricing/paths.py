"""Past prices that forecasts are made from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

D = Decimal
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLOSE = D("0.00001")
Events = list[tuple[datetime, Decimal]]


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def flat(price: str, hours: float = 336) -> Events:
    return [(ago(hours), D(price))]


def days_and_nights() -> Events:
    """14 days: 10 dollars for 12 hours, then 20 for 12 hours; now the 10 begin."""
    return [(ago(336 - 12 * half), D(20 if half % 2 else 10)) for half in range(28)] + [(NOW, D(10))]


def wandering(seed: int, events: int = 300, hours: float = 336) -> Events:
    random = Random(seed)
    price, found = 10.0, []
    for number in range(events):
        price = max(1.0, price * random.lognormvariate(0, 0.2) * (10 / price) ** 0.1)
        found.append((ago(hours * (1 - number / events)), D(f"{price:.2f}")))
    return found

"""The account of a bid: each period of each machine counts once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations

import attrs
import pytest

from flowplan.pricing.billing import Billed, each_once, paid, paid_by_end

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RUNS = Billed("bid_1", "inst_1", Decimal(8), NOON)
RAN = attrs.evolve(RUNS, end=NOON + HOUR)
OTHERS = [
    attrs.evolve(RAN, bid="bid_2"),
    attrs.evolve(RAN, instance="inst_2"),
    attrs.evolve(RAN, start=NOON + HOUR, end=NOON + 2 * HOUR),
    attrs.evolve(RAN, price=Decimal(9)),  # the price changed in the second in which it began
]


def test_what_differs_in_anything_counts() -> None:
    assert each_once([RAN, *OTHERS]) == (RAN, *OTHERS)


@pytest.mark.parametrize("listed", list(permutations([RUNS, RAN, attrs.evolve(RAN, end=NOON)])))
def test_of_what_is_listed_again_the_longest_counts(listed: tuple[Billed, ...]) -> None:
    assert each_once(listed) == (RUNS,)
    assert paid(each_once([*listed, *listed]), NOON + 3 * HOUR) == Decimal(24)


def test_a_bill_that_still_has_an_ended_bid_running_does_not_say_until_when() -> None:
    late = NOON + 9 * HOUR
    assert paid_by_end([RAN], late, None) == Decimal(8)
    assert paid_by_end([RAN, attrs.evolve(RUNS, instance="inst_2")], late, None) is None
    assert paid_by_end([RAN, attrs.evolve(RUNS, instance="inst_2")], late, NOON + 2 * HOUR) == Decimal(24)
    assert paid_by_end([attrs.evolve(RAN, end=NOON + 3 * HOUR)], late, NOON + 2 * HOUR) == Decimal(24)  # it says so
    assert paid_by_end([], late, None) == 0

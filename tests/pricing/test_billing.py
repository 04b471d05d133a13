"""The account of a bid: each period of each machine counts once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations

import attrs
import pytest

from flowplan.model.bill import Bill
from flowplan.pricing.billing import Billed, billed, billed_by_end, each_once, paid

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
    late, two = NOON + 9 * HOUR, NOON + 2 * HOUR
    second = attrs.evolve(RUNS, instance="inst_2")
    assert billed_by_end([RAN], late, None) == Bill(Decimal(8), Decimal(1))
    assert billed_by_end([RAN, second], late, None) is None
    assert billed_by_end([attrs.evolve(RAN, end=NOON + 3 * HOUR)], late, two) == Bill(Decimal(24), Decimal(3))
    assert billed_by_end([], late, None) == Bill(Decimal(0), Decimal(0))


def test_an_end_that_was_seen_late_is_no_hour_that_a_later_bill_lacks() -> None:
    """The instance may have ended minutes before somebody saw it: the bill that says so is complete."""
    seen = NOON + 2 * HOUR
    guess = billed_by_end([RUNS], NOON + 9 * HOUR, seen)
    assert guess is not None
    assert guess.amount == Decimal(16)
    exact = billed([attrs.evolve(RUNS, end=seen - HOUR / 12)], NOON + 9 * HOUR)
    assert guess.hours < exact.hours < Decimal(2)

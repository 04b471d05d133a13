"""The measures of `make backtest`: rules for the limit, and streams that nothing was chosen on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.pricing.history import Stream
from tests import limit_rules
from tests.kept_back import KINDS, kept_back

NOW = datetime(2026, 11, 2, tzinfo=UTC)
PAST = Stream.of([(NOW - timedelta(hours=336 - n), Decimal(8 + n % 3)) for n in range(336)], NOW)


def test_by_hand() -> None:
    """20 hours at 9, three at 11, one at 30: the oracle runs 23 of 24 at 11; an hour at 30 would cost 19 more than the
    oracle would pay, an hour at 9 or 11 that is lost up to 2 less."""
    day = limit_rules.day(PAST, [(9, 20), (11, 3), (30, 1)], 40)
    assert day["oracle"] == (213, 1, True, 0)
    assert day["on-demand price"] == (243, 0, True, 19)
    assert day["reserve + 25%"] == day["advice at 90%"]._replace(held=False) == (180, 4, False, 0)
    week = limit_rules.judged([day], 40)
    assert week["on-demand price"].regret == pytest.approx(19 / (24 * 40))
    assert limit_rules.better_on_both([week]) == []


@given(st.lists(st.tuples(st.floats(1, 50), st.just(2.0)), min_size=12, max_size=12), st.floats(1, 60))
def test_nobody_does_better_than_the_oracle(pieces: list[tuple[float, float]], on_demand: float) -> None:
    day = limit_rules.day(PAST, pieces, on_demand)
    assert day["oracle"].regret == 0 and day["oracle"].held
    assert all(found.regret >= 0 for found in day.values())


def test_kept_back_streams_are_the_same_each_time_and_of_ten_weeks() -> None:
    halves = {name: changes for half in ("choose", "report") for name, changes in kept_back(half)}  # type: ignore[arg-type]
    assert len(halves) == 4 * len(KINDS)
    assert halves["cycle-3"] == dict(kept_back("report"))["cycle-3"]
    assert all(changes[0][0] == 0 and min(price for _, price in changes) > 0 for changes in halves.values())
    assert all(len(changes) > 20 for changes in halves.values())

"""The measures of `make backtest`: rules for the limit, and streams that nothing was chosen on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.pricing.history import Stream
from tests import backtest, limit_rules
from tests.kept_back import KINDS, kept_back

NOW = datetime(2026, 11, 2, tzinfo=UTC)
PAST = Stream.of([(NOW - timedelta(hours=336 - n), Decimal(8 + n % 3)) for n in range(336)], NOW)


def test_by_hand() -> None:
    """20 hours at 9, three at 11, one at 30: the oracle runs 23 of 24 at 11; an hour at 30 would cost 19 more than the
    oracle would pay, an hour at 9 or 11 that is lost up to 2 less."""
    day = limit_rules.day(PAST, [(9, 20), (11, 3), (30, 1)], 40)
    assert day["oracle"] == (213, 1, True, 0)
    assert day["on-demand price"] == (243, 0, True, 19)
    assert day["reserve + 25%"] == (180, 4, False, 0)
    assert day["advice at 90%"] == (180, 4, False, 0)  # at 10: for two weeks the price has never been above it
    week = limit_rules.judged([day], 40)
    assert week["on-demand price"].regret == pytest.approx(19 / (24 * 40))
    assert limit_rules.better_on_both([week]) == []


@given(st.lists(st.tuples(st.floats(1, 50), st.just(2.0)), min_size=12, max_size=12), st.floats(1, 60))
def test_nobody_does_better_than_the_oracle(pieces: list[tuple[float, float]], on_demand: float) -> None:
    day = limit_rules.day(PAST, pieces, on_demand)
    assert day["oracle"].regret == 0 and day["oracle"].held
    assert all(found.regret >= 0 for found in day.values())


def test_kept_back_streams_are_the_same_each_time_and_of_ten_weeks() -> None:
    halves = {kept.name: kept.changes for half in ("choose", "report") for kept in kept_back(half)}  # type: ignore[arg-type]
    assert len(halves) == 4 * len(KINDS)
    assert [kept.changes for kept in kept_back("report") if kept.name == "cycle-3"] == [halves["cycle-3"]]
    assert all(changes[0][0] == 0 and min(price for _, price in changes) > 0 for changes in halves.values())
    assert all(len(changes) > 20 for changes in halves.values())


def test_how_many_streams_are_outside_by_chance_alone() -> None:
    """Of 25 days 22 or 23 are within 85 to 95%, which half of all runs of them are not; of 350 hardly any is."""
    assert backtest.by_chance(25, 0.9, limit_rules.ABOUT) == pytest.approx(0.508, abs=0.001)
    assert backtest.by_chance(350, 0.9, limit_rules.ABOUT) < 0.01
    assert backtest.by_chance(1, 0.5, (0, 1)) == pytest.approx(0)


def test_a_stream_at_rest_proves_nothing() -> None:
    """A price that never moved is forecast exactly by the last one: it is in no mean of how well others were."""
    began = datetime(2026, 1, 1, tzinfo=UTC)
    events = [(began + timedelta(hours=7 * n), Decimal(1) + Decimal(n % 2) / 10) for n in range(100)]
    streams = [backtest.prices("moves", events), backtest.prices("rests", [(at, Decimal(1)) for at, _ in events])]
    scores = backtest.measure(streams, 2).scores
    assert backtest.of_moving(streams, scores) == ["moves"]

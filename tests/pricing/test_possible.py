"""Streams that go on otherwise than they did, and what is possible for who knows how they are drawn."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import get_args

import pytest

from tests import backtest, possible
from tests.kept_back import Half, Kept, kept_back

DRAWN = [f"{name}-1" for name in ("band", "cycle", "decays", "falling", "levels", "rare", "spikes", "trend", "two")]


@cache
def streams() -> dict[str, Kept]:
    return {kept.name: kept for half in get_args(Half) for kept in kept_back(half)}


def held(kept: Kept, now: float) -> float:
    return [price for at, price in kept.changes if at <= now][-1]


@pytest.mark.parametrize("name", DRAWN)
def test_a_course_begins_as_the_stream_is_now(name: str) -> None:
    kept = streams()[name]
    for now in (336, 500.05, 900 + 1 / 3):
        course = kept.on(Random(1), now, 30)
        assert course == kept.on(Random(1), now, 30)
        assert course != kept.on(Random(2), now, 30) or len({price for price, _ in course}) == 1
        assert course[0][0] == held(kept, now) and sum(hours for _, hours in course) == pytest.approx(30)
        assert min(hours for _, hours in course) > 0


def test_what_came_is_as_probable_as_what_is_drawn() -> None:
    """Of all streams and moments the rank of what came, among what is drawn, is even."""
    ranks = []
    for kept in streams().values():
        prices, random = backtest.of_kept(kept), Random(kept.name)
        for now in prices.moments(12, 6):
            truth = backtest.cost(prices.after(now, 6), None)
            drawn = [backtest.cost(kept.on(random, now, 6), None) for _ in range(19)]
            equal = sum(abs(cost - truth) < 1e-9 for cost in drawn)
            ranks.append((sum(cost < truth - 1e-9 for cost in drawn) + random.random() * (equal + 1)) / 20)
    for share in (0.1, 0.25, 0.5, 0.75, 0.9):
        below = sum(rank < share for rank in ranks) / len(ranks)
        assert below == pytest.approx(share, abs=0.04), share


def test_who_knows_how_a_stream_is_drawn_does_better(capsys: pytest.CaptureFixture[str]) -> None:
    found = {
        name: possible.measure(streams()[name], 3, courses=60, horizons=(6, 24, 168)) for name in ("band-1", "rare-1")
    }
    for one in found.values():
        assert {hours for hours, _ in one.scores} == {6, 24}
        assert one.skill(24, possible.BEST) > one.skill(24, possible.OURS) > 0
        assert one.skill(24, possible.LAST) == 0
    possible.report(found, (6, 24))
    out = capsys.readouterr().out
    assert "best possible at 24 h: skill" in out and "of 2; advice outside of (0.85, 0.95) on" in out

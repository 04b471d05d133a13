"""What a plan is made of is no more work for each resource when there are more of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flowplan.config import Config
from flowplan.model.address import Address
from flowplan.planning.changes import Changes
from flowplan.planning.conflicts import conflicts
from flowplan.planning.desired import Desired
from flowplan.planning.plan import Wishes
from flowplan.planning.steps import Step, order
from tests.builders import bid, bound, live, live_bid, live_volume, marker, state, volume
from tests.work import grows_linearly

Work = Callable[[int], Callable[[], object]]


def _volumes(count: int) -> dict[Address, str]:
    return {Address("volume", f"data-{n}"): f"vol_{n}" for n in range(count)}


def _taken(count: int) -> Callable[[], object]:
    """The state is lost: another lineage has every name."""
    bids = [bid(f"train-{n}", volumes=(f"vol_{n}",)) for n in range(count)]
    there = live(
        *(live_bid(one, f"bid_{n}", marker=marker(one, lineage="other")) for n, one in enumerate(bids)),
        *(live_volume(volume(a.name), id) for a, id in _volumes(count).items()),
    )
    wanted = Desired({Address("bid", one.name): one for one in bids} | {a: volume(a.name) for a in _volumes(count)})
    return lambda: len(conflicts(wanted, state(), {}, there, Config({}, {}))) == 2 * count


def _unchanged(count: int) -> Callable[[], object]:
    """Everything is there."""
    there = live(*(live_volume(volume(a.name), id) for a, id in _volumes(count).items()))
    known = state(*(bound(a, id, volume(a.name)) for a, id in _volumes(count).items()))
    wanted = Desired({a: volume(a.name) for a in _volumes(count)})
    return lambda: Changes(wanted, known, there, Wishes()).all()


def _ordered(count: int) -> Callable[[], object]:
    steps = [Step(way, a) for a in _volumes(count) for way in ("up", "down")]  # type: ignore[arg-type]
    return lambda: order(steps, {}, {})


@pytest.mark.parametrize("work", [_taken, _unchanged, _ordered])
def test_twice_as_much_is_twice_the_work(work: Work) -> None:
    assert grows_linearly(work)

"""When the watch lowers a limit that it has raised: once the written one has been enough for an hour, with a spare."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from flowplan.model.lifecycle import Lifecycle
from flowplan.model.watch import Watching
from flowplan.planning.desired import Desired
from flowplan.planning.watch_limits import written_suffices
from flowplan.planning.watch_looks import AtChange, Seen
from tests.builders import NOW, TRAIN, bid, bound, change, live, live_bid, market, plan_to, state

WRITTEN, RAISED = Decimal(11), bid(limit="30")
KEY = (RAISED.instance_type, RAISED.region, 1)


@pytest.mark.parametrize(
    ("prices", "highest", "status", "suffices"),
    [
        ({"spot": Decimal(10)}, "10", "Allocated", True),
        ({"spot": Decimal("10.01")}, "10", "Allocated", False),
        ({"spot": Decimal(10)}, "10.01", "Allocated", False),  # within the hour
        ({"spot": Decimal(8), "minimum": Decimal("10.01")}, "8", "Allocated", False),
        ({"spot": Decimal(8), "minimum": None}, "8", "Allocated", True),
        ({"spot": None}, "8", "Allocated", False),
        ({}, None, "Allocated", False),
        # What does not run has to win first: from $10.00 on there is the same to spare.
        ({"available": 0, "win_price": Decimal(10)}, "8", "Open", True),
        ({"available": 0, "win_price": Decimal("10.01")}, "8", "Open", False),
        ({"available": 0, "win_price": Decimal("10.01")}, "8", "Allocated", True),
    ],
)
def test_when_the_written_limit_suffices(
    prices: dict[str, Any], highest: str | None, status: Any, suffices: bool
) -> None:
    found = written_suffices(_at(prices, highest, status), RAISED)
    assert found == (WRITTEN if suffices else None)


def test_where_the_limit_is_not_flowplan_s_it_is_not_lowered() -> None:
    ignoring = Lifecycle(ignore_changes=("limit_price",))
    assert written_suffices(_at({}, "8", "Allocated", lifecycle=ignoring), RAISED) is None


def _at(prices: dict[str, Any], highest: str | None, status: Any, **other: Any) -> AtChange:
    """A bid that the watch has raised from WRITTEN, as it stands in its auction."""
    mine = change("no-op", before=RAISED, id="bid_1", **other)
    seen = Seen(
        plan_to(mine),
        Desired({TRAIN: RAISED}, raised={TRAIN: WRITTEN}),
        state(bound(TRAIN, "bid_1", RAISED, raised_from=WRITTEN)),
        live(live_bid(RAISED, "bid_1", status=status)),
        Watching(raise_limit_up_to=Decimal(40)),
        {KEY: market(**prices)},
        NOW,
        highest={} if highest is None else {KEY[:2]: Decimal(highest)},
    )
    return AtChange(seen, mine)

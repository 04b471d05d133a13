"""Prices that are missing, zero, of many decimals, or contradict each other, and bids in every state: no plan breaks,
or says a price that is unknown, below the minimum or above the limit."""

from __future__ import annotations

from decimal import Decimal

import attrs
from hypothesis import given
from hypothesis import strategies as st

from flowplan.cost.estimate import auctions_needed, one_more, priced
from flowplan.model.address import Address
from flowplan.model.live import STATUSES
from flowplan.model.resources import Bid
from flowplan.planning.actions import Change, Create, CreateFirst, Delete, NoOp, Replace, Update
from flowplan.planning.desired import Desired
from flowplan.planning.plan import key_of
from flowplan.pricing.entry import Estimate, Market
from tests.builders import live, plan_to, state
from tests.pricing.simulated import sized

D = Decimal
PRICES = st.none() | st.sampled_from([D(0), D("0.01"), D(8), D("8.01"), D(16), D("16.003333333333"), D(64), D(10**6)])
COUNTS = st.none() | st.sampled_from([0, 1, 3, 8, 64, 10**9])
STATES = st.sampled_from([*STATUSES, "Relocating", ""])


@st.composite
def changes(draw: st.DrawFn) -> list[Change]:
    """What a plan does to one to six bids of one kind."""
    found: list[Change] = []
    for number in range(draw(st.integers(1, 6))):
        address, id = Address("bid", f"b{number}"), f"bid_{number}"
        size, limits = st.sampled_from([1, 8]), st.sampled_from(["0.01", "8.00", "8.01", "16.00", "64.00", "90.00"])
        before, after = (
            attrs.evolve(sized(draw(size), draw(limits), draw(st.sampled_from([1, 2, 40]))), paused=draw(st.booleans()))
            for _ in range(2)
        )
        status, way = draw(STATES), draw(st.sampled_from([Create, NoOp, Update, Replace, CreateFirst, Delete]))
        if way is Create:
            found.append(Create(address, after=after))
        elif way is NoOp:
            found.append(NoOp(address, before=before, after=before, id=id, status=status))
        elif way is Delete:
            found.append(Delete(address, before=before, id=id, status=status))
        else:
            in_place = attrs.evolve(before, limit_price=after.limit_price, paused=after.paused)
            new = in_place if way is Update else after
            found.append(way(address, before=before, after=new, id=id, status=status))
    return found


@given(changes(), st.data())
def test_whatever_the_prices_are(plan: list[Change], data: st.DataObject) -> None:
    wanted = Desired({one.address: one.after for one in plan if one.after is not None})
    keys = set(auctions_needed(wanted, state(), live(), plan))
    keys |= {key_of(bid) for one in plan for bid in (one.before, one.after) if isinstance(bid, Bid)}
    markets = {}
    for key in sorted(keys):
        spot, minimum, lowest, win = (data.draw(PRICES) for _ in range(4))
        markets[key] = Market(*key, spot, minimum, lowest, win, data.draw(COUNTS), data.draw(COUNTS))
    for key in one_more(plan, markets):
        markets[key] = attrs.evolve(markets[key], next_win=data.draw(PRICES))
    costs = priced(plan_to(*plan), markets)
    for one in costs.changes:
        for cost in filter(None, (one.cost_before, one.cost)):
            is_sound(cost)
    unknown = [one for one in costs.changes if one.cost is not None and one.cost.outlook == "unknown"]
    assert not unknown or costs.totals.planned.now is None


def is_sound(cost: Estimate) -> None:
    """What it says fits together, and what is known."""
    entry, market = cost.entry, cost.market
    assert market is not None
    if cost.outlook == "runs":
        assert market.spot is not None and entry.point is not None and entry.high is not None
        assert (entry.low or 0) <= entry.point <= entry.high <= cost.limit_price
        assert market.minimum is None or entry.point >= market.minimum
    elif cost.outlook == "waits":
        assert market.spot is not None and entry.point is None
    elif cost.outlook == "unknown":
        assert (cost.now, entry.point) == (None, None)
        assert entry.low is None or entry.high is None or entry.low <= entry.high

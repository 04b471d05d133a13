"""A limit price, a quantity or a size that the API leaves out, and no state knows, is unknown in every sum: not $0, one
instance or 0 GB."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from flowplan.cost.budgets import judged, refusals
from flowplan.cost.estimate import priced
from flowplan.cost.notes import notes
from flowplan.documents.cost import of_bid
from flowplan.documents.left_alone import left_alone
from flowplan.model.address import Address
from flowplan.model.budget import Budget, Increase
from flowplan.model.live import ALLOCATED
from flowplan.model.resources import Bid, Volume
from flowplan.planning.actions import Create, Delete, NoOp
from flowplan.planning.plan import LeftAlone
from flowplan.pricing.entry import Total
from flowplan.reports.text.cost import bidding
from tests.builders import DATA, TRAIN, bid, costs_to, market, plan_to, volume, with_past
from tests.conftest import BID, DESTROY, Place, bid_id, lose_addresses
from tests.faults.odd_rows import answers, get, live_of, spoilt

NONE, EVAL = Decimal(0), Address("bid", "eval")
UNTOLD: dict[str, Bid | Volume] = {
    "limit_price": bid(limit="0", unreported=("limit_price",)),
    "instance_quantity": bid(unreported=("instance_quantity",)),
    "size_gb": volume(size_gb=0, unreported=("size_gb",)),
}


def untold(name: str) -> NoOp:
    what = UNTOLD[name]
    address, status = (DATA, None) if isinstance(what, Volume) else (TRAIN, ALLOCATED)
    return NoOp(address, before=what, after=what, id="live_1", status=status)


@pytest.mark.parametrize("name", UNTOLD)
def test_a_sum_with_what_nobody_knows_is_unknown(name: str) -> None:
    costs = with_past(costs_to(untold(name), Create(EVAL, after=bid("eval")), prices=market()), (48, "8"))
    assert costs.totals.current == costs.totals.planned == Total(None, None)
    assert costs.forecast is not None
    for side in (costs.forecast.current, costs.forecast.planned):
        assert (side.cost.p90, side.cost.expected, side.worst_case) == (None, None, None)


@pytest.mark.parametrize("name", ["limit_price", "instance_quantity"])
def test_a_bid_of_which_nobody_knows_what_it_costs_says_so(name: str) -> None:
    [one] = with_past(costs_to(untold(name), prices=market()), (48, "8")).changes
    assert one.cost is not None
    assert one.forecast is not None
    assert (one.cost.now, one.cost.worst, one.forecast.basis) == (None, None, "unknown")
    assert name in one.forecast.evidence


def test_a_paused_bid_costs_nothing_whatever_its_limit_is() -> None:
    paused = bid(limit="0", paused=True, unreported=("limit_price",))
    assert costs_to(NoOp(TRAIN, before=paused, after=paused), prices=market()).totals.planned == Total(NONE, NONE)


@pytest.mark.parametrize("name", UNTOLD)
@pytest.mark.parametrize("basis", ["worst", "p90"])
@pytest.mark.parametrize("limit", [{"max_hourly_cost": Decimal(10**6)}, {"max_cost_increase": None}])
def test_a_budget_refuses_what_is_unknown(name: str, basis: Any, limit: dict[str, Any]) -> None:
    given = {key: Increase(Decimal(10**6)) if value is None else value for key, value in limit.items()}
    costs = with_past(costs_to(untold(name), Create(EVAL, after=bid("eval")), prices=market()), (48, "8"))
    [refused] = refusals(costs, judged(costs, [Budget(basis=basis, **given)]))
    assert f"is unknown, because the API does not report {name} of" in refused.summary
    ending = with_past(costs_to(Delete(untold(name).address, before=UNTOLD[name]), prices=market()), (48, "8"))
    assert not refusals(ending, judged(ending, [Budget(basis=basis, **given)]))


@pytest.mark.parametrize("name", UNTOLD)
def test_what_is_left_alone_costs_an_unknown_amount(name: str) -> None:
    one = untold(name)
    plan = plan_to(left_alone=(LeftAlone(one.address, "live_1", UNTOLD[name], None, status=ALLOCATED),))
    costs = priced(plan, {})
    document = left_alone(costs)
    assert document["hour"] == document["planned"] == {"now": None, "worst": None}
    if name != "size_gb":
        [said] = [one.summary for one in notes(plan, costs, (), ()) if one.code == "unnamed"]
        assert said.endswith("costs an unknown amount an hour")


@pytest.mark.parametrize(
    ("name", "said"),
    [("limit_price", "limit unknown"), ("instance_quantity", "an unknown number of h100-80gb.sxm.8x")],
)
def test_a_live_bid_that_nothing_tells_of_is_never_free(applied: Place, name: str, said: str) -> None:
    [row] = [one for one in get(applied, "/v2/spot/bids")["data"] if one["fid"] == bid_id(applied)]
    answers(applied, "/v2/spot/bids", {"data": [spoilt(row, name, None)], "next_cursor": None})
    lose_addresses(applied, BID, BID.replace("bid.", "ports."))
    [orphan] = json.loads(applied.ok("orphans", "--format", "json"))["bids"]
    assert orphan[name] is None
    assert "an unknown amount an hour" in " ".join(applied.ok("orphans").split())
    for one in applied.path.glob("flowplan.state.json*"):
        one.unlink()
    applied.ok("recover", "--from-live")

    shown = " ".join(applied.ok("cost").split())
    assert f"cost unknown: the API does not report its {name}" in shown
    assert "$0.00 an hour" not in shown
    document = json.loads(applied.ok("cost", "--format", "json"))
    assert document["estimate"]["hour"] == {"now": None, "worst": None}

    status = json.loads(applied.ok("status", "--format", "json"))
    [one] = status["bids"]
    assert (one[name], one["hour"]["now"], status["hour"]["now"]) == (None, None, None)
    shown = " ".join(applied.ok("status").split())
    assert said in shown
    assert "charged an unknown amount an hour" in shown
    assert "In total: unknown, because the API does not report a limit price, a quantity or a size." in shown

    assert name not in applied.ok("state", "show", BID)
    plan = applied.run("plan", "--destroy", "--allow-volume-destroy", "my-new-volume", "--format", "json")
    [change] = [one for one in json.loads(plan.out)["resource_changes"] if one["type"] == "bid"]
    assert change["change"]["before"][name] is None

    assert applied.run(*DESTROY).code == 0
    assert live_of(applied) == []


def test_a_bid_whose_cost_is_unknown_is_shown_without_a_figure() -> None:
    [one] = costs_to(untold("limit_price"), prices=market()).changes
    assert one.cost is not None
    assert bidding(of_bid(one.cost, None)) == "cost unknown: the API does not report its limit_price"

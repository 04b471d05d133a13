"""What a stack costs over a horizon in which lifetimes end."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.cost.budgets import hourly
from flowplan.cost.costs import Costs
from flowplan.cost.estimate import priced
from flowplan.cost.forecast import forecasted
from flowplan.model.address import Address
from flowplan.planning.actions import Create, NoOp
from flowplan.planning.desired import Desired
from flowplan.planning.lifetimes import Lives
from flowplan.pricing.forecasting import Band, Forecast, forecast_of
from flowplan.pricing.history import Stream
from flowplan.pricing.lifetime import ENDLESS, Left
from flowplan.pricing.units import DAY, HOUR, MONTH
from tests.builders import bid, market, plan_to, volume
from tests.conftest import Place, examples
from tests.pricing.paths import CLOSE, NOW, days_and_nights, flat, wandering

D = Decimal
STREAMS = [Stream.of(events, NOW) for events in (flat("8"), days_and_nights(), wandering(1), wandering(2, 30, 60))]


def until(running: str | None = None, paid: str | None = None, hours: str | None = None) -> Left:
    return Left(*(None if one is None else D(one) for one in (running, paid, hours)))


def over(hours: float, left: Left, stream: Stream = STREAMS[0], limit: str = "15", quantity: int = 1) -> Forecast:
    return forecast_of(stream, D(limit), quantity, hours, left=left)


def costs(stream: Stream, *lives: Left, horizon: float | None = None, limit: str = "15") -> Costs:
    """What new bids cost, each with what is left of its lifetime, beside a volume."""
    bids = {Address("bid", f"b{n}"): bid(f"b{n}", limit_price=D(limit)) for n in range(len(lives))}
    changes = [Create(address, after=one) for address, one in bids.items()]
    left = {address: Lives(one, ENDLESS) for address, one in zip(bids, lives, strict=True) if one != ENDLESS}
    markets = {("it", "r", n): market(quantity=n) for n in range(1, 9)}
    found = priced(plan_to(Create(Address("volume", "v"), after=volume()), *changes), markets, Desired(left=left))
    return forecasted(found, {("it", "r"): stream}, horizon, (HOUR, DAY, MONTH), NOW)


@pytest.mark.parametrize(
    ("left", "cost", "worst"),
    [
        (ENDLESS, 192, 360),
        (until("2"), 16, 30),
        (until(hours="3"), 24, 45),
        (until(paid="20"), 20, 20),
        (until("48", "999", "48"), 192, 360),
        (until("5", "30", "4"), 30, 30),
        (until("0"), 0, 0),
        (until(paid="0"), 0, 0),
    ],
)
def test_a_day_costs_until_the_first_bound(left: Left, cost: int, worst: int) -> None:
    found = over(24, left)
    assert (found.hours, found.cost, found.worst_case) == (24, Band.sure(D(cost)), D(worst))


def test_hours_in_which_it_waits_are_none_of_running() -> None:
    """At a limit of 15 it runs at night alone, 12 hours of 24: 14 hours of running end in the second night."""
    now = over(48, until("14"), STREAMS[1])
    assert now.cost.p50 == 140 and over(24, until("14"), STREAMS[1]).cost.p50 == 120
    clock = over(24, until(hours="14"), STREAMS[1]).cost  # on the clock, waiting is time like any other
    assert clock.p50 is not None and clock.p50 < 120


def test_a_horizon_beyond_the_past_ends_too() -> None:
    for left in (until("2"), until(hours="2"), until(paid="16")):
        assert over(MONTH, left).cost == Band.sure(D(16))
    assert over(MONTH, until("200")).cost == Band.sure(D(1600))  # paths of half of the past, 168 hours


def test_the_present_price_alone_is_paid_until_the_end() -> None:
    alone = Stream.of([(NOW, D(8))], NOW, reserve=D(8))
    assert over(24, until("2"), alone).cost == Band(D(16), D(16), D(30), None)


def test_work_that_ends_after_the_lifetime_has_no_finish() -> None:
    for left, done in ((ENDLESS, True), (until("5"), True), (until("4.9"), False), (until(hours="4"), False)):
        assert (forecast_of(STREAMS[0], D(15), 1, 24, work_hours=5, left=left).finish is not None) == done
    assert forecast_of(STREAMS[0], D(15), 1, 24, work_hours=5, left=until(paid="39")).finish is None


bounds = st.one_of(st.none(), st.decimals("0.1", "60", places=1))
lefts = st.builds(Left, running=bounds, paid=st.one_of(st.none(), st.decimals("1", "400", places=2)), hours=bounds)


@examples(40)
@given(st.sampled_from(STREAMS), st.lists(lefts, min_size=1, max_size=3), st.sampled_from((None, 6.0, 24.0, 200.0)))
def test_the_total_is_the_sum_of_the_lines(stream: Stream, lives: list[Left], horizon: float | None) -> None:
    """Whatever ends when, over the horizon and every other span; and no lifetime adds anything."""
    found = costs(stream, *lives, horizon=horizon)
    without = costs(stream, *[ENDLESS] * len(lives), horizon=horizon)
    assert found.forecast is not None and without.forecast is not None
    whole = {found.hours: found.forecast, **{span: found.spans[span] for span in (HOUR, DAY, MONTH)}}
    for span, total in whole.items():
        assert span is not None
        lines = [one.forecast if span == found.hours else one.spans[span] for one in found.changes if one.cost]
        storage = total.planned.cost.expected
        assert storage is not None and total.planned.worst_case is not None
        for line in lines:
            assert line is not None and line.hours == span and line.cost.expected is not None and line.worst_case
            storage -= line.cost.expected
        assert abs(storage - STORAGE * D(str(span))) < CLOSE * 10
        assert total.planned.worst_case == STORAGE * D(str(span)) + sum(one.worst_case or 0 for one in lines if one)
    assert (found.forecast.planned.cost.expected or 0) <= (without.forecast.planned.cost.expected or 0) + CLOSE
    assert hourly(found, "planned", "p90") == hourly(without, "planned", "p90")  # an hour is not cheaper by that


STORAGE = costs(STREAMS[0]).totals.planned.worst


def test_a_live_bid_counts_for_what_is_left_and_one_past_its_end_until_it_is_cancelled() -> None:
    address, wanted = Address("bid", "train"), bid(limit_price=D(15))
    left = {address: Lives(until("12"), until("3"))}
    plan = plan_to(NoOp(address, before=wanted, after=wanted, id="bid_1", status="Allocated"))
    markets = {("it", "r", 1): market()}
    for over_, hours in (({}, 3), ({address: "it has run 12.0 hours"}, 24)):
        found = forecasted(priced(plan, markets, Desired(left=left, over=over_)), {("it", "r"): STREAMS[0]}, now=NOW)
        assert found.forecast is not None
        assert found.forecast.current.cost == found.forecast.planned.cost == Band.sure(D(8 * hours))


# ---- as somebody reads it -----------------------------------------------------------------------------------

STACK = """\
version: 2
name: llm
defaults:
  resources_specification: {fcp_instance: a100.1x.SXM4.IB, cluster_id: us-central1-b}
  task_management: {utility_threshold_price: 3.00}
tasks:
  short: {lifetime: {max_hours: 2}}
  capped: {lifetime: {max_hours: 12, max_cost: 2}}
"""


def test_a_plan_adds_up_and_what_has_run_is_not_left(place: Place) -> None:
    place.write(STACK)
    out = " ".join(place.ok("plan").split())
    assert "over its 2 hours $1.01; done after 2 hours" in out
    assert "over a day, or until its lifetime ends: $2.00" in out
    assert "a day, expected $0.00 $3.01 +$3.01" in out and "own duration" not in out
    assert "or until its lifetime ends: $2.00" in place.ok("plan", "--format", "html")
    place.ok("apply", "--auto-approve")
    place.ok("simulator", "advance", "1h")
    totals = json.loads(place.ok("plan", "--format", "json"))["cost"]
    assert totals["horizon"]["current"] == totals["horizon"]["planned"]
    for span in ("horizon", "month"):  # the minutes in which machines start are not billed
        assert 2 <= D(totals[span]["planned"]["expected"]) < D("2.10")


def test_the_live_stack_costs_until_its_instances_shut_down(place: Place) -> None:
    place.write(STACK)
    place.ok("apply", "--auto-approve")
    found = json.loads(place.ok("cost", "--format", "json", "--horizon", "24h"))["estimate"]
    left = {one["address"]: one["left"]["running_hours"] for one in found["resources"]}
    assert left == {"bid.short": 2.0, "bid.capped": 12.0}
    assert 3 <= D(found["horizon"]["expected"]) < D("3.10")  # it reads no files, but the state has max_cost
    assert "or until its lifetime ends: $1.01" in " ".join(place.ok("cost", "--horizon", "24h").split())
    place.ok("simulator", "advance", "3h")
    past = json.loads(place.ok("cost", "--format", "json", "--horizon", "24h"))["estimate"]["resources"]
    (late,) = [one for one in past if one["address"] == "bid.short"]
    assert "left" not in late and D(late["cost"]["cost"]["horizon"]["expected"]) >= 12  # nobody has cancelled it


def test_no_track_record_is_kept_of_what_a_lifetime_ends(place: Place) -> None:
    """It costs that little only if somebody cancels it, and that is no matter of prices."""
    place.write(STACK)
    place.ok("apply", "--auto-approve")
    assert not (place.path / ".flowplan/forecasts.db").exists()


def test_a_simulation_ends_with_the_lifetime(place: Place) -> None:
    place.write(STACK)
    body = json.loads(place.ok("plan", "--what-if", "24h", "--format", "json"))["what_if"]
    found = {one["address"]: one["cost"] for one in body["bids"]}
    assert D(found["bid.capped"]["p90"]) <= 2 and D(found["bid.short"]["p50"]) == 1
    assert body["cost"]["worst"] == "8.00"

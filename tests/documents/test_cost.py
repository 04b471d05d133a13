"""What a bid costs, and a whole plan, as a document says it: rounded once, null where it is unknown."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from flowplan.cost.costs import Costs
from flowplan.cost.estimate import priced
from flowplan.cost.forecast import forecasted
from flowplan.documents.cost import cost, totals
from flowplan.model.address import Address
from flowplan.model.resources import Bid
from flowplan.planning.actions import Create
from flowplan.pricing.entry import Market
from flowplan.pricing.history import Stream
from flowplan.pricing.units import DAY, HOUR, MONTH
from tests.builders import NOW, bid, costs_of, market, plan_to, with_past

D = Decimal


def plan_of(*bids: Bid, market: Market | None, prices: list[tuple[float, str]]) -> Costs:
    return with_past(costs_of(*bids, prices=market), *prices, reserve=None, spans=(HOUR, DAY, MONTH))


MARKET = market(reserved=D(16))
SPIKY = [(float(hours), "30" if hours % 60 < 10 else "8") for hours in range(336, 0, -2)]


def test_a_month_is_no_hour_times_730() -> None:
    (change,) = plan_of(bid("a", "40"), market=MARKET, prices=[*SPIKY, (0.5, "8")]).changes
    body = cost(change)
    assert body is not None
    hour, month = body["cost"]["hour"], body["cost"]["month"]
    assert (month["hours"], month["basis"]) == (730.0, "low")
    assert D(hour["p50"]) == 8
    assert D(month["p50"]) > D(hour["p50"]) * 730 * D("1.2")  # the hour has no spike in it, a month many
    assert D(month["worst"]) == 40 * 730


def test_what_waits_saves_nothing() -> None:
    """Compared are the hours in which it runs: a bid that ran a tenth of them would seem to save the other nine."""
    seldom = [(float(hours), "8" if hours % 60 < 6 else "30") for hours in range(336, 0, -2)]
    plan = plan_of(bid("a", "10"), market=MARKET, prices=[*seldom, (0.5, "30")])
    body = cost(plan.changes[0])
    assert body is not None
    assert D(body["availability"]["mean"]) < D("0.3")
    assert body["savings_vs_limit"] == totals(plan)["horizon"]["planned"]["savings_vs_limit"] == "0.200"  # 8 of 10
    assert "savings_vs_limit" not in totals(plan)["horizon"]["delta"]
    never = plan_of(bid("b", "7"), market=MARKET, prices=[(336.0, "8")])
    assert totals(never)["horizon"]["planned"]["savings_vs_limit"] is None


def test_every_bid_has_the_same_keys_whatever_is_known_of_it() -> None:
    past = [(336.0, "8")]
    shapes = []
    for one, auction, prices in (
        (bid("runs"), MARKET, past),
        (bid("unknown"), None, []),
        (bid("below", "7"), MARKET, past),
        (bid("paused", paused=True), MARKET, past),
    ):
        body = cost(plan_of(one, market=auction, prices=prices).changes[0])
        assert body is not None
        shapes.append({key: set(value) if key == "cost" else None for key, value in body.items()})
        for name in ("hour", "day", "horizon", "month"):
            assert {"p10", "p50", "p90", "worst"} <= set(body["cost"][name])
    assert all(one == shapes[0] for one in shapes)


def test_what_is_unknown_is_null_alone_and_in_every_total() -> None:
    plan = plan_of(bid("a"), market=None, prices=[])
    body = cost(plan.changes[0])
    assert body is not None
    assert (body["cost"]["hour"]["now"], body["cost"]["hour"]["p50"], body["cost"]["month"]["p90"]) == (None,) * 3
    assert body["cost"]["day"]["worst"] == "480.00"
    assert (body["savings_vs_list"], body["savings_vs_limit"], body["finish_time"]) == (None,) * 3
    all_ = totals(plan)
    assert (all_["planned"]["now"], all_["planned"]["p50"], all_["planned"]["p90"]) == (None,) * 3
    assert (all_["totalMonthlyCost"], all_["diffTotalMonthlyCost"]) == (None, None)
    assert all_["horizon"]["planned"]["expected"] is None
    assert all_["planned"]["worst"] == "20.00"


def test_one_bid_without_a_past_makes_the_total_unknown_not_smaller() -> None:
    known = bid("a")
    changes = tuple(Create(Address("bid", one.name), after=one) for one in (known, bid("b", instance_type="other")))
    plan = priced(plan_to(*changes), {("it", "r", 1): MARKET})
    streams = {("it", "r"): Stream.of([(NOW - timedelta(days=14), D(8))], NOW), ("other", "r"): Stream.of((), NOW)}
    found = forecasted(plan, streams, None, (HOUR,))
    assert found.forecast is not None
    assert found.forecast.planned.cost.expected is None
    assert found.forecast.planned.worst_case == 960


def test_rounding() -> None:
    plan = plan_of(bid("a", "20.02", gpus=3), market=MARKET, prices=[(336.0, "8")])
    body = cost(plan.changes[0])
    assert body is not None
    assert body["per_gpu"] == {"limit": "6.6734", "entry_price": "2.6667"}  # 6.67333...: a limit is rounded up
    assert body["savings_vs_limit"] == "0.600"  # 0.60039..., never up
    assert body["savings_vs_list"] == "0.500"
    no_gpus = cost(plan_of(bid("a", gpus=None), market=MARKET, prices=[(336.0, "8")]).changes[0])
    assert no_gpus is not None
    assert no_gpus["per_gpu"] is None


def test_what_is_more_expensive_than_the_list_is_shown_as_such() -> None:
    dear = [(336.0, "24.001")]
    body = cost(plan_of(bid("a", "40"), market=market(spot=D("24.001"), reserved=D(16)), prices=dear).changes[0])
    assert body is not None
    assert body["savings_vs_list"] == "-0.501"


def test_infracost_s_names_add() -> None:
    all_ = totals(plan_of(bid("a"), bid("b"), market=MARKET, prices=[*SPIKY, (0.5, "8")]))
    for name in ("HourlyCost", "MonthlyCost"):
        assert D(all_[f"pastTotal{name}"]) + D(all_[f"diffTotal{name}"]) == D(all_[f"total{name}"])
    assert (all_["planned"]["p50"], all_["totalHourlyCost"]) == ("16.00", "16.00")
    assert D(all_["month"]["planned"]["p50"]) == D(all_["totalMonthlyCost"])


def test_what_the_advised_limit_would_cost() -> None:
    body = cost(plan_of(bid("a", "12", 2), market=MARKET, prices=[*SPIKY, (0.5, "8")]).changes[0])
    assert body is not None
    advice, day = body["advice"], body["cost"]["horizon"]
    more = D(advice["cost_at_that_limit"]) - D(day["expected"])
    assert abs(more - D(advice["expected_more"])) <= D("0.01")  # each is rounded by itself
    assert D(advice["limit_for_95"]) == 30

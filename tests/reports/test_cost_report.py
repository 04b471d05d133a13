"""What a plan's document says of cost: over which hours each figure is, what adds, what is null."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import attrs
import pytest

from flowplan.cloud.fcp import Fcp
from flowplan.cost.estimate import priced
from flowplan.cost.warnings import warned
from flowplan.documents.cost import cost
from flowplan.model.address import Address
from flowplan.planning.actions import Create, Delete, Forget, NoOp, Read
from flowplan.pricing.entry import Market
from flowplan.pricing.units import lasting, span
from flowplan.reports.text.cost import bidding, costs
from flowplan.reports.text.left_alone import in_all
from flowplan.reports.text.paint import Paint
from flowplan.simulator import Simulator
from flowplan.simulator.furnish import set_price
from flowplan.simulator.serve import Server
from tests.builders import bid, costs_to, market, plan_to, volume, with_past
from tests.conftest import Place
from tests.texts import storage, task_text

D = Decimal


def task(name: str, limit: str, hours: str | None = None) -> str:
    advanced = f"{{nearest_estimated_duration: {hours}}}" if hours else "{optimize: budget}"
    return task_text(name, limit, "h200.8x", "us-central5-a", advanced=advanced)


def document(place: Place, *arguments: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(place.ok("plan", "--format", "json", *arguments))
    body["bids"] = {one["name"]: one["cost"] for one in body["resource_changes"] if one["type"] == "bid"}
    return body


# ---- over which hours -------------------------------------------------------------------------------------


def test_a_task_that_says_how_long_it_takes_is_forecast_over_that_and_the_whole_over_a_day(place: Place) -> None:
    place.write(task("long", "60", "36") + task("any", "60"))
    body = document(place)
    assert {name: one["cost"]["horizon"]["hours"] for name, one in body["bids"].items()} == {"long": 36.0, "any": 24.0}
    assert body["cost"]["horizon"]["hours"] == 24.0
    finish = body["bids"]["long"]["finish_time"]
    assert (finish["work"], finish["unit"]) == (36.0, "hours")
    assert 36 <= float(finish["p50"]) <= float(finish["p90"])
    assert body["bids"]["any"]["finish_time"] is None
    out = " ".join(place.ok("plan").split())
    assert "over its 36 hours about $" in out
    assert "; done after 36 hours, in 9 of 10 cases within " in out
    assert "the totals cover a day; the line of bid.long covers its own duration" in out


def test_the_movers_of_a_day_are_told_by_the_day(place: Place) -> None:
    place.write(task("long", "60", "360") + task("any", "60"))
    movers = {one["address"]: D(one["expected"]) for one in document(place)["cost"]["horizon"]["movers"]}
    day = {f"bid.{name}": D(one["cost"]["day"]["expected"]) for name, one in document(place)["bids"].items()}
    assert movers == day


def test_three_of_many_are_not_said_to_be_most_of_it(place: Place) -> None:
    place.write("".join(task(f"t{n}", "60") for n in range(7)))
    said = " ".join(place.ok("plan").split())
    assert "the largest of it: bid.t0 +$" in said and "most of it" not in said
    place.write("".join(task(f"t{n}", "60") for n in range(3)))
    assert "most of it: bid.t0 +$" in " ".join(place.ok("plan").split())


def test_storage_is_among_what_moves_the_total(place: Place) -> None:
    """In the order of what it costs; the text leaves out what is nothing beside the largest."""
    cheap = task_text("cheap", "0.50", "a5000-24gb.pcie.1x", "us-central1-b")
    place.write(cheap + storage("large", 32768))
    day = [("volume.large", "86.18"), ("bid.cheap", document(place)["bids"]["cheap"]["cost"]["day"]["expected"])]
    assert [(one["address"], one["expected"]) for one in document(place)["cost"]["horizon"]["movers"]] == day
    assert f"most of it: volume.large +$86.18, bid.cheap +${day[1][1]}" in place.ok("plan")
    place.write(cheap + storage("tiny", 1))
    assert [one["address"] for one in document(place)["cost"]["horizon"]["movers"]] == ["bid.cheap", "volume.tiny"]
    assert "most of it" not in place.ok("plan")


def test_what_is_only_released_and_what_others_own_moves_nothing() -> None:
    big, moved = volume(size_gb=32768), [Address("volume", name) for name in "abcd"]
    changes = (
        Create(moved[0], after=big),
        Forget(moved[1], before=big, id="vol_1", released=True),
        Read(moved[2], before=big, after=big, id="vol_2"),
        Delete(moved[3], before=attrs.evolve(big, size_gb=100), id="vol_3"),
    )
    costs = with_past(costs_to(*changes, prices=market()), (48, "8"))
    assert [(str(one), f"{by:.2f}") for one, by in costs.movers] == [("volume.a", "86.18"), ("volume.d", "-0.26")]


def test_where_the_total_is_unknown_nothing_is_said_to_be_most_of_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Fcp._pasts_in
    monkeypatch.setattr(
        Fcp, "_pasts_in", lambda self, region, *asked: {} if "5" in region else known(self, region, *asked)
    )
    others = [task_text(name, "60", region="us-central1-b") for name in "bc"]
    place.write(task("a", "60") + "".join(others))
    assert document(place)["cost"]["horizon"]["delta"]["expected"] is None
    assert "the largest that are known: bid.b +$192.00, bid.c +$192.00" in place.ok("plan")


OF_MANY = """\
    ssh_key_name: my-ssh-key
    task_management: {utility_threshold_price: "${var.price}"}
    resources_specification: {fcp_instance: a100.1x.SXM4.IB, cluster_id: us-central1-b, num_instances: 8}
"""


def test_of_a_price_that_is_unknown_the_line_says_what_the_total_has_of_it() -> None:
    one = Create(Address("bid", "b"), after=bid("b"))
    (found,) = with_past(costs_to(one, prices=None), (48, "8")).changes
    body = cost(found)
    assert body is not None and body["cost"]["horizon"] is not None  # type: ignore[typeddict-item]
    assert bidding(body).startswith("price unknown; at most $20.00 an hour; over a day $192.00")  # type: ignore[arg-type]
    (unknown,) = costs_to(one, prices=None).changes
    assert bidding(cost(unknown)) == "price unknown; at most $20.00 an hour"  # type: ignore[arg-type]


def test_of_bids_that_are_lowered_to_the_price_the_line_says_why_what_they_cost_is_unknown(place: Place) -> None:
    """Many of one's own get one limit, and there is not enough left for all: which of them win, nobody can tell."""
    whole = "version: 2\nproject_name: my-foundry-project\nvariables: {price: {type: number}}\ntasks:\n  b:\n"
    place.write(whole + "    for_each: [" + ", ".join(f"k{n}" for n in range(30)) + "]\n" + OF_MANY)
    place.ok("apply", "--auto-approve", "--var", "price=20")
    running = json.loads(place.ok("plan", "--var", "price=20", "--format", "json"))["resource_changes"][0]
    spot = Decimal(running["cost"]["last_price"])
    said = " ".join(place.ok("plan", "--var", f"price={spot + Decimal('0.01')}").split())
    assert f"cost of each: price unknown: nobody can tell who wins, at a spot price of ${spot:.2f} per instance" in said


def test_horizon_overrides_what_tasks_say(place: Place) -> None:
    place.write(task("long", "60", "36") + task("any", "60"))
    body = document(place, "--horizon", "3d")
    assert {one["cost"]["horizon"]["hours"] for one in body["bids"].values()} == {72.0}
    assert body["cost"]["horizon"]["hours"] == 72.0
    assert body["bids"]["long"]["finish_time"]["work"] == 36.0
    out = " ".join(place.ok("plan", "--horizon", "3d").split())
    assert "its 36 hours of work finish after" in out
    assert "own duration" not in out


def test_a_bid_that_waits_takes_longer_for_its_work(place: Place) -> None:
    place.write(task("low", "16", "12"))
    found = document(place)["bids"]["low"]
    assert found["outlook"] == "waits"
    assert float(found["finish_time"]["p50"]) > 12


def test_a_limit_above_the_price_and_below_what_wins_runs_at_most_so_long(place: Place) -> None:
    def planned(limit: str) -> tuple[Any, str]:
        place.write(task("full", limit, "12").replace("h200.8x", "h100.8x.SXM5.IB").replace("central5-a", "central1-a"))
        return document(place)["bids"]["full"], " ".join(place.ok("plan").split())

    price = planned("100")[0]["last_price"]
    for limit, most in ((price, True), (str(D(price) - D("0.01")), False)):
        found, said = planned(limit)
        assert found["outlook"] == "waits" and float(found["availability"]["mean"]) < 0.9
        assert (", running at most " in said, ", running " in said) == (most, True), said


def test_how_much_of_the_time_it_runs_is_told_where_that_is_not_all_of_it(place: Place) -> None:
    place.write(task("low", "16", "12"))
    said = " ".join(place.ok("plan").split())
    found = document(place)["bids"]["low"]
    share = int(D(found["availability"]["mean"]) * 100)
    assert f", running {share}% of it, preempted about {D(found['preemptions_per_day']):.1f} times a day" in said
    place.write(task("low", "20", "12").replace("h200.8x", "h100.8x.SXM5.IB").replace("central5-a", "central1-b"))
    said = " ".join(place.ok("plan").split())
    assert "over its 12 hours" in said and "running" not in said and "preempted" not in said


def test_a_bid_that_stays_and_does_not_run_is_told(place: Place) -> None:
    """Nothing is to be changed, and nothing would say that nothing is done."""
    place.write(task("low", "16"))
    place.ok("apply", "--auto-approve")
    result = place.run("plan", "--detailed-exitcode")
    assert result.code == 0
    said = " ".join(result.out.split())
    assert "warning: bid.low: Open, not running: the limit $16.00 does not win now; the lowest that does is $" in said
    [found] = [one for one in document(place)["diagnostics"] if one["detail"] == "cannot_win_now"]
    assert (found["severity"], found["source"]["file"]) == ("warning", "flowplan.yaml")
    place.write(task("low", "200"))
    place.ok("apply", "--auto-approve")
    with place.simulator() as simulator:
        simulator.advance(600)
    assert "not running" not in place.ok("plan")


def test_an_hour_says_what_it_counts_of_a_bid_that_waits_for_the_auction_that_it_wins(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = (
        "an hour now counts 1 bid that waits and wins at the prices of now: nothing is charged for it until the next"
    )

    def said(*words: str) -> str:
        return " ".join(place.ok(*words).split()).replace("An hour", "an hour")

    place.write(task("low", "60"))
    monkeypatch.delenv("FLOWPLAN_API_URL", raising=False)
    with Simulator.open(place.path / "served.db", speed=0.01) as served, Server(served) as server:
        monkeypatch.setenv("MITHRIL_API_URL", server.url)
        monkeypatch.setenv("MITHRIL_API_KEY", "fkey_any")
        place.ok("apply", "--auto-approve")
        assert "In total $0.00 an hour now, storage included; more from the next auction" in said("status")
        for words in (("plan",), ("plan", "--format", "markdown"), ("cost",), ("plan", "--destroy")):
            assert counts in said(*words)
        assert re.search(r"saves: \$[0-9.]+ an hour from the next auction on: it waits, and", said("plan", "--destroy"))
        place.edit("60", "61")
        assert counts in said("plan")
        served.advance(600)
        assert "more from the next auction" not in said("status")
        assert not [words for words in (("plan",), ("cost",), ("plan", "--destroy")) if counts in said(*words)]
        assert re.search(r"saves: \$[0-9.]+ an hour now", said("plan", "--destroy"))


def test_a_bid_that_is_outbid_is_charged_until_it_is_preempted(place: Place) -> None:
    """The cloud does not list what it pays meanwhile: no more than its limit, however high the price."""
    place.write(task("low", "20"))
    place.ok("apply", "--auto-approve")
    with place.simulator() as simulator:
        simulator.advance(3600)
        set_price(simulator, "h200.8x", "us-central5-a", D(26))
    assert "charged at most $20.00 an hour until it is preempted ($26.00 per" in " ".join(place.ok("status").split())
    said = " ".join(place.ok("plan").split())
    assert "warning: bid.low: Allocated, still running, but the limit $20.00 does not win now" in said
    assert "hint: you pay for it until it is preempted, and nothing while it waits then" in said
    said = " ".join(place.ok("cost").split())
    charged = "outbid: charged at most $20.00 an hour until it is preempted, then nothing"
    assert f"{charged}; at most $20.00 an hour once it wins" in said
    assert "In total at most $20.00 an hour now, storage included;" in said


def test_a_bid_that_you_paused_is_not_told_to_raise_its_limit(place: Place) -> None:
    place.write(task("low", "16") + "paused: true\n")
    place.ok("apply", "--auto-approve")
    plan = place.ok("plan")
    assert "No changes" in plan and "limit" not in plan and "warning" not in plan
    place.write(task("low", "16"))
    assert "raise" in place.ok("plan") or "a limit of" in place.ok("plan")


def test_a_live_bid_that_a_new_one_of_ones_own_pushes_out_is_told_with_it() -> None:
    """It does not lose to the market: nothing is said of it alone."""
    live, new = bid("live", "20"), bid("new", "60", 4)
    full = Market("it", "r", 4, D(8), D(8), D(9), D("30.00"), 0, 9)
    changes = (
        NoOp(Address("bid", "live"), before=live, after=live, id="bid_1", status="Allocated"),
        Create(Address("bid", "new"), after=new),
    )
    wins = ((1, "20.01"), (4, "30.00"), (5, "40.00"))  # nothing is left over by those whom four push out
    plan = priced(
        plan_to(*changes), {("it", "r", n): attrs.evolve(full, quantity=n, win_price=D(win)) for n, win in wins}
    )
    pushed_out = plan.changes[0].cost
    assert pushed_out is not None and (pushed_out.outlook, pushed_out.warnings) == ("waits", ("self_competition",))
    [said] = [one.summary for one in warned(plan)]
    assert "your own bids compete" in said and "bid.live would wait" in said


@pytest.mark.parametrize("limit", ["16", "60"])
def test_market_and_plan_say_the_same_of_a_bid(place: Place, limit: str) -> None:
    place.write(task("one", limit))
    planned = document(place)["bids"]["one"]
    asked = ("market", "h200.8x", "--region", "us-central5-a", "--limit", limit, "--format", "json")
    [row] = json.loads(place.ok(*asked))["auctions"]
    assert row["at_limit"]["cost"]["horizon"] == planned["cost"]["horizon"]
    for name in ("entry_price", "price_paid", "availability", "preemptions_per_day", "savings_vs_limit", "outlook"):
        assert row["at_limit"][name] == planned[name], name
    assert {name: row["advice"][name] for name in planned["advice"]} == planned["advice"]


def test_apply_tells_the_same_as_plan(place: Place) -> None:
    place.write(task("long", "60", "36"))
    events = place.run("apply", "--auto-approve", "--json", "--max-hourly-cost", "1").out.splitlines()
    (summary,) = (one for one in map(json.loads, events) if one["type"] == "change_summary")
    planned = document(place, "--max-hourly-cost", "100")["cost"]
    assert {**summary["cost"], "guards": []} == {**planned, "guards": []}
    line = "over its 36 hours about $"
    assert line in " ".join(place.ok("apply", "--auto-approve").split())


@pytest.mark.parametrize(
    ("hours", "words", "number"),
    [
        (1, "an hour", "1 hour"),
        (24, "a day", "24 hours"),
        (0.25, "15 minutes", "15 minutes"),
        (36, "36 hours", "36 hours"),
        (72, "3 days", "3 days"),
        (100.8, "4.2 days", "4.2 days"),
    ],
)
def test_hours_in_words(hours: float, words: str, number: str) -> None:
    assert (span(hours), lasting(hours)) == (words, number)


def test_where_the_api_has_no_past_the_price_of_now_is_told_as_what_it_is(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fcp, "_pasts_in", lambda self, region, *asked: {})
    place.write(task("a", "60"))
    body = document(place)
    assert body["bids"]["a"]["basis"] == "point-only"
    assert "thin_history" in body["bids"]["a"]["warnings"]
    planned = body["cost"]["horizon"]["planned"]
    assert (planned["p50"], planned["p90"], planned["expected"]) == ("396.24", "1440.00", None)
    assert "over a day unknown, at most $1,440.00" in " ".join(place.ok("plan").split())


def table(before: tuple[str, str, str], after: tuple[str, str, str], change: tuple[str, str, str]) -> str:
    """The text of totals whose now, worst and p90 are these."""
    sides = {"current": before, "planned": after, "delta": change}
    now = {side: {"now": one[0], "worst": one[1]} for side, one in sides.items()}
    same = {"basis": "high", "savings_vs_limit": None}
    over = {side: {"expected": one[0], "p90": one[2], "worst": one[1], **same} for side, one in sides.items()}
    return costs({"cost": {**now, "horizon": {"hours": 24.0, "movers": [], **over}}, "resource_changes": []}, Paint())


def test_a_table_that_does_not_add_says_why_and_shows_no_change_that_is_none() -> None:
    adds = table(("8.00", "20.00", "9.00"), ("10.00", "30.00", "12.00"), ("2.00", "10.00", "3.00"))
    cent = table(("8.00", "20.00", "9.00"), ("10.00", "30.00", "12.00"), ("2.01", "10.00", "3.00"))
    quantile = table(("8.00", "20.00", "9.00"), ("10.00", "30.00", "12.00"), ("2.00", "10.00", "7.00"))
    rounded = "a row may be one cent off"
    assert [rounded in text for text in (adds, cent, quantile)] == [False, True, False]
    rows = [next(line for line in text.splitlines() if "9 of 10" in line).split() for text in (adds, quantile)]
    assert (rows[0][-3:], rows[1][-2:]) == (["$9.00", "$12.00", "+$3.00"], ["$9.00", "$12.00"])


def test_what_is_left_alone_is_an_unknown_amount_within_a_sentence() -> None:
    """Its limit is known, and what it pays now is not."""
    hour = {"now": None, "worst": "4.00"}
    body: Any = {"left_alone": {"current": hour, "planned": hour}}
    assert in_all(body, 100) == ["  with what is left alone, you pay an unknown amount an hour now, at most $4.00"]

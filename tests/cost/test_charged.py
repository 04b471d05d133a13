"""What runs is charged until it is preempted, also where it wins no longer: plan, cost and status say the same."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import product

import attrs
import pytest

from flowplan.cost.estimate import price, priced
from flowplan.cost.interruptions import interruptions, is_interrupted
from flowplan.cost.priced_plan import PricedPlan
from flowplan.documents.cost import of_bid
from flowplan.documents.plan import document
from flowplan.documents.status import BidRow
from flowplan.model.address import Address
from flowplan.model.live import ALLOCATED, OPEN, PAUSED, PREEMPTING
from flowplan.planning.actions import RESTARTED, Change, Create, Delete, NoOp, Replace, Update
from flowplan.planning.plan import LeftAlone
from flowplan.pricing.entry import Key, Market
from flowplan.pricing.units import CENT
from flowplan.reports.html.changes import groups_of
from flowplan.reports.text.cost import bidding, cost_line
from tests.builders import TRAIN, bid, live_bid, market, plan_to
from tests.conftest import Place
from tests.cost.surges import surge
from tests.documents.made import ABOUT
from tests.texts import task_text

D = Decimal
FULL = {"spot": D(10), "minimum": D(2), "lowest_allocated": D("12"), "win_price": D("12.01"), "available": 0}


def full(quantity: int = 1) -> Market:
    """An auction at 10 dollars, in which only more than 12 wins a place."""
    return market(quantity=quantity, **FULL)


@pytest.mark.parametrize(
    ("status", "limit", "now"),
    [
        (PREEMPTING, "11", 10),  # the price, which its limit reaches
        (PREEMPTING, "9", 9),  # the last price at which it won, at most its limit
        (ALLOCATED, "9", 9),  # not even on notice yet
        (PREEMPTING, "1", 1),  # below the reserve by now
        (ALLOCATED, "11", 10),
        (OPEN, "11", 0),
        (OPEN, "1", 0),
        ("Frobnicating", "9", None),
        ("", "9", None),  # nobody asked
    ],
)
def test_an_hour_now_of_what_wins_no_longer(status: str, limit: str, now: int | None) -> None:
    there = bid(limit=limit, quantity=2)
    markets = {("it", "r", 2): full(2)}
    expected = None if now is None else D(now) * 2
    for change in (
        NoOp(TRAIN, before=there, after=there, id="bid_1", status=status),
        Delete(TRAIN, before=there, id="bid_1", status=status),
    ):
        found = priced(plan_to(change), markets)
        (one,) = found.changes
        assert one.cost_before is not None
        assert one.cost_before.now == found.totals.current.now == expected
        assert found.totals.planned.now == (expected if isinstance(change, NoOp) else 0)
    left = priced(plan_to(left_alone=(LeftAlone(TRAIN, "bid_1", there, None, status=status),)), markets).left_alone
    assert [one.hour.now for one in left] == [expected]


def test_status_and_plan_have_one_rule() -> None:
    for status, limit in product((OPEN, PREEMPTING, PAUSED, "Frobnicating", ""), ("1", "9", "11")):
        there = bid(limit=limit, quantity=2, paused=status == PAUSED)
        row = BidRow(TRAIN, "bid_1", status, live_bid(there, status=status).is_billed, there, full(2), (), (), None)
        one = price(NoOp(TRAIN, before=there, after=there, id="bid_1", status=status), {("it", "r", 2): full(2)})
        assert one.cost is not None and one.cost.now == row.hour, (status, limit)


@pytest.mark.parametrize(
    ("change", "now"),
    [
        (Update(TRAIN, before=bid(limit="11"), after=bid(limit="9"), fields=(), id="bid_1", status=ALLOCATED), 9),
        (
            Update(
                TRAIN,
                before=bid(limit="11"),
                after=bid(limit="9", paused=True),
                fields=(),
                id="bid_1",
                status=ALLOCATED,
            ),
            0,
        ),
        (
            Update(
                TRAIN,
                before=bid(limit="11"),
                after=bid(limit="9"),
                fields=(),
                id="bid_1",
                status=ALLOCATED,
                reason=RESTARTED,
            ),
            0,
        ),
        (Replace(TRAIN, before=bid(limit="11"), after=bid(limit="9"), id="bid_1", status=ALLOCATED), 0),
        (Create(TRAIN, after=bid(limit="9")), 0),
        (
            Update(TRAIN, before=bid(limit="9"), after=bid(limit="13"), fields=(), id="bid_1", status=PREEMPTING),
            12,
        ),  # it wins anew
    ],
)
def test_what_goes_on_running_is_charged_on(change: Change, now: int) -> None:
    """An update lets its instances run; what is placed again, paused or started anew has none."""
    one = price(change, {("it", "r", 1): full()})
    assert one.cost is not None and one.cost.now == now
    assert is_interrupted(one) == (isinstance(change, Replace) or change.reason == RESTARTED)


@pytest.mark.parametrize(("limit", "says"), [("10", "at most $10.00 once it"), ("14", "$13.00 once it")])
def test_of_what_is_won_back_below_the_spot_price_the_most_is_said(limit: str, says: str) -> None:
    """It makes the price fall, to what nobody can tell."""
    free = attrs.evolve(full(), available=2, total=3, spot=Decimal(13), win_price=Decimal(8))
    change = Replace(TRAIN, before=bid(limit="11"), after=bid(limit=limit), id="bid_1", status=ALLOCATED)
    (said,) = interruptions([price(change, {("it", "r", 1): free})])
    assert f"and {says} has won its place back, if there is still room" in said.summary


@pytest.mark.parametrize(
    ("status", "limit", "says"),
    [
        (
            PREEMPTING,
            "11",
            "outbid: charged $10.00 an hour until it is preempted, then nothing; at most $11.00",
        ),
        (
            PREEMPTING,
            "9",
            "outbid: charged at most $9.00 an hour until it is preempted, then nothing; at most $9.00",
        ),
        (ALLOCATED, "1", "cannot win: charged at most $1.00 an hour until it is preempted, then nothing; the limit"),
        ("Frobnicating", "9", "outbid: whether it is still charged is unknown; at most $9.00 an hour once it wins"),
        (OPEN, "9", "would wait: nothing now, at most $9.00 an hour once it wins"),
        (OPEN, "1", "cannot win: the limit is below the reserve of $2.00; if that falls, at most $1.00 an hour"),
    ],
)
def test_what_is_said_of_it(status: str, limit: str, says: str) -> None:
    one = price(
        NoOp(TRAIN, before=bid(limit=limit), after=bid(limit=limit), id="bid_1", status=status),
        {("it", "r", 1): full()},
    )
    assert one.cost is not None
    assert bidding(of_bid(one.cost, None)).startswith(says)


def test_of_bids_that_wait_for_one_place_one_is_not_said_to_run() -> None:
    """Each alone would win it."""
    there = {Address("bid", name): bid(name, limit="13") for name in ("a", "b")}
    changes = [NoOp(at, before=one, after=one, id=f"bid_{at.name}", status=OPEN) for at, one in there.items()]
    one_left = attrs.evolve(full(), available=1, total=9, win_price=D(10))
    more = attrs.evolve(one_left, quantity=2, win_price=D("14.01"))
    found = priced(plan_to(*changes), {("it", "r", 1): one_left, ("it", "r", 2): more}).changes
    assert [one.cost_before.outlook for one in found if one.cost_before] == ["runs", "runs"]
    assert [one.cost.outlook for one in found if one.cost] != ["runs", "runs"]


def test_where_nothing_changes_plan_and_cost_know_what_status_knows(place: Place) -> None:
    """Bids for several sizes of one stock of GPUs, of which some wait."""
    wanted = (("t", "0.12", 1, 1), ("u", "0.25", 2, 3), ("w", "4", 8, 1))
    place.write(
        "".join(
            task_text(name, limit, f"a5000-24gb.pcie.{gpus}x", num_instances=count)
            for name, limit, gpus, count in wanted
        )
    )
    place.ok("apply", "--auto-approve")
    place.ok("simulator", "advance", "3h")
    live = json.loads(place.ok("status", "--format", "json"))
    assert {one["address"]: one["status"] for one in live["bids"]} == {"bid.t": OPEN, "bid.u": OPEN, "bid.w": ALLOCATED}
    hours = {one["address"]: one["hour"]["now"] for one in live["bids"]}
    planned = json.loads(place.ok("plan", "--format", "json"))
    assert planned["cost"]["current"]["now"] == planned["cost"]["planned"]["now"] == live["hour"]["now"]
    there = json.loads(place.ok("cost", "--format", "json"))["estimate"]["resources"]
    for rows in (planned["resource_changes"], there):
        assert {one["address"]: one["cost"]["cost"]["hour"]["now"] for one in rows} == hours


def full_at(spot: str | None) -> dict[Key, Market]:
    return {("it", "r", 1): attrs.evolve(full(), spot=None if spot is None else Decimal(spot))}


@pytest.mark.parametrize(
    ("status", "spot", "pays"),
    [
        (PREEMPTING, "10", "$10.00"),
        (PREEMPTING, "12", "at most $11.00"),
        (OPEN, "12", "$0.00"),
        ("Frobnicating", "12", "an unknown amount"),
        (ALLOCATED, None, "an unknown amount"),
    ],
)
def test_of_what_ends_the_same_is_said_as_while_it_runs(status: str, spot: str | None, pays: str) -> None:
    """Whoever cancels it, or looks at a page."""
    there, markets = bid(limit="11"), full_at(spot)
    gone = Delete(TRAIN, before=there, id="bid_1", status=status)
    [entry] = document(PricedPlan(plan_to(gone), priced(plan_to(gone), markets)), ABOUT)["resource_changes"]
    [group] = groups_of([entry])
    assert cost_line(entry) == f"{pays} an hour now"
    assert group.cards[0].short == ("price unknown" if "unknown" in pays else f"{pays} an hour now")


@pytest.mark.parametrize(("spot", "pays"), [("10", "$10.00"), ("12", "at most $11.00"), (None, "an unknown amount")])
def test_what_is_interrupted_pays_what_it_pays_while_it_runs(spot: str | None, pays: str) -> None:
    again = Replace(TRAIN, before=bid(limit="11"), after=bid(limit="12"), id="bid_1", status=ALLOCATED)
    [said] = interruptions([price(again, full_at(spot))])
    assert f"pays {pays} an hour now" in said.summary


def test_plan_cost_and_status_say_the_same_until_it_is_preempted(applied: Place) -> None:
    def hours() -> dict[str, Decimal]:
        """What each says, to the cent: storage is less than that."""
        planned = json.loads(applied.ok("plan", "--format", "json"))
        (cost,) = [one["cost"] for one in planned["resource_changes"] if one["type"] == "bid"]
        found = {
            "status": json.loads(applied.ok("status", "--format", "json"))["hour"]["now"],
            "cost": json.loads(applied.ok("cost", "--format", "json"))["estimate"]["hour"]["now"],
            "plan": planned["cost"]["current"]["now"],
            "row": cost["cost"]["hour"]["now"],
        }
        return {name: D(hour).quantize(CENT) for name, hour in found.items()}

    surge(applied, "$18.50", 8)
    applied.ok("simulator", "advance", "2m")
    assert set(hours().values()) == {D("17.92")}
    out = " ".join(applied.ok("cost").split())
    assert "outbid: charged $17.92 an hour until it is preempted, then nothing; at most $17.92" in out
    assert "In total $17.92 an hour now, storage included" in out
    assert "saves: $17.92 an hour now" in applied.ok("plan", "--destroy", "--keep-volumes")
    applied.ok("simulator", "advance", "10m")
    assert set(hours().values()) == {D(0)}
    assert "would wait: nothing now" in applied.ok("cost")

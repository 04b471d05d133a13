"""Bills and instances that cannot be read: those of others change nothing of ours, and what is unknown of ours is said
to be, and ends what it surely ends."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.conftest import APPLY, DESTROY, Place, bid_id, made_once
from tests.faults.odd_rows import answers, get
from tests.operations.jobs import ENDS
from tests.operations.watching import ALL, look, only, stack, task
from tests.texts import task_text

BILL = "/v2/instances/pricing/history"
START = "2026-11-02T10:00:00Z"
ODD: list[dict[str, Any]] = [
    {"events": [{"price_cents": 12.5, "start_time": START, "end_time": None}]},
    {"events": [{"price_cents": -1, "start_time": START, "end_time": None}]},
    {"events": [{"price_cents": "50", "start_time": START, "end_time": None}]},
    {"events": [{"price_cents": 50, "start_time": "yesterday", "end_time": None}]},
    {"events": [None]},
    {"events": None},
    {"instance_fid": None, "events": [{"price_cents": 50, "start_time": START, "end_time": None}]},
]


def add_to_bill(place: Place, bid: str, row: dict[str, Any]) -> None:
    """The bill has one more instance of `bid`."""
    project = get(place, "/v2/projects")[0]["fid"]
    bill = get(place, f"{BILL}?project={project}&limit=100")
    bill["instances"].append({"instance_fid": "inst_odd", "bid_fid": bid, **row})
    answers(place, BILL, bill)


def said(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
@made_once
def ran(place: Place) -> Place:
    """`train` has run for longer than its lifetime lets it, beside `other`."""
    place.write(ENDS)
    place.ok(*APPLY)
    place.ok("simulator", "advance", "13h")
    return place


@pytest.mark.parametrize("row", ODD, ids=str)
def test_bills_of_others_change_nothing_of_ours(ran: Place, row: dict[str, Any]) -> None:
    shown, cost = ran.ok("status"), json.loads(ran.ok("cost", "--format", "json"))
    add_to_bill(ran, "bid_theirs", row)
    assert ran.ok("status") == shown
    assert json.loads(ran.ok("cost", "--format", "json"))["paid"] == cost["paid"]
    planned = ran.run("plan")
    assert "Plan: 0 to add, 0 to change, 2 to destroy." in planned.out  # the bid and its ports
    assert "cannot be read" not in said(planned.err)


def test_what_cannot_be_read_of_an_own_bill_makes_what_was_paid_unknown(ran: Place) -> None:
    add_to_bill(ran, bid_id(ran, "bid.other"), ODD[0])
    status = ran.run("status")
    assert "what was paid is unknown for bid.other, since the bill cannot be read: GET" in said(status.err)
    rows = {one["address"]: one["paid"] for one in json.loads(ran.ok("status", "--format", "json"))["bids"]}
    assert rows == {"bid.other": None, "bid.train": "6.48"}
    assert "Paid so far: unknown, because the bill could not be read." in status.out
    cost = ran.run("cost")
    assert "bid.other Allocated; paid so far: unknown" in said(cost.out)
    assert "bid.train Allocated; $6.48 paid so far" in said(cost.out)
    assert "What was paid so far for instances is unknown." in said(cost.out)
    found = json.loads(ran.ok("cost", "--format", "json"))
    assert (found["estimate"]["paid"], found["paid"]["paid"]) == (None, None)
    assert {one["address"] for one in found["forecasts"]} == {"bid.train"}


@pytest.mark.parametrize("status", [500, 403])
def test_a_bill_that_cannot_be_fetched_leaves_unknown_what_was_paid_and_nothing_else(ran: Place, status: int) -> None:
    """Who looks for what runs away has no bill to wait for. A forecast is not held against a bill of nothing."""
    before = json.loads(ran.ok("cost", "--format", "json"))
    ran.ok("simulator", "advance", "30h")  # the forecast is over, and would be judged for good
    with ran.simulator() as simulator:
        simulator.faults.add(f"GET {BILL}", "status", status=status, times=None)
    cost = ran.run("cost")
    assert cost.code == 0
    assert "what was paid is unknown, since the bill could not be fetched: GET" in said(cost.err)
    assert "bid.train Allocated; paid so far: unknown" in said(cost.out)
    assert "bid.other Allocated; paid so far: unknown" in said(cost.out)
    assert "What was paid so far for instances is unknown." in said(cost.out)
    found = json.loads(ran.ok("cost", "--format", "json"))
    assert (found["estimate"]["paid"], found["paid"]["paid"]) == (None, None)
    assert found["forecasts"] == []
    with ran.simulator() as simulator:
        simulator.faults.clear()
    again = json.loads(ran.ok("cost", "--format", "json"))
    assert found["estimate"]["hour"] == again["estimate"]["hour"]
    assert float(again["paid"]["paid"]) > float(before["paid"]["paid"])
    over = [one for one in again["forecasts"] if float(one["hours_compared"]) > 1]
    assert over and all(float(one["paid"]) > 0 for one in over)


def test_the_part_of_an_own_bill_that_can_be_read_ends_a_lifetime(ran: Place) -> None:
    add_to_bill(ran, bid_id(ran, "bid.train"), ODD[0])
    planned = ran.run("plan")
    assert "Plan: 0 to add, 0 to change, 2 to destroy." in planned.out
    assert "bid.train: its lifetime goes by the part of its bill that can be read" in said(planned.err)


def test_of_a_bid_that_has_ended_the_rest_of_the_bill_is_read_later(place: Place) -> None:
    place.write(task_text("train"))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "2h")
    add_to_bill(place, bid_id(place, "bid.train"), ODD[0])
    place.ok(*DESTROY)
    assert json.loads(place.ok("cost", "--format", "json"))["paid"]["paid"] is None
    with place.simulator() as simulator:
        simulator.faults.clear()
    paid = json.loads(place.ok("cost", "--format", "json"))["paid"]
    assert float(paid["paid"]) > 10


def test_an_instance_of_somebody_else_keeps_nothing_running(place: Place) -> None:
    place.write(ENDS.replace("max_hours: 12", "when_done: cancel"))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "1h")
    project = get(place, "/v2/projects")[0]["fid"]
    rows = get(place, f"/v2/instances?project={project}&limit=100")
    rows["data"] = [{**one, "status": "STATUS_TERMINATED"} for one in rows["data"]]
    rows["data"].append({**rows["data"][0], "fid": "inst_theirs", "bid": "bid_theirs", "status": None})
    answers(place, "/v2/instances", rows)
    planned = place.run("plan")
    assert "Plan: 0 to add, 0 to change, 2 to destroy." in planned.out
    assert "an instance is left out (inst_theirs): it lacks the text 'status'" in said(planned.err)
    assert "bid.train  Allocated" in place.ok("status")


@pytest.mark.parametrize(
    "answer",
    [
        {
            "status": 200,
            "body": '{"events": [{"event_type": "Placed", "limit_price": "x", "timestamp": "2026-11-02"}]}',
        },
        {"status": 200, "body": '{"events": 3}'},
        {"status": 403},
    ],
    ids=["a limit that is none", "no list", "forbidden"],
)
def test_a_history_that_cannot_be_read_leaves_the_cost_as_it_is(ran: Place, answer: dict[str, Any]) -> None:
    before = json.loads(ran.ok("cost", "--format", "json"))
    with ran.simulator() as simulator:
        simulator.faults.add("GET /v2/spot/bids/*/history", "status", times=None, **answer)
    cost = ran.run("cost", "--format", "json")
    found = json.loads(cost.out)
    assert cost.code == 0 and "what came of forecasts is unknown for 2 bids" in said(cost.err)
    assert (found["estimate"], found["paid"]) == (before["estimate"], before["paid"])
    assert {one["course"] for one in found["forecasts"]} == {"unknown"}


def test_the_watch_finds_what_it_cannot_hold_to_its_lifetime(ran: Place) -> None:
    """A key that may not read the bill would else let every max_cost pass, each night with exit code 0."""
    with ran.simulator() as simulator:
        simulator.faults.add(f"GET {BILL}", "status", status=403, body="{}", times=2)
    told = ran.run("watch", "--once")
    assert told.code == 2 and "1 run, 1 may be past their lifetime." in told.out, told
    unchecked = "bid.train: it may be past its lifetime: flowplan cannot check its max_hours now, so it keeps running"
    assert f"{unchecked}: at most $3.00 an hour; run `flowplan plan` and decide" in said(told.out), told
    ran.edit("tasks:\n", "watch: {enforce_lifetime: false}\ntasks:\n")
    with ran.simulator() as simulator:
        simulator.faults.add(f"GET {BILL}", "status", status=403, body="{}", times=None)
    assert "2 run." in ran.ok("watch", "--once"), "it is asked to look at no lifetime"


def test_the_watch_raises_no_limit_whose_bid_may_be_past_its_lifetime(place: Place) -> None:
    life = ", lifetime: {max_hours: 12}"
    place.write(stack(ALL.replace("25", "40"), train=task("5.00", "a100.8x.SXM4.IB", "us-central1-a", life)))
    place.ok(*APPLY)
    with place.simulator() as simulator:
        simulator.faults.add(f"GET {BILL}", "status", status=403, body="{}", times=None)
    found = only(look(place))
    assert (found.act, found.why_not) == (None, "flowplan cannot check its max_hours now"), found
    with place.simulator() as simulator:
        simulator.faults.clear()
    assert only(look(place)).act == "raise"


def shorten_bill(place: Place, bid: str, seconds: float | None, *more: dict[str, Any]) -> None:
    """The bill of `bid` breaks off so many seconds after it begins; None: it is not in the bill at all. It has `more`
    instances."""
    project = get(place, "/v2/projects")[0]["fid"]
    bill = get(place, f"{BILL}?project={project}&limit=100")
    others = [one for one in bill["instances"] if one["bid_fid"] != bid]
    cut = [] if seconds is None else [one for one in bill["instances"] if one["bid_fid"] == bid]
    for one in cut:
        first = one["events"][0]
        end = datetime.fromisoformat(first["start_time"]) + timedelta(seconds=seconds)
        one["events"] = [{**first, "end_time": end.isoformat()}]
    answers(place, BILL, {**bill, "instances": [*others, *cut, *more]})


@pytest.mark.parametrize("seconds", [None, 600.0])
def test_what_runs_and_is_not_in_the_bill_is_not_called_within_its_lifetime(ran: Place, seconds: float | None) -> None:
    shorten_bill(ran, bid_id(ran, "bid.train"), seconds)
    planned = ran.run("plan")
    assert "bid.train may be past its lifetime: flowplan cannot check its max_hours now" in said(planned.out)
    assert "bid.train: its bill has nothing of what it runs now, though the bid is Allocated" in said(planned.err)
    assert "what is left is unknown: it may be over" in said(ran.ok("status"))
    assert "bid.other" not in said(planned.err)


def test_what_waited_for_long_and_has_just_begun_to_start_is_within_its_lifetime(ran: Place) -> None:
    """Nothing is charged for it yet, and so nothing is in its bill."""
    id = bid_id(ran, "bid.train")
    project = get(ran, "/v2/projects")[0]["fid"]
    shorten_bill(ran, id, None)
    rows = get(ran, f"/v2/instances?project={project}&limit=100")
    rows["data"] = [{**one, "status": "STATUS_STARTING"} if one["bid"] == id else one for one in rows["data"]]
    answers(ran, "/v2/instances", rows)
    planned = ran.run("plan")
    assert "may be past its lifetime" not in said(planned.out) and "the bill" not in said(planned.err)


def test_what_waited_for_long_and_runs_for_minutes_is_within_its_lifetime(ran: Place) -> None:
    """Its bill lags, and the instance is new."""
    id = bid_id(ran, "bid.train")
    project = get(ran, "/v2/projects")[0]["fid"]
    shorten_bill(ran, id, None)
    rows = get(ran, f"/v2/instances?project={project}&limit=100")
    rows["data"] = [{**one, "created_at": "2026-11-02T21:50:00Z"} if one["bid"] == id else one for one in rows["data"]]
    answers(ran, "/v2/instances", rows)
    planned = ran.run("plan")
    assert "may be past its lifetime" not in said(planned.out) and "the bill" not in said(planned.err)
    assert "what is left is unknown" not in said(ran.ok("status"))
    assert ran.run("watch", "--once").code == 0


def test_what_ended_later_hides_no_instance_whose_bill_breaks_off(ran: Place) -> None:
    """The bid had a second instance for a minute, which ended an hour ago: which of the two runs on, only the list of
    instances tells."""
    id = bid_id(ran, "bid.train")
    period = {"price_cents": 50, "start_time": "2026-11-02T20:59:00Z", "end_time": "2026-11-02T21:00:00Z"}
    shorten_bill(ran, id, 600.0, {"instance_fid": "inst_odd", "bid_fid": id, "events": [period]})
    planned = ran.run("plan")
    assert "bid.train may be past its lifetime: flowplan cannot check its max_hours now" in said(planned.out)
    assert "what is left is unknown: it may be over" in said(ran.ok("status"))

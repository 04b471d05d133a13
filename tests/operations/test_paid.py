"""What was paid over the life of a stack: every bid that it had counts, once, whatever became of it or of the state."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from flowplan.pricing.billing import hours_between
from tests.conftest import APPLY, Place, bid_id, lose_addresses, made_once
from tests.loaded import client
from tests.texts import task_text

BILL = "GET /v2/instances/pricing/history"
CENT = Decimal("0.01")
HOUR = timedelta(hours=1)


def script(number: int, name: str = "train") -> str:
    """The same task each time, which another number replaces."""
    return task_text(name, "30", more=f"startup_script: echo {number}\n")


def advance(place: Place, length: str) -> None:
    place.ok("simulator", "advance", length)


def document(place: Place, command: str = "cost") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(place.ok(command, "--format", "json"))["paid"]
    return found


def bill_of(place: Place) -> dict[str, Any]:
    """The API's bill."""
    project = json.loads(place.call("GET", "/v2/projects").body)[0]["fid"]
    found: dict[str, Any] = json.loads(
        place.call("GET", f"/v2/instances/pricing/history?project={project}&limit=100").body
    )
    return found


def charged(place: Place) -> dict[str, Decimal]:
    """What the API has billed for each bid, by its own account."""
    rows = bill_of(place)
    with place.simulator() as simulator:
        now = simulator.now()
    found: dict[str, Decimal] = {}
    for row in rows["instances"]:
        for event in row["events"]:
            moments = [event["start_time"], event["end_time"]]
            start, end = (now if moment is None else datetime.fromisoformat(moment) for moment in moments)
            cost = Decimal(event["price_cents"]) / 100 * hours_between(start, end)
            found[row["bid_fid"]] = found.get(row["bid_fid"], Decimal(0)) + cost
    return found


def holds_all(place: Place) -> bool:
    """Whether `cost` counts what the API has billed in all, once."""
    return abs(Decimal(document(place)["paid"]) - sum(charged(place).values())) < CENT


def replaced(place: Place) -> Place:
    """A task that ran for five hours, was replaced, and ran for three more."""
    place.write(script(1))
    place.ok(*APPLY)
    advance(place, "5h")
    place.write(script(2))
    place.ok(*APPLY)
    advance(place, "3h")
    return place


@pytest.fixture
@made_once
def twice(place: Place) -> Place:
    return replaced(place)


def forget_bills(place: Place) -> None:
    """From now on the API's bills are empty: they do not go back that far."""
    with place.simulator() as simulator:
        simulator.faults.add(BILL, "status", status=200, body='{"instances": [], "next_cursor": null}', times=None)


def test_what_a_replaced_bid_was_paid_stays(twice: Place) -> None:
    [task] = document(twice)["tasks"]
    assert (task["address"], len(task["bids"])) == ("bid.train", 2)
    assert holds_all(twice)
    assert Decimal(task["paid"]) > Decimal("60")  # eight hours at $8, less what it took to start
    assert f"bid.train  ${task['paid']}  2 bids" in twice.ok("cost")
    assert f"storage not included: ${task['paid']}." in twice.ok("status").replace("\n ", "")


def test_after_destroy_also_where_bills_do_not_go_back(twice: Place) -> None:
    twice.ok("destroy", "--auto-approve")
    paid = document(twice)["paid"]
    assert holds_all(twice)
    forget_bills(twice)
    assert document(twice)["paid"] == document(twice, "status")["paid"] == paid
    assert f"In all ${paid}." in twice.ok("cost")
    assert f"${paid}" in twice.ok("status")


def test_nothing_is_said_twice_while_no_bid_has_ended(place: Place) -> None:
    place.write(script(1))
    place.ok(*APPLY)
    advance(place, "2h")
    assert "over the life" not in place.ok("cost") + place.ok("status")
    assert holds_all(place)
    assert '"format_version": 1' in place.ok("state", "pull")


def test_a_state_with_a_ledger_is_of_a_format_that_an_earlier_flowplan_refuses(twice: Place) -> None:
    """It would drop the ledger with its next save."""
    assert '"format_version": 2' in twice.ok("state", "pull")


@pytest.mark.parametrize("commit", [False, True], ids=["before the bill", "after it"])
def test_killed_between_the_end_and_the_save_it_is_counted_once(twice: Place, commit: bool) -> None:
    with twice.simulator() as simulator:
        simulator.faults.add(BILL, "kill", after_commit=commit)
    command = [*client(), "destroy", "--auto-approve"]
    killed = subprocess.run(command, cwd=twice.path, capture_output=True, check=False)
    assert killed.returncode == -9
    assert holds_all(twice)
    twice.ok("destroy", "--auto-approve")
    assert holds_all(twice)
    assert len(document(twice)["tasks"][0]["bids"]) == 2
    paid = document(twice)["paid"]
    forget_bills(twice)
    assert document(twice)["paid"] == paid


@pytest.mark.parametrize("first", [True, False], ids=["the first bid", "a further one"])
def test_what_a_killed_run_made_costs_money_and_is_shown(place: Place, first: bool) -> None:
    place.write(script(1))
    if not first:
        place.ok(*APPLY)
        place.write(script(1) + script(1, "second"))
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "kill", after_commit=True)
    assert subprocess.run([*client(), *APPLY], cwd=place.path, capture_output=True, check=False).returncode == -9
    advance(place, "2h")
    made = "bid.train" if first else "bid.second"
    for command in ("status", "cost"):
        shown = place.run(command)
        assert f"{made}  Allocated" in shown.out, shown
        assert f"note: {made}: a run began to make this" in shown.err
        assert f"In total ${8 if first else 16}.00 an hour now" in shown.out
    assert holds_all(place)
    place.ok(*APPLY)
    assert holds_all(place)
    assert "a run began" not in place.run("status").err


def test_what_a_restored_state_does_not_have_costs_money_and_is_shown(place: Place) -> None:
    place.write(script(1))
    place.ok(*APPLY)
    place.write(script(1) + script(1, "second"))
    place.ok(*APPLY)
    advance(place, "1h")
    id = bid_id(place, "bid.second")
    place.ok("state", "restore", "1", "--force")
    for command in ("status", "cost"):
        shown = place.run(command)
        assert "bid.second  Allocated" in shown.out and "In total $16.00 an hour now" in shown.out, shown
        assert f"bid.second ({id}) is live and carries the marker of this stack, but" in " ".join(shown.err.split())
    place.ok("state", "restore", "2", "--force")
    place.ok("destroy", "--auto-approve")
    assert "the marker" not in place.run("status").err  # what has ended is no such bid


def test_many_that_a_state_does_not_have_are_one_note(place: Place) -> None:
    place.write("".join(task_text(f"t-{n}") for n in range(5)))
    place.ok(*APPLY)
    lose_addresses(place, *(f"bid.t-{n}" for n in range(5)))
    for command in ("status", "cost"):
        told = " ".join(place.run(command).err.split())
        assert told.count("the marker of this stack") == 1, told
        assert "note: bid.t-0 \N{HORIZONTAL ELLIPSIS} 4 (5 alike): each is live and carries the marker of" in told


def test_a_state_that_was_restored_to_nothing_hides_no_live_bid(place: Place) -> None:
    place.write(script(1))
    place.ok(*APPLY)
    place.ok("destroy", "--auto-approve")
    place.ok(*APPLY)
    place.ok("state", "restore", "2", "--force")
    assert place.ok("state", "list") == ""
    for command in ("status", "cost"):
        assert "bid.train  Allocated" in place.ok(command)


@pytest.mark.parametrize("running", [False, True], ids=["with its first hour", "as running"])
def test_a_bill_that_lagged_when_a_bid_was_terminated_outside_is_read_again(twice: Place, running: bool) -> None:
    rows = bill_of(twice)["instances"]
    last = next(row for row in rows if row["bid_fid"] == bid_id(twice, "bid.train"))
    first = datetime.fromisoformat(last["events"][0]["start_time"]) + HOUR
    last["events"][0]["end_time"] = None if running else first.isoformat()
    twice.call("DELETE", f"/v2/spot/bids/{last['bid_fid']}")
    advance(twice, "4h")
    with twice.simulator() as simulator:
        body = json.dumps({"instances": rows, "next_cursor": None})
        simulator.faults.add(BILL, "status", status=200, body=body)
    twice.ok(*APPLY)
    advance(twice, "30h")
    twice.ok("destroy", "--auto-approve")
    truth = charged(twice)
    forget_bills(twice)
    assert abs(Decimal(document(twice)["paid"]) - sum(truth.values())) < CENT


@pytest.mark.parametrize("days", [0, 8], ids=["placed lately", "placed before that"])
def test_a_bid_that_waited_until_it_was_terminated_outside_cost_nothing(place: Place, days: int) -> None:
    """No bill has it. Of one that is older than bills may go back, that proves nothing."""
    place.write(task_text("train", "12.00", region="us-central1-a"))
    place.ok(*APPLY)
    assert "it waits" in place.ok("status")
    advance(place, "5m")
    if days:
        advance(place, f"{days}d")
    place.call("DELETE", f"/v2/spot/bids/{bid_id(place, 'bid.train')}")
    forget_bills(place)
    place.ok(*APPLY)
    place.ok("destroy", "--auto-approve")
    found = document(place)
    assert found["at_least"] == "0.00"
    assert found["paid"] == (None if days else "0.00")


def test_a_bill_that_has_a_bid_running_that_was_terminated_outside_is_not_nothing_until_it_says_more(
    twice: Place,
) -> None:
    rows = bill_of(twice)["instances"]
    id = bid_id(twice, "bid.train")
    assert next(row for row in rows if row["bid_fid"] == id)["events"][-1]["end_time"] is None
    twice.call("DELETE", f"/v2/spot/bids/{id}")
    advance(twice, "1h")
    with twice.simulator() as simulator:
        body = json.dumps({"instances": rows, "next_cursor": None})
        simulator.faults.add(BILL, "status", status=200, body=body)
    twice.ok(*APPLY)
    forget_bills(twice)
    assert document(twice)["paid"] is None


def test_a_replacement_says_what_its_task_has_used_up_of_max_cost_so_far(place: Place) -> None:
    """The bound is for one bid: whoever means the whole task has to know the sum of all its bids."""

    def wanted(number: int, most: int = 100) -> str:
        return script(number) + f"lifetime: {{max_cost: {most}}}\n"

    place.write(wanted(1))
    place.ok(*APPLY)
    for number, length in ((2, "5h"), (3, "3h")):
        advance(place, length)
        paid = sum(charged(place).values()).quantize(CENT)
        place.write(wanted(number))
        said = " ".join(place.ok("plan").split())
        assert "starts its max_cost again" in said
        assert f"by what the task has used up so far: ${paid} of $100.00, which leaves max_cost: {100 - paid}" in said
        place.ok(*APPLY)
    advance(place, "1h")
    place.write(wanted(4, 65))
    said = " ".join(place.ok("plan").split())
    assert "if max_cost should bound the whole task, lower it by" in said and "of $65.00, which leaves nothing" in said
    place.write(script(4) + "lifetime: {max_hours: 20, max_cost: 65}\n")
    assert "if max_hours and max_cost should bound the whole task, lower them by" in " ".join(place.ok("plan").split())
    with place.simulator() as simulator:
        simulator.faults.add(BILL, "status", status=403, times=None)
    assert "used up so far: at least $" in " ".join(place.ok("plan").split())
    with place.simulator() as simulator:
        simulator.faults.clear()
    place.ok("plan", "--out", "p")
    advance(place, "1h")  # what is billed meanwhile does not void the plan
    place.ok("apply", "p")


def test_a_bill_that_is_corrected_downwards_counts_and_one_that_lacks_hours_does_not(twice: Place) -> None:
    """The same hours at half the price are a correction; half of the hours are a bill that lags."""
    twice.ok("destroy", "--auto-approve")
    rows, before = bill_of(twice)["instances"], document(twice)["paid"]
    events = [event for row in rows for event in row["events"]]
    for event in events:
        event["price_cents"] //= 2
    half = Decimal(before) / 2
    serve_bill(twice, rows)
    assert abs(Decimal(document(twice)["paid"]) - half) < CENT
    twice.write(script(3))
    twice.ok(*APPLY)
    twice.ok("destroy", "--auto-approve")
    for event in events:
        event["end_time"] = (datetime.fromisoformat(event["start_time"]) + HOUR).isoformat()
    serve_bill(twice, rows)
    assert abs(Decimal(document(twice)["paid"]) - half) < CENT
    forget_bills(twice)
    found = document(twice)
    assert abs(Decimal(found["paid"]) - half) < CENT


def serve_bill(place: Place, rows: list[dict[str, Any]]) -> None:
    """From now on the API's bill has these rows."""
    with place.simulator() as simulator:
        simulator.faults.clear()
        body = json.dumps({"instances": rows, "next_cursor": None})
        simulator.faults.add(BILL, "status", status=200, body=body, times=None)


def test_a_bill_that_cannot_be_read_is_unknown_and_not_nothing(twice: Place) -> None:
    """The next look has it; where that has none either, the sum is only known to be at least the rest."""
    with twice.simulator() as simulator:
        simulator.faults.add(BILL, "status", status=500, times=None)
    done = twice.run("destroy", "--auto-approve")
    assert done.code == 0
    assert "`flowplan cost` asks again" in done.err.replace("\n  ", " ")
    said = document(twice, "status")
    assert (said["paid"], Decimal(said["at_least"]) > 0) == (None, True)  # the first bid's bill was read
    assert "at least $" in twice.ok("status").replace("\n  ", " ")
    with twice.simulator() as simulator:
        simulator.faults.clear()
    assert holds_all(twice)


@pytest.mark.parametrize("pages", [1, 2], ids=["in one page", "in two pages"])
def test_what_a_bill_lists_twice_is_counted_once(twice: Place, pages: int) -> None:
    """A row moves between two pages: each machine was paid once all the same, also for a limit on what a bid costs."""
    rows = bill_of(twice)["instances"]
    with twice.simulator() as simulator:
        for number, listed in enumerate([rows + rows] if pages == 1 else [rows, rows], 1):
            body = json.dumps({"instances": listed, "next_cursor": "2" if number < pages else None})
            simulator.faults.add(BILL, "status", status=200, body=body)
    assert holds_all(twice)


def test_a_task_that_is_renamed_takes_along_what_was_paid(twice: Place) -> None:
    paid = document(twice)["paid"]
    twice.ok("state", "mv", "bid.train", "bid.other")
    [task] = document(twice)["tasks"]
    assert (task["address"], task["paid"], len(task["bids"])) == ("bid.other", paid, 2)


def test_a_bid_that_is_released_counts_where_it_is(twice: Place) -> None:
    """Not here any more, which is said, and again once it is imported."""
    before, id = document(twice), bid_id(twice, "bid.train")
    twice.ok("state", "rm", "bid.train")
    after = document(twice)
    gone = charged(twice)[id]
    assert [one["bids"] for one in after["released"]] == [[id]]
    assert abs(Decimal(before["paid"]) - Decimal(after["paid"]) - gone) < CENT
    assert "Not counted: $" in twice.ok("cost")
    twice.ok("import", "bid.train", id)
    assert document(twice) == before


def test_a_state_that_is_pushed_loses_and_doubles_nothing(twice: Place) -> None:
    old = twice.ok("state", "pull")
    (twice.path / "old.json").write_text(old)
    twice.write(script(3))
    twice.ok(*APPLY)
    advance(twice, "1h")
    bid_of_now = bid_id(twice, "bid.train")
    twice.ok("state", "push", "--force", str(twice.path / "old.json"))
    assert holds_all(twice)
    (twice.path / "now.json").write_text(twice.ok("state", "pull"))
    twice.ok("state", "push", str(twice.path / "now.json"))
    assert holds_all(twice)
    both = sorted(charged(twice).items(), key=lambda one: one[0] == bid_of_now)[:2]
    forget_bills(twice)
    found = document(twice)
    assert found["paid"] is None  # the bill of the last one was never read
    assert abs(Decimal(found["at_least"]) - sum(paid for _, paid in both)) < CENT


def test_a_version_that_is_put_back_loses_and_doubles_nothing(twice: Place) -> None:
    twice.ok("destroy", "--auto-approve")
    paid = document(twice)["paid"]
    twice.ok("state", "restore", "1")
    forget_bills(twice)
    assert document(twice)["paid"] == paid


def test_the_backup_that_is_put_back_loses_nothing(twice: Place) -> None:
    twice.ok("destroy", "--auto-approve")
    path = twice.path / "flowplan.state.json"
    path.write_text("{}")
    twice.ok("state", "restore")
    assert holds_all(twice)


def test_of_a_state_that_was_lost_the_sum_is_at_least_what_is_still_listed(twice: Place) -> None:
    for path in [*twice.path.glob("flowplan.state.*"), *(twice.path / ".flowplan").glob("versions/*/*")]:
        path.unlink()
    twice.ok("recover", "--from-live")
    found = document(twice)
    assert found["paid"] is None
    assert abs(Decimal(found["at_least"]) - sum(charged(twice).values())) < CENT
    assert "because the state was lost" in twice.ok("cost").replace("\n  ", " ")


def test_of_a_state_that_was_lost_the_sum_is_at_least_also_where_nothing_earlier_is_listed(place: Place) -> None:
    """Every bid that is known still has an address: only the sum over the life says that others may be missing."""
    place.write(script(1))
    place.ok(*APPLY)
    advance(place, "2h")
    for path in [*place.path.glob("flowplan.state.*"), *(place.path / ".flowplan").glob("versions/*/*")]:
        path.unlink()
    place.ok("recover", "--from-live")
    found = document(place)
    assert (found["paid"], len(found["tasks"])) == (None, 1)
    least = f"at least ${found['at_least']}, because the state was lost and rebuilt, and earlier bids may be missing"
    for command in (["cost"], ["status"], ["status", "--format", "html"]):
        assert least in " ".join(place.ok(*command).split()), command


def test_a_bid_that_the_state_lost_counts_too(twice: Place) -> None:
    """It cost money, though the state knows nothing of it: its marker says whose it was."""
    twice.write(script(2) + script(1, "second"))
    twice.ok(*APPLY)
    advance(twice, "1h")
    lost = bid_id(twice, "bid.second")
    lose_addresses(twice, "bid.second", "ports.second")
    twice.ok("recover", "--cancel", lost)
    assert holds_all(twice)
    assert [one["address"] for one in document(twice)["tasks"]] == ["bid.second", "bid.train"]


def test_with_a_moved_block_what_was_paid_follows(twice: Place) -> None:
    twice.write(f"version: 2\nmoved: [{{from: bid.train, to: bid.other}}]\ntasks:\n  other:{_indented(script(2))}")
    twice.ok(*APPLY)
    [task] = document(twice)["tasks"]
    assert (task["address"], len(task["bids"]) >= 2) == ("bid.other", True)
    assert holds_all(twice)


def _indented(text: str) -> str:
    return "".join(f"\n    {line}" for line in text.removeprefix("---\n").splitlines()) + "\n"


def test_status_shows_what_runs_also_where_no_bill_can_be_read(twice: Place) -> None:
    twice.write(script(2) + "lifetime: {max_hours: 50, max_cost: 400}\n")
    twice.ok(*APPLY)
    with twice.simulator() as simulator:
        simulator.faults.add(BILL, "status", status=500, times=None)
    shown = twice.run("status")
    assert shown.code == 0, shown
    for line in (
        "bid.train  Allocated",
        "  paid so far: unknown",
        "In total $8.00 an hour now",
        "Paid so far: unknown",
    ):
        assert line in shown.out
    plain = " ".join(shown.out.split())
    unknown = "(what is left is unknown: it may be over)"
    assert f"2.1 days of running {unknown}, or once it has cost $400.00 {unknown}" in plain
    assert "what was paid is unknown, since the bill could not be fetched" in " ".join(shown.err.split())
    assert "at least $39.71, because the bill of a bid could not be read" in " ".join(shown.out.split())
    found = json.loads(twice.ok("status", "--format", "json"))
    assert (found["bids"][0]["paid"], found["paid"]["paid"]) == (None, None)
    assert found["bids"][0]["lifetime"]["left"] == {"running_hours": None, "cost": None, "hours": None}
    with twice.simulator() as simulator:
        simulator.faults.clear()
        simulator.faults.add(BILL, "status", status=401, times=None)
    assert "does not accept the\n  credentials" in twice.run("status").err


def test_what_is_said_of_the_bill_is_said_once_the_rest_is_there(place: Place) -> None:
    """It is read beside the rest: nothing is said of it while that may still fail, and each run says it at one
    place."""
    place.write(task_text("train"))
    place.ok(*APPLY)
    with place.simulator() as simulator:
        for call in ("GET /v2/projects", BILL):
            simulator.faults.add(call, "status", status=403, times=None)
    result = place.run("status")
    said = " ".join(result.err.split())
    assert result.code == 0, result
    assert 0 < said.index("the projects cannot be listed") < said.index("what was paid is unknown")
    with place.simulator() as simulator:
        for lists in ("GET /v2/spot/bids", "GET /v2/volumes"):
            simulator.faults.add(lists, "status", status=403, times=None)
    result = place.run("status")
    assert result.code == 1
    assert ": permission denied" in " ".join(result.err.split())
    assert "what was paid" not in result.err

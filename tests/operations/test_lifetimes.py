"""`lifetime` as somebody meets it who applies a stack: what ends, what is said of it, and what keeps it from ending."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest

from flowplan.cloud.asking import Asking
from flowplan.model.live import SHOWS_WITHIN
from tests.conftest import APPLY, Place, bid_id
from tests.operations.jobs import ENDS, STACK, created, end, entries


def test_a_bid_is_cancelled_at_the_end_of_its_lifetime_and_not_placed_again(place: Place) -> None:
    place.write(ENDS)
    assert "# ends after 12 hours of running ($36.00 at the limit); its instances then" in place.ok("plan")
    place.ok(*APPLY)
    place.ok("simulator", "advance", "11h")
    assert place.run("plan", "--detailed-exitcode").code == 0
    place.ok("simulator", "advance", "2h")
    found = entries(place)
    assert found["bid.train"]["action_reason"] == found["ports.train"]["action_reason"] == "delete_because_lifetime"
    assert found["bid.other"]["change"]["actions"] == ["no-op"]
    assert "2 destroyed" in place.ok(*APPLY)
    assert place.run("plan", "--detailed-exitcode").code == 0
    assert entries(place)["bid.train"]["action_reason"] == "completed"
    place.ok(*APPLY)
    assert created(place) == {"train": 1, "other": 1}
    place.ok(*APPLY, "--replace", "bid.train")
    assert created(place)["train"] == 2


def test_what_flowplan_ended_is_no_change_from_outside(place: Place) -> None:
    """A destroy forgets it; an apply said when it was cancelled."""
    place.write(ENDS)
    place.ok(*APPLY)
    place.ok("simulator", "advance", "13h")
    place.ok(*APPLY)
    shown = place.ok("plan", "--destroy")
    assert "was cancelled at the end of its lifetime" in shown
    assert "Changed outside" not in shown
    assert json.loads(place.ok("plan", "--destroy", "--format", "json"))["resource_drift"] == []


def status_of(place: Place, address: str) -> tuple[dict[str, Any], str]:
    """What `status` says of the lifetime of a bid, and its paragraph on one line."""
    (bid,) = (one for one in json.loads(place.ok("status", "--format", "json"))["bids"] if one["address"] == address)
    (text,) = (part for part in place.ok("status").split("\n\n") if part.startswith(address))
    return bid.get("lifetime", {}), " ".join(text.split())


def test_status_says_what_is_left_of_a_lifetime_and_what_ends_it(place: Place) -> None:
    place.write(ENDS.replace("max_hours: 12", "max_cost: 10"))
    assert "# ends once it has cost $10.00; only a flowplan run ends it" in place.ok("plan")
    place.ok(*APPLY)
    assert status_of(place, "bid.other")[0] == {}
    left, text = status_of(place, "bid.train")
    assert (left["left"]["cost"], left["over"]) == ("10.00", None)
    assert "ends once it has cost $10.00 ($10.00 left); only a flowplan run cancels it" in text
    place.ok("simulator", "advance", "24h")
    left, text = status_of(place, "bid.train")
    assert left["left"]["cost"] == "0.00"
    assert left["over"].endswith(", of max_cost $10.00")
    assert f"its lifetime is over: {left['over']}; it runs on until this cancels it: {left['ended_by']}" in text
    place.ok(*left["ended_by"].split()[1:], "--auto-approve")
    left, text = status_of(place, "bid.train")
    assert (left, "lifetime" in text) == ({}, False)


def test_an_estimate_of_what_runs_past_its_lifetime_says_so(place: Place) -> None:
    """It counts the bid as one that nothing ends: over a day more than the whole bid was to cost."""
    place.write(ENDS.replace("max_hours: 12", "max_cost: 10"))
    place.ok(*APPLY)
    assert "lifetime is over" not in place.run("cost").err
    place.ok("simulator", "advance", "24h")
    (bid,) = (one for one in estimate_of(place) if one["address"] == "bid.train")
    assert "left" not in bid
    assert Decimal(bid["cost"]["cost"]["horizon"]["expected"]) > 10
    said = "note: bid.train: its lifetime is over, and it is counted as running on; `flowplan apply` ends that"
    assert said in " ".join(place.run("cost").err.split())
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/instances/pricing/history", "status", status=500, times=None)
    assert "lifetime is over" not in place.run("cost").err  # nobody knows
    with place.simulator() as simulator:
        simulator.faults.clear()
    place.ok(*APPLY)
    assert "lifetime is over" not in place.run("cost").err


def estimate_of(place: Place) -> list[dict[str, Any]]:
    """What each resource is to cost over a day."""
    found: list[dict[str, Any]] = json.loads(place.ok("cost", "--horizon", "24h", "--format", "json"))["estimate"][
        "resources"
    ]
    return found


def past_their_lifetime(place: Place, count: int) -> str:
    """What `status` says, in one line, of so many jobs that are past their lifetime."""
    every = json.dumps([f"j{n}" for n in range(count)])
    place.write(ENDS.replace("  train:\n", f"  train:\n    for_each: {every}\n"), "jobs.yaml")
    place.ok("apply", "jobs.yaml", "--auto-approve")
    place.ok("simulator", "advance", "13h")
    return " ".join(place.ok("status").split())


def test_status_says_once_of_all_that_are_alike_that_their_lifetime_is_over(place: Place) -> None:
    said = past_their_lifetime(place, 4)
    assert "(4 alike) Allocated" in said, said
    assert said.count("lifetime of each is over: it has run 13.0 hours, of max_hours 12; each runs on until this") == 1
    command = re.search(r"cancels them: flowplan (apply jobs.yaml( --target '[^']+'){4})", said)
    assert command is not None, said
    place.ok(*shlex.split(command[1]), "--auto-approve")
    assert "lifetime" not in place.ok("status")


def test_of_many_the_commands_are_told_one_by_one(place: Place) -> None:
    said = past_their_lifetime(place, 6)
    assert "each runs on until `flowplan apply` cancels them; --verbose shows the command for each" in said, said
    assert (
        " ".join(place.ok("status", "--verbose").split()).count("it runs on until this cancels it: flowplan apply") == 6
    )


def test_status_goes_by_the_lifetime_that_a_run_read_last_also_if_it_changed_nothing_else(place: Place) -> None:
    place.write(ENDS)
    place.ok(*APPLY)
    place.edit("max_hours: 12", "max_hours: 24.125")
    place.ok("plan")
    assert status_of(place, "bid.train")[0]["max_hours"] == "12"
    place.ok(*APPLY)
    assert status_of(place, "bid.train")[0]["max_hours"] == "24.125"
    place.edit("    lifetime: {max_hours: 24.125}\n", "")
    place.ok(*APPLY)
    assert status_of(place, "bid.train")[0] == {}


def test_status_names_the_file_of_a_bid_and_what_nothing_may_end(place: Place) -> None:
    (place.path / "my jobs").mkdir()
    place.write(
        ENDS.replace(
            "  other: {}\n", "  kept:\n    lifetime: {max_hours: 12}\n    lifecycle: {prevent_destroy: true}\n"
        ),
        "my jobs/a.yaml",
    )
    place.ok(*APPLY, "my jobs/a.yaml")
    kept, text = status_of(place, "bid.kept")
    assert kept["ended_by"] is None and "(12 hours left); prevent_destroy keeps it running" in text
    place.ok("simulator", "advance", "13h")
    assert status_of(place, "bid.train")[0]["ended_by"] == "flowplan apply 'my jobs/a.yaml' --target bid.train"
    assert "of max_hours 12; prevent_destroy keeps it running" in status_of(place, "bid.kept")[1]


def test_what_has_run_its_hours_is_run_again_by_request(place: Place) -> None:
    """Also before it was cancelled: the hours of the old bid are not those of the new one."""
    place.write(ENDS)
    place.ok(*APPLY)
    place.ok("simulator", "advance", "13h")
    said = " ".join(place.ok(*APPLY, "--replace", "bid.train").split())
    assert "replacing bid.train starts its max_hours again: what" in said
    assert created(place) == {"train": 2, "other": 1}
    assert entries(place)["bid.train"]["change"]["actions"] == ["no-op"]


@pytest.mark.parametrize("part", [("--exclude", "bid.train"), ("--target", "bid.other")])
def test_what_is_past_its_lifetime_and_left_out_is_said(place: Place, part: tuple[str, str]) -> None:
    place.write(ENDS)
    place.ok(*APPLY)
    place.ok("simulator", "advance", "13h")
    said = " ".join(place.ok("plan", *part).split())
    assert "bid.train is past its lifetime (it has run 13.0 hours, of max_hours 12), but it is left out" in said
    assert "bid.other runs until cancelled" in said and "another lifetime" not in said


def test_a_longer_lifetime_replaces_nothing_and_is_said(place: Place) -> None:
    place.write(ENDS)
    place.ok(*APPLY)
    place.edit("max_hours: 12", "max_hours: 24")
    settled = place.run("plan", "--detailed-exitcode")
    assert settled.code == 0
    assert "the instances of bid.train were started with another lifetime" in " ".join(settled.out.split())
    assert "bid.other runs until cancelled: at most $3.00 an hour" in " ".join(settled.out.split())


def test_a_job_that_its_end_at_ended_is_run_again_as_the_note_says(place: Place) -> None:
    """The same file would end the new bid at once, which is refused."""
    place.write(ENDS.replace("max_hours: 12", 'end_at: "2026-11-02T10:00:00Z"'))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "2h")
    place.ok(*APPLY)
    again = "to run it again: give it a later end_at, then flowplan apply --replace bid.train"
    assert again in " ".join(place.ok("plan").split())
    assert place.run(*APPLY, "--replace", "bid.train").code == 65
    place.edit("02T10:00", "02T20:00")
    assert "to run it again: flowplan apply --replace bid.train" in " ".join(place.ok("plan").split())
    place.ok(*APPLY, "--replace", "bid.train")
    assert created(place)["train"] == 2


def test_what_would_end_at_once_is_not_placed(place: Place) -> None:
    place.write(ENDS.replace("max_hours: 12", 'end_at: "2026-01-01T00:00:00Z"'))
    refused = place.run(*APPLY)
    assert refused.code == 65
    assert "bid.train would end at once: its end_at, 2026-01-01 00:00 UTC, has passed" in " ".join(refused.err.split())
    assert created(place) == {}


def test_a_bid_whose_instances_have_shut_down_is_cancelled(place: Place) -> None:
    place.write(ENDS.replace("max_hours: 12", "when_done: cancel"))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "30m")
    assert place.run("plan", "--detailed-exitcode").code == 0
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/instances", "edited", put={"status": "STATUS_TERMINATED"}, times=None)
    found = entries(place)["bid.train"]
    assert (found["action_reason"], found["note"]) == ("delete_because_lifetime", "its instances have shut down")


def test_bills_that_cannot_be_fetched_end_nothing_and_are_said(place: Place) -> None:
    place.write(ENDS)
    place.ok(*APPLY)
    place.ok("simulator", "advance", "13h")
    place.edit("max_hours: 12", "max_hours: 20")
    assert "may be past its lifetime" not in place.ok("plan")
    place.edit("max_hours: 20", "max_hours: 12")
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/instances/pricing/history", "status", status=403, body="{}", times=None)
    settled = place.run("plan", "--detailed-exitcode")
    assert settled.code == 0
    assert "cannot tell now whether a lifetime is over" in " ".join(settled.err.split())
    said = " ".join(settled.out.split())
    assert (
        "bid.train may be past its lifetime: flowplan cannot check its max_hours now, so it keeps running: at most"
        in said
    )
    assert "at flowplan.yaml:" in said and "to stop it now: flowplan destroy --target bid.train" in said
    place.ok("destroy", "--target", "bid.train", "--auto-approve")


def test_what_is_said_of_bills_and_instances_has_an_order(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever answer comes first."""

    def the_last_first(self: Asking, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        return [call() for call in reversed(calls)][::-1]

    place.write(ENDS.replace("max_hours: 12", "max_hours: 12, when_done: cancel"))
    place.ok(*APPLY)
    with place.simulator() as simulator:
        for path in ("/v2/instances/pricing/history", "/v2/instances"):
            simulator.faults.add(f"GET {path}", "status", status=403, body="{}", times=None)
    monkeypatch.setattr(Asking, "side_by_side", the_last_first)
    said = " ".join(place.run("plan").err.split())
    unknown = [f"{what} could not be fetched" for what in ("what they were billed", "their instances")]
    assert [said.count(one) for one in unknown] == [1, 1], said
    assert said.index(unknown[0]) < said.index(unknown[1])


def test_a_job_that_is_gone_before_any_run_saw_it_end_is_not_bought_again(place: Place) -> None:
    """The API forgets a bid: a 404, and no list has it."""
    place.write(ENDS)
    place.ok(*APPLY)
    id = bid_id(place, "bid.train")
    end(place, "bid.train")
    listed = json.loads(place.call("GET", "/v2/spot/bids?limit=100").body)
    listed["data"] = [row for row in listed["data"] if row["fid"] != id]
    with place.simulator() as simulator:
        simulator.advance(SHOWS_WITHIN)
        simulator.faults.add("GET /v2/spot/bids", "status", status=200, body=json.dumps(listed), times=None)
        gone = '{"detail": "Bid not found"}'
        simulator.faults.add(f"GET /v2/spot/bids/{id}", "status", status=404, body=gone, times=None)
    assert entries(place)["bid.train"]["action_reason"] == "completed"
    place.ok(*APPLY)
    assert [one.method for one in place.ledger()].count("POST") == 2
    assert entries(place)["bid.train"]["action_reason"] == "completed"


@pytest.mark.parametrize("limit", ["0", "0%"])
def test_a_limit_on_changes_lets_what_is_past_its_lifetime_run_no_longer(place: Place, limit: str) -> None:
    place.write(ENDS)
    place.ok(*APPLY)
    place.ok("simulator", "advance", "13h")
    assert "2 destroyed" in place.ok(*APPLY, "--max-changes", limit)


def test_a_plan_that_is_refused_says_what_runs_on_and_how_to_stop_it(place: Place) -> None:
    """A guard on something else does not let it go; what stops only that is not refused."""
    place.write(ENDS)
    place.ok(*APPLY)
    place.ok("simulator", "advance", "13h")
    place.edit("  other: {}", "  other: {lifecycle: {prevent_destroy: true}, ports: [8080]}")
    refused = place.run(*APPLY)
    assert refused.code == 3
    command = "flowplan apply --target bid.train"
    assert f"bid.train keeps running past its lifetime; to stop only that: {command}" in " ".join(refused.err.split())
    assert "2 destroyed" in place.ok(*APPLY, "--target", "bid.train")


def test_a_lifetime_that_ends_before_the_work_is_said(place: Place) -> None:
    place.write(
        ENDS.replace(
            "    ports: [6006]\n", "    resources_specification: {advanced: {nearest_estimated_duration: 5}}\n"
        )
    )
    assert "before its" not in place.ok("plan")
    place.edit("max_hours: 12", "max_hours: 2")
    said = " ".join(place.ok("plan").split())
    assert "bid.train ends after 2 hours of running (max_hours), before its 5 hours of work are done" in said
    assert "or until its lifetime ends: $1.01" in said and "done after" not in said


def test_a_lifetime_that_prevent_destroy_keeps_from_ending_the_task_is_warned_of(place: Place) -> None:
    lifecycle = "lifetime: {max_hours: 1}\n    lifecycle: {prevent_destroy: true}\n    ports"
    place.write(STACK.partition("  other:")[0].replace("ports", lifecycle).replace("depends_on", "x-depends_on"))
    warned = " ".join(place.run("validate").err.split())
    assert "warning: prevent_destroy keeps the lifetime from ending the task" in warned
    assert "its lifetime is here: flowplan.yaml:12:5" in warned
    place.ok(*APPLY)
    place.ok("simulator", "advance", "3h")
    said = " ".join(place.ok("plan").split())
    assert (
        "bid.train is past its lifetime (it has run 3.0 hours, of max_hours 1), but prevent_destroy keeps it running"
        in said
    )
    assert "hint: cancel it: remove prevent_destroy from its file, and apply" in said
    place.edit("prevent_destroy: true", "prevent_destroy: false")
    assert "2 destroyed" in place.ok(*APPLY)


def test_what_is_kept_past_its_lifetime_in_the_same_way_is_one_warning(place: Place) -> None:
    lifecycle = "for_each: [a-1, a-2, a-3, a-4]\n    lifetime: {max_hours: 1}\n    lifecycle: {prevent_destroy: true}"
    place.write(ENDS.partition("  train:")[0] + f"  sweep:\n    {lifecycle}\n")
    place.ok(*APPLY)
    place.ok("simulator", "advance", "3h")
    said = " ".join(place.ok("plan").split())
    assert said.count("past its lifetime (") == 1, said
    assert "(4 bids): each is past its lifetime (it has run 3.0 hours, of max_hours 1), but prevent_destroy" in said


def test_a_task_that_nothing_may_end_holds_up_no_other_whose_lifetime_is_over(place: Place) -> None:
    place.write(ENDS)
    place.edit("  other: {}", "  other: {lifetime: {max_hours: 2}, lifecycle: {prevent_destroy: true}}")
    place.ok(*APPLY)
    place.ok("simulator", "advance", "13h")
    done = place.run(*APPLY)
    out = " ".join(done.out.split())
    assert done.code == 3 and "2 destroyed" in out
    assert "bid.other is past its lifetime" in out and "but prevent_destroy keeps it running" in out
    assert [one for one in place.ok("state", "list").split() if one.startswith("bid.other")] == ["bid.other"]
    status = place.ok("status")
    assert "bid.other  Allocated" in status and "bid.train  Terminated" in status

"""What no lifetime ends, because prevent_destroy or a policy keeps it from that: it is said, forecast, and found."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.conftest import APPLY, Place, live_ids
from tests.operations.watching import look, only

STACK = """\
version: 2
project_name: my-foundry-project
ssh_key_name: my-ssh-key
tasks:
  train:
    resources_specification: {fcp_instance: a100.1x.SXM4.IB, cluster_id: us-central1-b}
    task_management: {utility_threshold_price: 2}
    lifetime: {max_cost: 1}
"""
POLICY = "policies: {protected: [bid.train]}\n"
KEEPS = {
    "prevent_destroy": f"{STACK}    lifecycle: {{prevent_destroy: true}}\n",
    "the policy that protects bid.train": POLICY + STACK,
}
MONTH = ("--horizon", "30d")


def dollars(place: Place, *command: str, part: str) -> Decimal:
    """What the stack is expected to cost over 30 days."""
    found: Any = json.loads(place.run(*command, *MONTH, "--format", "json").out)
    for key in (*part.split("."), "expected"):
        found = found[key]
    return Decimal(found)


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(params=KEEPS)
def kept(place: Place, request: pytest.FixtureRequest) -> str:
    """What keeps the lifetime of the bid from ending it, of a stack that is written."""
    place.write(KEEPS[request.param])
    return str(request.param)


def test_what_no_lifetime_ends_is_forecast_without_end(place: Place, kept: str) -> None:
    said = words(place.run("validate").err)
    assert f"{kept} keeps the lifetime from ending" in said, said
    shown = words(place.ok("plan", *MONTH).replace(" # ", " "))
    assert f"would end once it has cost $1.00; {kept} keeps it running" in shown, shown
    assert "until its lifetime ends" not in shown and f"{kept} keeps the lifetime from ending" in shown, shown
    assert dollars(place, "plan", part="cost.horizon.planned") > 300
    place.ok(*APPLY)
    place.ok("simulator", "advance", "90m")
    assert dollars(place, "plan", part="cost.horizon.current") > 300
    assert dollars(place, "cost", part="estimate.horizon") > 300
    assert f"($0.27 left); {kept} keeps it running" in words(place.ok("status"))


def test_what_no_lifetime_ends_holds_up_no_other_and_is_told_by_the_exit_code(place: Place, kept: str) -> None:
    task = STACK.partition("  train:\n")[2]
    place.write(f"{(place.path / 'flowplan.yaml').read_text()}  other:\n{task}")
    place.ok(*APPLY)
    place.ok("simulator", "advance", "3h")
    planned = words(place.ok("plan"))
    assert "Plan: 0 to add, 0 to change, 1 to destroy." in planned, planned
    assert f"but {kept} keeps it running: at most $2.00 an hour" in planned, planned
    for ended in (1, 0):
        done = place.run(*APPLY)
        assert done.code == 3 and ("1 destroyed" in done.out) == bool(ended), done
        assert (
            f"all else is done, but {kept} keeps bid.train running past its lifetime: at most $2.00 an hour"
        ) in words(done.err), done
        assert len(live_ids(place)) == 1
    assert place.run(*APPLY, "--exclude", "bid.train").code == 0
    document = json.loads(place.run("status", "--format", "json").out)
    assert {one["address"]: one["status"] for one in document["bids"] if one["status"] == "Allocated"} == {
        "bid.train": "Allocated"
    }


def test_what_no_lifetime_ends_and_is_paused_costs_nothing(place: Place, kept: str) -> None:
    """Whoever pauses it pays no more: that is no failure of each apply from then on."""
    place.ok(*APPLY)
    place.ok("simulator", "advance", "3h")
    place.edit("    task_management:", "    paused: true\n    task_management:")
    for _ in range(2):
        said = words(place.ok(*APPLY))
        assert f"but {kept} keeps it: it is paused" in said and "at most $2.00 an hour" not in said, said
    shown = words(place.ok("status"))
    assert f"its lifetime is over: it has cost $1.48, of max_cost $1.00; {kept} keeps it:" in shown, shown
    assert only(look(place)).why_not == f"{kept} keeps it"
    left_out = words(place.ok(*APPLY, "--exclude", "bid.train"))
    assert "but it is left out of this plan: it is paused" in left_out or f"{kept} keeps it: it is" in left_out
    place.write("version: [\n")
    assert "costs money" not in words(place.run(*APPLY).err)


def test_what_no_lifetime_ends_costs_at_most_what_the_plan_makes_of_it(place: Place, kept: str) -> None:
    place.ok(*APPLY)
    place.ok("simulator", "advance", "3h")
    place.edit("utility_threshold_price: 2", "utility_threshold_price: 3")
    done = place.run(*APPLY)
    assert done.code == 3 and "1 changed" in done.out, done
    for stream in (done.out, done.err):
        assert f"{kept} keeps" in words(stream) and "at most $3.00 an hour" in words(stream), done


def test_what_no_lifetime_ends_is_found_by_the_watch(place: Place, kept: str) -> None:
    place.ok(*APPLY)
    place.ok("simulator", "advance", "3h")
    found = look(place)
    assert (only(found).kind, only(found).act, found.differs, found.error) == ("lifetime_over", None, True, None), found
    assert only(found).why_not == f"{kept} keeps it running"
    told = place.run("watch", "--once")
    assert told.code == 2 and "run `flowplan plan` and decide" in words(told.out), told
    life = json.loads(place.ok("status", "--format", "json"))["bids"][0]["lifetime"]
    assert (life["ended_by"], life["kept_by"]) == (None, kept)
    assert "--target" not in place.ok("status")
    assert len(live_ids(place)) == 1


def test_a_policy_that_is_gone_lets_the_lifetime_end_again(place: Place) -> None:
    place.write(POLICY + STACK)
    place.ok(*APPLY)
    assert dollars(place, "cost", part="estimate.horizon") > 300
    place.write(STACK)
    before, after = (dollars(place, "plan", part=f"cost.horizon.{which}") for which in ("current", "planned"))
    assert (before > 300, after <= 1) == (True, True), (before, after)
    place.ok(*APPLY)
    assert dollars(place, "cost", part="estimate.horizon") <= 1


def test_a_policy_of_an_unreadable_file_is_the_one_that_was_applied(place: Place) -> None:
    place.write(POLICY + STACK)
    place.ok(*APPLY)
    place.ok("simulator", "advance", "3h")
    place.write("version: [\n")
    said = place.run(*APPLY)
    assert said.code == 65 and "runs on, and costs money: the policy protects bid.train" in words(said.err), said
    assert len(live_ids(place)) == 1


def test_what_a_guard_keeps_the_watch_from_placing_again_is_to_be_decided(place: Place) -> None:
    """And keeps it from nothing else."""
    task = STACK.partition("  train:\n")[2].partition("    lifetime")[0]
    place.write(
        f"watch: {{on_preempted: rebid, max_hourly_cost: 3}}\n{STACK.partition('    lifetime')[0]}  other:\n{task}"
    )
    place.ok(*APPLY)
    with place.simulator() as simulator:
        for id in live_ids(place):
            simulator.faults.end(id)
    told = place.run("watch", "--once", "--json")
    said = [json.loads(line) for line in told.out.splitlines()]
    asks = {one["address"]: one["asks"] for one in said if one["type"] == "watch_finding"}
    (last,) = (one for one in said if one["type"] == "watch_round")
    assert (told.code, asks, last["differs"]) == (2, {"bid.other": False, "bid.train": True}, True), told
    assert (last["acted"], len(live_ids(place))) == (["bid.other"], 1), told

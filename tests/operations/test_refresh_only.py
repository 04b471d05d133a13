"""--refresh-only: the state records what changed outside, and nothing live is changed. --no-refresh: nobody looks."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Place, bid_id, left_in_doubt, made_once
from tests.faults.losing import lose
from tests.operations.lifecycles import TRIGGERED, refusing_to_end
from tests.operations.watching import stack, task
from tests.texts import storage, task_text

TWO = task_text("drifts") + task_text("ends", more=f"{storage('data')}ports: [8080]\n")
ONLY = ("--refresh-only",)


@pytest.fixture
@made_once
def moved(place: Place) -> Place:
    """One bid has another limit, one is gone."""
    place.write(TWO)
    place.ok("apply", "--auto-approve")
    place.call("PATCH", f"/v2/spot/bids/{bid_id(place, 'bid.drifts')}", b'{"limit_price": "$30.00"}')
    place.call("DELETE", f"/v2/spot/bids/{bid_id(place, 'bid.ends')}")
    return place


def applied(place: Place) -> dict[str, dict[str, object]]:
    state = json.loads((place.path / "flowplan.state.json").read_text())
    return {one["address"]: one["applied"] for one in state["resources"]}


def test_a_plan_shows_what_would_be_recorded(moved: Place) -> None:
    before = (moved.path / "flowplan.state.json").read_bytes()
    out = moved.ok("plan", *ONLY)
    assert "limit_price $17.92 -> $30.00" in out
    assert "bid.ends will be forgotten: it is gone" in out
    assert "Refresh: 2 to record in the state. Nothing live is changed." in out
    assert moved.run("plan", *ONLY, "--detailed-exitcode").code == 2
    body = json.loads(moved.ok("plan", *ONLY, "--format", "json"))
    assert (body["mode"], body["applyable"], len(body["resource_drift"])) == ("refresh-only", True, 2)
    assert (moved.path / "flowplan.state.json").read_bytes() == before


def test_it_is_recorded_and_nothing_live_is_changed(moved: Place) -> None:
    ledger = moved.ledger()
    assert "Refresh complete: 2 recorded." in moved.ok("apply", *ONLY, "--auto-approve")
    assert moved.ledger() == ledger
    assert applied(moved).keys() == {"bid.drifts", "volume.data"}
    assert applied(moved)["bid.drifts"]["limit_price"] == "30.00"
    assert "No changes. The state matches what is live." in moved.ok("plan", *ONLY)
    after = json.loads(moved.ok("plan", "--format", "json"))
    assert after["resource_drift"] == []
    assert (after["summary"]["update"], after["summary"]["create"]) == (1, 2)


def test_it_needs_approval(moved: Place) -> None:
    before = (moved.path / "flowplan.state.json").read_bytes()
    assert moved.run("apply", *ONLY).code == 1
    assert (moved.path / "flowplan.state.json").read_bytes() == before


def test_events(moved: Place) -> None:
    lines = [json.loads(line) for line in moved.ok("apply", *ONLY, "--auto-approve", "--json").splitlines()]
    assert {one["type"] for one in lines} >= {"version", "change_summary", "summary"}
    assert lines[-1]["forgotten"] == 2 and lines[-1]["destroyed"] == 0


def test_a_part_of_it(moved: Place) -> None:
    moved.ok("apply", *ONLY, "--auto-approve", "--target", "bid.drifts")
    assert applied(moved).keys() == {"bid.drifts", "bid.ends", "ports.ends", "volume.data"}
    assert applied(moved)["bid.drifts"]["limit_price"] == "30.00"


def test_what_the_files_change_is_not_recorded(moved: Place) -> None:
    moved.edit("name: drifts", "name: other")
    moved.ok("apply", *ONLY, "--auto-approve")
    assert applied(moved).keys() == {"bid.drifts", "volume.data"}


@pytest.mark.parametrize("call", ["GET /v2/spot/bids*", "GET /v2/spot/bids"])
def test_what_cannot_be_read_is_not_recorded(moved: Place, call: str) -> None:
    """Neither when nothing can be read, nor when only the list cannot."""
    before = (moved.path / "flowplan.state.json").read_bytes()
    with moved.simulator() as simulator:
        simulator.faults.add(call, "status", status=403, times=None)
    assert moved.run("apply", *ONLY, "--auto-approve").code == 1
    assert (moved.path / "flowplan.state.json").read_bytes() == before


def test_what_is_in_doubt_is_settled_first(place: Place) -> None:
    left_in_doubt(place)
    ledger = place.ledger()
    result = place.run("apply", *ONLY, "--auto-approve")
    assert result.code == 6
    assert "flowplan recover" in result.err
    assert place.ledger() == ledger


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", "--destroy"),
        ("plan", "--replace", "bid.drifts"),
        ("plan", "--out", "p"),
        ("plan", "--what-if", "1h"),
        ("apply", "--replace", "bid.drifts"),
    ],
    ids=" ".join,
)
def test_it_goes_with_nothing_that_changes_more(moved: Place, arguments: tuple[str, ...]) -> None:
    result = moved.run(*arguments, *ONLY)
    assert result.code == 64, result
    assert "--refresh-only cannot be combined with" in result.err


def test_a_job_that_has_ended_stays_known(place: Place) -> None:
    """Were it forgotten, it would be placed again."""
    place.write(task_text("job", more="lifetime: {when_done: cancel}\n"))
    place.ok("apply", "--auto-approve")
    place.call("DELETE", f"/v2/spot/bids/{bid_id(place, 'bid.job')}")
    ledger = place.ledger()
    place.ok("apply", *ONLY, "--auto-approve")
    place.ok("apply", "--auto-approve")
    assert place.ledger() == ledger


def test_beside_an_apply_it_saves_nothing_once_a_job_has_ended(place: Place) -> None:
    """What the one records of it, the other leaves: above all which file made it, as a part of a stack has to know."""
    place.write(task_text("job", more="lifetime: {when_done: cancel, max_hours: 5}\nports: [80]\n"))
    place.ok("apply", "--auto-approve")
    place.call("DELETE", f"/v2/spot/bids/{bid_id(place, 'bid.job')}")
    place.ok("apply", "--auto-approve")
    before = (place.path / "flowplan.state.json").read_bytes()
    for more in (ONLY, (), ONLY):
        place.ok("apply", *more, "--auto-approve")
    assert (place.path / "flowplan.state.json").read_bytes() == before


def test_what_an_earlier_run_left_to_do_is_still_done_after_it(place: Place) -> None:
    place.write(TRIGGERED)
    place.ok("apply", "--auto-approve")
    refusing_to_end(place, "bid.train")
    place.ok("apply", *ONLY, "--auto-approve")
    assert "bid.pre was replaced by an earlier run (replace_triggered_by)" in place.ok("plan")


@pytest.mark.parametrize(("limit", "code"), [(None, 0), ("39.00", 2)])
def test_a_limit_that_the_watch_has_raised_is_known_to_be_raised_after_it(
    place: Place, limit: str | None, code: int
) -> None:
    """Not so one that somebody has set since: the next apply lowers it."""
    place.write(stack("{raise_limit_up_to: 40}", train=task("5.00", "a100.8x.SXM4.IB", "us-central1-a")))
    place.ok("apply", "--auto-approve")
    place.ok("watch", "--once")
    if limit is not None:
        body = json.dumps({"limit_price": f"${limit}"}).encode()
        place.call("PATCH", f"/v2/spot/bids/{bid_id(place, 'bid.train')}", body)
    place.ok("apply", *ONLY, "--auto-approve")
    assert (limit or "raised_from") in place.ok("state", "show", "bid.train")
    assert place.run("plan", "--detailed-exitcode").code == code


def test_a_program_records_it_too(moved: Place) -> None:
    import flowplan

    stack = flowplan.load("flowplan.yaml", api_url="sim:")
    ledger = moved.ledger()
    proposal = stack.plan(refresh_only=True)
    assert not proposal.plan.empty
    stack.apply(proposal)
    assert moved.ledger() == ledger
    assert applied(moved)["bid.drifts"]["limit_price"] == "30.00"
    assert stack.plan(refresh_only=True).plan.empty


# ---- --no-refresh ------------------------------------------------------------------------------------------


def test_a_plan_by_the_state_alone(moved: Place) -> None:
    moved.edit("name: drifts", "name: drifts\nports: [9000]")
    with moved.simulator() as simulator:
        simulator.faults.add("GET /v2/spot/bids*", "status", status=403, times=None)
    out = moved.ok("plan", "--no-refresh")
    assert "bid.drifts must be replaced" in out and "bid.ends will be" not in out
    assert "the cloud was not checked" in " ".join(out.split())
    body = json.loads(moved.ok("plan", "--no-refresh", "--format", "json"))
    assert (body["complete"], body["applyable"], body["resource_drift"]) == (False, False, [])
    assert "not_refreshed" in [one["detail"] for one in body["diagnostics"]]


@pytest.mark.parametrize("option", ["--destroy", "--refresh-only", "--out=p"])
def test_it_goes_with_nothing_that_needs_a_look(moved: Place, option: str) -> None:
    result = moved.run("plan", "--no-refresh", option)
    assert result.code == 64
    assert "it does not check what is live" in " ".join(result.err.split())


@pytest.mark.parametrize("command", ["apply", "destroy"])
def test_what_changes_things_always_looks(moved: Place, command: str) -> None:
    assert moved.run(command, "--no-refresh").code == 64


def test_a_proposal_by_the_state_alone_is_not_applied(moved: Place) -> None:
    import flowplan
    from flowplan.errors import UsageProblem

    stack = flowplan.load("flowplan.yaml", api_url="sim:")
    proposal = stack.plan(refresh=False, replace="bid.drifts")
    assert not proposal.plan.empty
    ledger = moved.ledger()
    with pytest.raises(UsageProblem, match="refresh=False"):
        stack.apply(proposal)
    assert moved.ledger() == ledger


def test_its_cost_and_its_words_are_those_of_a_plan(place: Place) -> None:
    """Ports have the id of their bid, and are none; a lifetime is that of the files."""
    place.write(task_text("a", "17.92", more="ports: [8080]\nlifetime: {max_hours: 5}\n"))
    place.ok("apply", "--auto-approve")
    usual, refreshed = (json.loads(place.ok("plan", *more, "--format", "json")) for more in ((), ("--refresh-only",)))
    assert refreshed["cost"] == usual["cost"]
    assert refreshed["diagnostics"] == usual["diagnostics"]
    assert {one["address"]: one["change"]["before"] for one in refreshed["resource_changes"]} == {
        one["address"]: one["change"]["before"] for one in usual["resource_changes"]
    }


def test_of_what_nobody_looked_at_no_plan_says_that_it_does_not_run(place: Place) -> None:
    spec = "{fcp_instance: a100-80gb.sxm.8x, cluster_id: us-central1-a}"
    place.write(
        f"version: 2\ntasks: {{w: {{resources_specification: {spec}, lifetime: {{max_hours: 1}}, "
        "task_management: {utility_threshold_price: 8}}}\n"
    )
    assert "# ends after 1 hour of running" in place.ok("apply", "--auto-approve")
    assert "warning: bid.w: Open, not running: the limit $8.00 does not win now" in place.ok("plan")
    assert "warning: bid.w: the limit $8.00 does not win now" in place.ok("plan", "--no-refresh")


def test_what_a_rebuilt_state_has_of_the_files_is_looked_at(place: Place) -> None:
    """Such a state does not say which file made a bid: the files that are given name it all the same."""
    place.write(TWO)
    place.ok("apply", "--auto-approve")
    lose(place)
    place.ok("recover", "--from-live")
    place.call("PATCH", f"/v2/spot/bids/{bid_id(place, 'bid.drifts')}", b'{"limit_price": "$30.00"}')
    out = place.ok("plan", *ONLY)
    assert "no known file names it" not in " ".join(out.split())
    assert "recover --cancel" not in out
    assert "limit_price $17.92 -> $30.00" in out
    place.ok("apply", *ONLY, "--auto-approve")
    assert applied(place)["bid.drifts"]["limit_price"] == "30.00"

"""Ports have no call of their own: they are open as long as their bid is there, whatever is asked for."""

from __future__ import annotations

import json

import pytest

from tests.conftest import APPLY, Place, bid_id, made_once
from tests.operations.handing_over import kept
from tests.texts import task_text

PORTS = "ports: [6006]\nstartup_script: echo one\n"
CANCEL = "DELETE /v2/spot/bids/*"
DESTROY = ("destroy", "--auto-approve")
REFUSALS = ("refused", "not answered")


@pytest.fixture
@made_once
def published(place: Place) -> Place:
    """Two bids, both with a port."""
    place.write(task_text("train", more=PORTS) + task_text("other", more=PORTS))
    place.ok(*APPLY)
    return place


def refuse_to_cancel(place: Place, how: str = "refused") -> None:
    with place.simulator() as simulator:
        if how == "refused":
            simulator.faults.add(CANCEL, "status", status=403, times=None)
        else:
            simulator.faults.add(CANCEL, "timeout", times=None)


def allow(place: Place) -> None:
    with place.simulator() as simulator:
        simulator.faults.clear()


def said(text: str) -> str:
    return " ".join(text.split())


def open_ports(place: Place) -> dict[str, str]:
    """Which bid has the ports at each address, by the state."""
    return {one["address"]: one["id"] for one in kept(place)["resources"] if one["type"] == "ports"}


def replace(place: Place) -> None:
    """The files have another script of `bid.train`, which is replaced for it."""
    place.write(task_text("train", more=PORTS.replace("one", "two")) + task_text("other", more=PORTS))


@pytest.mark.parametrize("how", REFUSALS)
def test_a_destroy_that_cancels_nothing_destroys_no_ports(published: Place, how: str) -> None:
    before = open_ports(published)
    refuse_to_cancel(published, how)
    failed = published.run(*DESTROY)
    assert failed.code == 1, failed
    assert "0 destroyed; 2 failed, 0 unknown, 2 not started." in said(failed.out)
    assert (failed.err.count("error: bid."), "ports.train: destroyed" in failed.err) == (2, False)
    assert "not started: ports.other, ports.train error: 2 steps failed" in said(failed.err)
    assert (len(before), open_ports(published)) == (2, before)
    assert published.ok("status").count("6006") == 2
    allow(published)
    assert "4 destroyed" in published.ok(*DESTROY)
    assert kept(published)["resources"] == []


def test_a_program_that_reads_a_destroy_is_told_the_same(published: Place) -> None:
    refuse_to_cancel(published)
    events = [json.loads(line) for line in published.run(*DESTROY, "--json").out.splitlines()]
    assert not [one for one in events if one["type"] == "apply_complete"]
    summary = events[-1]
    assert (summary["destroyed"], summary["failed"], summary["not_started"]) == (0, 2, ["ports.other", "ports.train"])


def test_the_ports_of_a_bid_that_is_cancelled_end_with_it(published: Place) -> None:
    """And those of another, which is not, do not."""
    with published.simulator() as simulator:
        simulator.faults.add(CANCEL.replace("*", bid_id(published, "bid.other")), "status", status=403, times=None)
    failed = published.run(*DESTROY)
    assert "2 destroyed; 1 failed, 0 unknown, 1 not started." in said(failed.out)
    assert "ports.train: destroyed bid.train: destroyed" in said(failed.err), "in the reverse of how they were made"
    assert list(open_ports(published)) == ["ports.other"]


def test_a_replacement_that_cancels_nothing_keeps_the_ports(published: Place) -> None:
    before = open_ports(published)
    refuse_to_cancel(published)
    replace(published)
    failed = published.run(*APPLY)
    assert "0 added, 0 changed, 0 destroyed; 1 failed, 0 unknown, 1 not started." in said(failed.out)
    assert open_ports(published) == before
    allow(published)
    assert "2 added, 0 changed, 2 destroyed" in published.ok(*APPLY)
    assert open_ports(published) == {**before, "ports.train": bid_id(published, "bid.train")}


def test_the_ports_of_a_successor_stay_when_the_old_bid_goes(place: Place) -> None:
    place.write(task_text("train", more=f"{PORTS}lifecycle: {{create_before_destroy: true}}\n"))
    place.ok(*APPLY)
    place.edit("echo one", "echo two")
    done = place.run(*APPLY)
    assert "2 added, 0 changed, 2 destroyed" in done.out
    made, gone = said(done.err).index("ports.train: created"), said(done.err).index("ports.train: destroyed")
    assert made < gone < said(done.err).index("bid.train: destroyed")
    assert open_ports(place) == {"ports.train": bid_id(place, "bid.train")}
    assert place.run("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize("how", REFUSALS)
def test_the_ports_of_a_successor_are_there_whatever_becomes_of_the_old_bid(place: Place, how: str) -> None:
    place.write(task_text("train", more=f"{PORTS}lifecycle: {{create_before_destroy: true}}\n"))
    place.ok(*APPLY)
    place.edit("echo one", "echo two")
    refuse_to_cancel(place, how)
    failed = place.run(*APPLY)
    assert "2 added, 0 changed, 0 destroyed; 1 failed, 0 unknown, 1 not started." in said(failed.out)
    assert open_ports(place) == {"ports.train": bid_id(place, "bid.train")}
    allow(place)
    place.ok(*APPLY)
    assert open_ports(place) == {"ports.train": bid_id(place, "bid.train")}
    assert place.run("plan", "--detailed-exitcode").code == 0


def test_a_successor_without_ports_has_none_although_the_old_bid_runs_on(place: Place) -> None:
    place.write(task_text("train", more=f"{PORTS}lifecycle: {{create_before_destroy: true}}\n"))
    place.ok(*APPLY)
    place.edit("ports: [6006]\n", "")
    refuse_to_cancel(place)
    failed = place.run(*APPLY)
    assert "1 added, 0 changed, 0 destroyed; 1 failed, 0 unknown, 1 not started." in said(failed.out)
    assert open_ports(place) == {}
    allow(place)
    place.ok(*APPLY)
    assert place.run("plan", "--detailed-exitcode").code == 0


def test_a_job_that_has_ended_has_no_ports_any_more(place: Place) -> None:
    """Whoever ended it: nobody else would forget them."""
    place.write(task_text("train", more=f"{PORTS}lifetime: {{max_hours: 12}}\n"))
    place.ok(*APPLY)
    place.call("DELETE", f"/v2/spot/bids/{bid_id(place, 'bid.train')}")
    place.ok(*APPLY)
    assert place.ok("state", "list").split() == ["bid.train"]
    assert place.run("plan", "--detailed-exitcode").code == 0
    assert "2 added" in place.ok(*APPLY, "--replace", "bid.train")
    assert open_ports(place) == {"ports.train": bid_id(place, "bid.train")}


def test_a_refresh_takes_the_ports_of_a_job_that_has_ended_out_of_the_state_too(place: Place) -> None:
    """And the next one has nothing to record."""
    place.write(task_text("train", more=f"{PORTS}lifetime: {{max_hours: 12}}\n"))
    place.ok(*APPLY)
    place.call("DELETE", f"/v2/spot/bids/{bid_id(place, 'bid.train')}")
    serials = set()
    for _ in range(2):
        assert "No changes. The state matches what is live." in place.ok("apply", "--refresh-only", "--auto-approve")
        assert place.ok("state", "list").split() == ["bid.train"]
        serials.add(kept(place)["serial"])
    assert len(serials) == 1


def test_ports_have_the_id_of_a_bid_that_an_interrupted_run_placed_in_the_stead_of_one_that_was_gone(
    published: Place,
) -> None:
    gone = bid_id(published, "bid.train")
    published.call("DELETE", f"/v2/spot/bids/{gone}")
    with published.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "timeout", after_commit=True)
        simulator.faults.add("GET /v2/spot/bids", "status", status=403, nth=2, times=None)
    assert published.run(*APPLY).code == 6
    allow(published)
    published.ok(*APPLY)
    assert open_ports(published)["ports.train"] == bid_id(published, "bid.train") != gone


@pytest.mark.parametrize("first", [True, False])
def test_ports_that_are_open_again_after_an_interruption_still_set_off_a_replacement(place: Place, first: bool) -> None:
    rule = f"lifecycle: {{create_before_destroy: {str(first).lower()}}}\n"
    listens = task_text("zeta", more="lifecycle: {replace_triggered_by: [ports.train]}\n")
    place.write(task_text("train", more=PORTS + rule) + listens)
    place.ok(*APPLY)
    before = bid_id(place, "bid.zeta")
    place.edit("echo one", "echo two")
    with place.simulator() as simulator:
        simulator.faults.add(CANCEL.replace("*", before), "status", status=403, times=None)
        simulator.faults.add("POST /v2/spot/bids", "timeout", after_commit=True)
        simulator.faults.add("GET /v2/spot/bids", "status", status=403, nth=2, times=None)
    assert place.run(*APPLY, "--parallelism", "1").code == 6
    assert bid_id(place, "bid.zeta") == before
    allow(place)
    assert "ports.train was replaced by an earlier run (replace_triggered_by)" in said(place.ok(*APPLY))
    assert bid_id(place, "bid.zeta") != before
    assert place.run("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize("target", ["ports.train", "bid.train"])
def test_a_target_ends_both_or_neither(published: Place, target: str) -> None:
    refuse_to_cancel(published)
    failed = published.run(*DESTROY, "--target", target)
    assert "0 destroyed; 1 failed, 0 unknown, 1 not started." in said(failed.out)
    allow(published)
    assert "2 destroyed" in published.ok(*DESTROY, "--target", target)
    assert list(open_ports(published)) == ["ports.other"]


def test_ports_that_the_files_drop_go_with_the_replaced_bid(published: Place) -> None:
    before = open_ports(published)
    refuse_to_cancel(published)
    published.write(task_text("train", more="startup_script: echo one\n") + task_text("other", more=PORTS))
    failed = published.run(*APPLY)
    assert "0 added, 0 changed, 0 destroyed; 1 failed, 0 unknown, 1 not started." in said(failed.out)
    assert open_ports(published) == before
    allow(published)
    assert "1 added, 0 changed, 2 destroyed" in published.ok(*APPLY)
    assert list(open_ports(published)) == ["ports.other"]


def test_a_saved_destroy_says_and_does_the_same(published: Place) -> None:
    published.ok("plan", "--destroy", "--out", "plan.json")
    refuse_to_cancel(published)
    failed = published.run("apply", "plan.json")
    assert "0 destroyed; 2 failed, 0 unknown, 2 not started." in said(failed.out)
    assert len(open_ports(published)) == 2


def test_a_bid_that_ended_outside_is_forgotten_with_its_ports(published: Place) -> None:
    published.call("DELETE", f"/v2/spot/bids/{bid_id(published, 'bid.train')}")
    assert "2 destroyed, 2 forgotten" in said(published.ok(*DESTROY))
    assert kept(published)["resources"] == []

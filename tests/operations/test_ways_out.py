"""What a refusal says to type works as it is typed."""

from __future__ import annotations

import re

import pytest

from tests.conftest import APPLY, Place, bid_id, live_ids, many
from tests.operations.handing_over import ATTACHED, DATA, kept, somebodys, stack, task


def said(text: str) -> str:
    return " ".join(text.split())


def test_a_destroy_that_a_volume_in_use_refuses_says_how_the_bids_end(place: Place) -> None:
    share = "create: {volume_name: vol-000, size: 1, mount_point: /mnt/d, disk_interface: File}"
    place.write(many(1).replace("create: {volume_name: vol-000, size: 1, mount_point: /mnt/d}", share), "a.yaml")
    attached = "persistent_storage: {attach: {volume_name: vol-000}}"
    place.write(re.sub("persistent_storage.*", attached, many(1, first=1)), "b.yaml")
    place.ok("apply", "a.yaml", "b.yaml", "--auto-approve")
    refused = place.run("destroy", "a.yaml", "--auto-approve", "--allow-volume-destroy", "*")
    assert (refused.code, "with --target=bid.task-000 ends the bids now" in said(refused.err)) == (3, True)
    again = ("destroy", "a.yaml", "--auto-approve", "--allow-volume-destroy", "*", "--target=bid.task-000")
    place.ok(*again)
    assert sorted(one["address"] for one in kept(place)["resources"]) == [
        *("bid.task-001", "ports.task-001", "volume.vol-000"),
    ]


def test_a_colleague_is_told_of_the_state_and_of_the_lineage_that_recovers_it(place: Place) -> None:
    place.write(stack(task("train", ATTACHED), volumes=DATA))
    place.ok(*APPLY)
    refused = place.run("--state", "bob.json", "plan")
    assert refused.code == 65
    there = "use the state that has it; if that is lost: flowplan recover --state bob.json --from-live"
    assert said(refused.err).count(there) == 2, refused.err
    assert not any(more in refused.err for more in ("cancel", "attach", "another name", "name_prefix"))
    command = re.search(r"flowplan recover --state bob.json (--from-live --lineage [-0-9a-f]+)", said(refused.err))
    assert command is not None
    for one in place.path.glob("flowplan.state*"):
        one.unlink()
    place.ok("recover", *command[1].split())
    assert bid_id(place, "bid.train").startswith("bid_")


def lost(place: Place) -> tuple[str, str, str]:
    """A stack of a bid and a volume that it does not use, whose state is lost: their ids, and the lineage."""
    place.write(stack(task("train"), volumes=DATA))
    place.ok(*APPLY)
    found = bid_id(place, "bid.train"), bid_id(place, "volume.data"), str(kept(place)["lineage"])
    for one in (*place.path.glob("flowplan.state*"), *place.path.glob(".flowplan/versions/*/*")):
        one.unlink()
    return found


def test_what_a_lost_state_leaves_comes_back_in_the_order_that_is_said(place: Place) -> None:
    """A volume that is imported first begins another state, beside which nothing is rebuilt."""
    _, volume, lineage = lost(place)
    told = said(place.run("plan").err)
    rebuild, take = f"recover --from-live --lineage {lineage}", f"import volume.data {volume}"
    assert (
        f"if the state of this stack is lost, first flowplan {rebuild}; then flowplan {take}; otherwise take it out"
        in told
    )
    place.ok(*rebuild.split())
    place.ok(*take.split())
    assert place.run("plan", "--detailed-exitcode").code == 0


def test_a_bid_comes_into_a_state_that_was_begun_since(place: Place) -> None:
    bid, volume, lineage = lost(place)
    place.ok("import", "volume.data", volume)
    take = f"import bid.train {bid} --lineage {lineage}"
    told = said(place.run("plan").err)
    assert (f"if that is lost: flowplan {take}" in told, "--from-live" in told) == (True, False)
    refused = place.run("recover", "--from-live", "--lineage", lineage)
    assert refused.code == 64
    assert f"`flowplan import ADDR ID --lineage {lineage}` takes a bid of that one into it" in said(refused.err)
    destroyed = place.run("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    assert (destroyed.code, f"flowplan {take} takes it into this one" in said(destroyed.err)) == (0, True)
    place.ok(*take.split())
    assert "marker" not in place.run("destroy", "--auto-approve").err
    assert live_ids(place) == []


@pytest.mark.parametrize("moves", [False, True], ids=["", "moved since"])
def test_a_destroy_tells_of_what_a_lost_state_had_under_the_name_in_the_files(place: Place, moves: bool) -> None:
    """`big-` is no prefix of another environment: the file names the bid so."""
    place.write(stack(task("train", ", name: big-train"), volumes=DATA))
    place.ok(*APPLY)
    bid, volume, lineage = bid_id(place, "bid.train"), bid_id(place, "volume.data"), str(kept(place)["lineage"])
    for one in (*place.path.glob("flowplan.state*"), *place.path.glob(".flowplan/versions/*/*")):
        one.unlink()
    place.ok("import", "volume.data", volume)
    if moves:
        moved = "moved: [{from: task.train, to: task.teach}]\n"
        place.write(stack(task("teach", ", name: big-train"), volumes=DATA) + moved)
    told = said(place.run("destroy", "--auto-approve", "--allow-volume-destroy", "*").err)
    assert f"flowplan import bid.train {bid} --lineage {lineage} takes it into this one" in told


def test_a_name_that_another_stack_has_is_taken_over_once_that_is_given_up(place: Place) -> None:
    """Its state is not rebuilt here: the next apply would destroy the rest of that stack."""
    place.write(stack(task("train", ATTACHED), volumes=DATA))
    place.ok(*APPLY)
    bid, volume, lineage = bid_id(place, "bid.train"), bid_id(place, "volume.data"), str(kept(place)["lineage"])
    place.edit("name: llm", "name: ours")
    refused = place.run("--state", "ours.json", "plan")
    told = said(refused.err)
    assert (refused.code, "--from-live" in told, "name_prefix" in told) == (65, False, False), told
    for take in (
        f"import --state ours.json {what} --lineage {lineage}" for what in (f"volume.data {volume}", f"bid.train {bid}")
    ):
        assert f"if that stack is given up: flowplan {take}" in told
        place.ok(*take.split())
    assert place.run("--state", "ours.json", "plan", "--detailed-exitcode").code == 0


def test_attach_among_the_volumes_is_one_problem_that_says_where_it_belongs(place: Place) -> None:
    place.write(stack(task("train", ATTACHED), volumes="  data: {attach: {volume_name: data}}\n"))
    result = place.run("validate")
    assert (result.code, "has no size" in result.err, result.err.count("error:")) == (65, False, 1)
    assert "write persistent_storage: {attach: {volume_name: NAME}} in the task" in said(result.err)


def test_a_task_that_leaves_its_volume_is_told_where_the_region_comes_from(place: Place) -> None:
    where = "  data: {size: 5}\n"
    place.write(stack(task("train", ATTACHED), volumes=where))
    place.ok(*APPLY)
    place.edit("us-central1-b", "eu-central1-a")
    refused = place.run("plan")
    assert refused.code == 65
    hint = said(refused.err)
    assert "the volume is there already, and data stays in its region: leave the task in us-central1-b" in hint
    assert "or write region_id: eu-central1-a at the volume, which replaces the volume: its data is lost" in hint
    place.edit("size: 5", "size: 5, region_id: eu-central1-a")
    guarded = place.run("plan")
    assert (guarded.code, "destroys the data on volume data" in said(guarded.err)) == (3, True)
    place.edit("region_id: eu-central1-a", "region_id: us-central1-b")
    assert "which replaces the volume" not in said(
        place.run("plan").err
    )  # the file says it: there is nothing to explain


def test_a_directory_with_only_a_state_is_not_called_empty(place: Place) -> None:
    place.write(stack(task("own")), "own.yaml")
    place.ok("apply", "own.yaml", "--auto-approve")
    id = somebodys(place, "web")
    place.ok("state", "rm", "bid.own")
    (place.path / "own.yaml").unlink()
    place.ok("import", "task.web", id)
    missing = place.run("plan")
    assert (missing.code, "this directory is empty" in missing.err) == (64, False)
    assert "this directory has a state, and no task file" in said(missing.err)
    place.ok("import", "task.web", bid_id(place, "bid.web"), "--generate", "flowplan.yaml")
    assert place.run("plan", "--detailed-exitcode").code == 0

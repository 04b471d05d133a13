"""Volumes that move: from bid to bid, out of a stack, or away."""

from __future__ import annotations

import json
import re

import pytest

from tests.conftest import TASK, VOLUME, Place, bid_id, live_ids, many


def test_a_volume_that_moves_to_attach_is_forgotten_not_deleted(applied: Place) -> None:
    applied.write(
        re.sub(r"  create:\n", "  attach:\n", re.sub(r"    (storage_type|size|region_id|disk_inter\w+):.*\n", "", TASK))
    )
    out = applied.ok("apply", "--auto-approve")
    assert "1 forgotten" in out
    assert all(entry.method == "POST" for entry in applied.ledger())
    assert VOLUME not in applied.ok("state", "list")
    assert applied.run("plan", "--detailed-exitcode").code == 0
    applied.ok("destroy", "--auto-approve")
    assert "/v2/volumes" not in str(applied.ledger()[-1])


def test_a_volume_taken_off_a_bid_goes_after_the_bid_releases_it(place: Place) -> None:
    """Attached without a mount: the bid is updated in place (pause, volumes, go on), then the volume is deleted."""
    place.write(many(1))
    place.edit(", mount_point: /mnt/d", "")
    place.ok("apply", "--auto-approve")
    place.write(re.sub(r"persistent_storage.*\n", "", many(1)))
    out = place.ok("apply", "--auto-approve", "--allow-volume-destroy", "vol-000")
    assert "Apply complete: 0 added, 1 changed, 1 destroyed." in out
    assert [entry.method for entry in place.ledger()[2:]] == ["PATCH", "PATCH", "PATCH", "DELETE"]
    assert place.run("plan", "--detailed-exitcode").code == 0


def test_a_volume_that_another_files_task_needs_is_forgotten_all_the_same(place: Place) -> None:
    """The state stays one that reads, although a resource of a file not given still names the volume."""
    volume = "persistent_storage: {create: {volume_name: vol-000, size: 1, mount_point: /mnt/d, disk_interface: File}}"
    first = many(1).replace(
        "persistent_storage: {create: {volume_name: vol-000, size: 1, mount_point: /mnt/d}}", volume
    )
    attach = "persistent_storage: {attach: {volume_name: vol-000, mount_point: /mnt/d}}"
    place.write(first, "a.yaml")
    place.write(re.sub("persistent_storage.*", attach, many(1, first=1)), "b.yaml")
    place.ok("apply", "a.yaml", "b.yaml", "--auto-approve")
    place.write(first.replace(volume, attach), "a.yaml")
    assert "1 forgotten" in place.ok("apply", "a.yaml", "--auto-approve")
    assert "volume.vol-000" not in place.ok("state", "list")
    assert place.run("plan", "a.yaml", "b.yaml", "--detailed-exitcode").code == 0


def test_a_volume_still_used_is_refused_before_anything_is_done(place: Place) -> None:
    share = "create: {volume_name: vol-000, size: 1, mount_point: /mnt/d, disk_interface: File}"
    first = many(1).replace("create: {volume_name: vol-000, size: 1, mount_point: /mnt/d}", share)
    place.write(first, "a.yaml")
    place.write(
        re.sub("persistent_storage.*", "persistent_storage: {attach: {volume_name: vol-000}}", many(1, first=1)),
        "b.yaml",
    )
    place.ok("apply", "a.yaml", "b.yaml", "--auto-approve")
    ledger = place.ledger()
    result = place.run("destroy", "a.yaml", "--auto-approve", "--allow-volume-destroy", "*")
    assert result.code == 3
    assert "is used by task-001" in result.err
    assert place.ledger() == ledger


def test_somebody_elses_volume_of_the_name_of_ours_is_a_problem(applied: Place) -> None:
    applied.call("DELETE", f"/v2/spot/bids/{bid_id(applied)}")
    volume = applied.ok("state", "show", VOLUME).split("(")[1].split(")")[0]
    assert applied.call("DELETE", f"/v2/volumes/{volume}").status == 204
    project = json.loads(applied.call("GET", "/v2/projects").body)[0]["fid"]
    body = {
        "name": "my-new-volume",
        "project": project,
        "disk_interface": "Block",
        "region": "us-central1-b",
        "size_gb": 1,
    }
    assert applied.call("POST", "/v2/volumes", json.dumps(body).encode()).status == 201
    result = applied.run("apply", "--auto-approve")
    assert result.code == 65
    assert "no flowplan state here records it" in " ".join(result.err.split())


def test_a_block_volume_is_one_tasks(place: Place) -> None:
    attach = "persistent_storage: {attach: {volume_name: vol-000, mount_point: /mnt/d}}"
    place.write(many(1) + re.sub("persistent_storage.*", attach, many(1, first=1)))
    result = place.run("plan")
    assert result.code == 65
    assert "the Block volume vol-000 is already used by bid.task-000" in " ".join(result.err.split())


def test_a_block_volume_is_one_instance_s(place: Place) -> None:
    """Of an attached volume the cloud alone tells which kind it is."""
    place.write(many(1))
    place.ok("apply", "--auto-approve")
    attach = "persistent_storage: {attach: {volume_name: vol-000, mount_point: /mnt/d}}"
    two = re.sub("persistent_storage.*", attach, many(1)).replace("fcp_instance:", "num_instances: 2, fcp_instance:")
    place.write(two)
    result = place.run("plan")
    assert result.code == 65, result
    assert "vol-000 is a Block volume: only one instance can use it" in " ".join(result.err.split())


def test_a_block_volume_that_somebody_holds_is_refused_before_anything_is_done(place: Place) -> None:
    place.write(many(1), "a.yaml")
    place.ok("apply", "a.yaml", "--auto-approve")
    attach = "persistent_storage: {attach: {volume_name: vol-000, mount_point: /mnt/d}}"
    place.write(re.sub("persistent_storage.*", attach, many(1, first=1)), "b.yaml")
    before = place.ledger()
    result = place.run("apply", "b.yaml", "--auto-approve")
    assert result.code == 3
    assert "bid.task-001 needs the Block volume vol-000, which task-000" in " ".join(result.err.split())
    assert place.ledger() == before
    place.write(many(1).replace("create: {volume_name: vol-000, size: 1", "attach: {volume_name: vol-000"), "a.yaml")
    place.ok("apply", "a.yaml", "--auto-approve")  # its own bid holds it, which is no obstacle


def test_the_volume_of_a_bid_that_was_cancelled_outside_is_replaced(applied: Place) -> None:
    """What is gone uses its volume no more: the volume's removal need not wait for the bid's next generation."""
    id = bid_id(applied)
    with applied.simulator() as simulator:
        assert simulator.faults.third_party("DELETE", f"/v2/spot/bids/{id}").status == 204
    applied.edit("size: 1 ", "size: 2 ")
    applied.ok("apply", "--auto-approve", "--allow-volume-destroy", "*")
    assert applied.run("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize("parallelism", ["1", "10"])
def test_a_renamed_task_takes_its_block_volume_along(applied: Place, parallelism: str) -> None:
    """The new bid waits for the old one to go: a Block volume has one writer."""
    applied.edit("name: flow-sdk-batch-task-example", "name: a-new-name")
    applied.ok("apply", "--auto-approve", "--parallelism", parallelism)
    assert [entry.method for entry in applied.ledger()][2:] == ["DELETE", "POST"]


def sharing(*volumes: str) -> str:
    """Tasks 0, 1, ... with an attached volume each, or none (''); no mounts, so that bids are updated in place."""
    return "".join(
        re.sub(
            "persistent_storage.*\n",
            f"persistent_storage: {{attach: {{volume_name: {volume}}}}}\n" if volume else "",
            many(1, first=n),
        )
        for n, volume in enumerate(volumes)
    )


@pytest.fixture
def two_volumes(place: Place) -> Place:
    """Block volumes `one` and `two`, somebody else's."""
    project = json.loads(place.call("GET", "/v2/projects").body)[0]["fid"]
    for name in ("one", "two"):
        body = {
            "name": name,
            "project": project,
            "disk_interface": "Block",
            "region": "us-central1-b",
            "size_gb": 1,
        }
        assert place.call("POST", "/v2/volumes", json.dumps(body).encode()).status == 201
    return place


@pytest.mark.parametrize("parallelism", ["1", "10"])
@pytest.mark.parametrize(
    ("before", "after"),
    [(("one", ""), ("", "one")), (("", "one"), ("one", "")), (("one", "two", ""), ("", "one", "two"))],
)
def test_a_block_volume_goes_from_one_bid_to_another(
    two_volumes: Place, before: tuple[str, ...], after: tuple[str, ...], parallelism: str
) -> None:
    """Whoever takes it waits until the other, which stays, has released it."""
    two_volumes.write(sharing(*before))
    two_volumes.ok("apply", "--auto-approve")
    two_volumes.write(sharing(*after))
    out = two_volumes.ok("apply", "--auto-approve", "--parallelism", parallelism)
    assert f"{sum(old != new for old, new in zip(before, after, strict=True))} changed" in out
    assert two_volumes.run("plan", "--detailed-exitcode").code == 0


def test_two_bids_do_not_exchange_their_block_volumes(two_volumes: Place) -> None:
    two_volumes.write(sharing("one", "two"))
    two_volumes.ok("apply", "--auto-approve")
    ledger = two_volumes.ledger()
    two_volumes.write(sharing("two", "one"))
    result = two_volumes.run("apply", "--auto-approve")
    assert result.code == 3
    assert "bid.task-000, bid.task-001 exchange Block volumes" in " ".join(result.err.split())
    assert two_volumes.ledger() == ledger
    two_volumes.write(sharing("one", ""))  # as the hint says, in two steps
    two_volumes.ok("apply", "--auto-approve")
    two_volumes.write(sharing("two", "one"))
    two_volumes.ok("apply", "--auto-approve")


def test_a_bid_that_takes_over_a_volume_stays_while_the_other_has_not_released_it(two_volumes: Place) -> None:
    """Its mounts make it a new bid. Should the other's update fail, it must not have been cancelled for nothing."""
    two_volumes.write(sharing("one", ""))
    two_volumes.ok("apply", "--auto-approve")
    ids, giver = live_ids(two_volumes), bid_id(two_volumes, "bid.task-000")
    two_volumes.write(sharing("", "one").replace("volume_name: one", "volume_name: one, mount_point: /mnt/d"))
    with two_volumes.simulator() as simulator:
        simulator.faults.add("PATCH *", "status", status=403)
    result = two_volumes.run("apply", "--auto-approve")
    assert result.code == 1
    assert live_ids(two_volumes) == ids, result
    two_volumes.ok("apply", "--auto-approve")
    assert set(ids).intersection(live_ids(two_volumes)) == {giver}

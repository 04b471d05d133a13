"""Several files in one directory: one stack each, and volumes among them."""

from __future__ import annotations

import re

from tests.conftest import BID, TASK, Place, many


def test_destroy_knows_the_addresses_of_a_renamed_file(applied: Place) -> None:
    (applied.path / "flowplan.yaml").rename(applied.path / "only.yaml")
    out = applied.ok("destroy", "only.yaml", "--auto-approve", "--allow-volume-destroy", "*")
    assert "3 destroyed" in out


def test_files_given_one_after_the_other_leave_each_other_alone(place: Place) -> None:
    place.write(many(2), "a.yaml")
    place.write(many(1, first=7), "b.yaml")
    place.ok("apply", "a.yaml", "--auto-approve")
    out = place.ok("apply", "b.yaml", "--auto-approve")
    left = out[out.index("Left alone by this plan, and still paid for:") :].partition("\n\n")[0]
    assert left.count("a.yaml was not given") == 4  # two bids and their volumes
    assert place.run("plan", "--detailed-exitcode", "a.yaml", "b.yaml").code == 0
    assert place.run("plan", "--detailed-exitcode", ".").code == 0
    out = place.ok("destroy", "b.yaml", "--auto-approve", "--allow-volume-destroy", "*")
    assert "3 destroyed" in out
    assert len(place.ok("state", "list").splitlines()) == 6


def test_a_file_removed_from_a_directory_is_a_removal(place: Place) -> None:
    stack = place.path / "stack"
    stack.mkdir()
    place.write(many(1), "stack/a.yaml")
    place.write(many(1, first=1), "stack/b.yaml")
    place.ok("apply", "stack", "--auto-approve")
    (stack / "b.yaml").unlink()
    out = place.ok("plan", "stack", "--allow-volume-destroy", "vol-001")
    assert "Plan: 0 to add, 0 to change, 3 to destroy." in out


def test_an_attached_volume_of_the_same_stack_comes_first(place: Place) -> None:
    place.write(
        many(1)
        + many(1, first=1).replace(
            "create: {volume_name: vol-001, size: 1, mount_point: /mnt/d}",
            "attach: {volume_name: vol-000, mount_point: /mnt/d}",
        )
    )
    place.edit("size: 1,", "size: 1, disk_interface: File,")
    place.ok("apply", "--auto-approve")
    assert [entry.path for entry in place.ledger()] == ["/v2/volumes", "/v2/spot/bids", "/v2/spot/bids"]
    assert '"volume.vol-000" -> "bid.task-001"' in place.ok("graph")


def test_one_file_however_it_is_named(applied: Place) -> None:
    applied.edit("name: flow-sdk-batch-task-example", "name: another")
    out = applied.run("plan", str(applied.path / "flowplan.yaml")).out
    assert f"{BID} will be destroyed" in out


def test_a_directory_with_any_name_can_be_a_stack(place: Place) -> None:
    here = place.path / "größe und 名前"
    here.mkdir()
    (here / "flowplan.yaml").write_text(TASK)
    place.ok("--chdir", str(here), "apply", "--auto-approve")


def test_a_near_name_of_a_volume_of_the_same_files(place: Place) -> None:
    attach = "persistent_storage: {attach: {volume_name: vol-00, mount_point: /mnt/d}}"
    place.write(many(1) + re.sub("persistent_storage.*", attach, many(1, first=1)))
    assert "did you mean vol-000?" in place.run("plan").err

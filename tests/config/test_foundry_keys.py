"""Keys that Foundry's own model of a task file has, and what flowplan makes of them."""

from __future__ import annotations

import pytest

from flowplan.config import VolumeUse
from tests.config.task_texts import TYPE, line, problem_of, problems_of, read_texts, task_of
from tests.conftest import Place

HERE = "resources_specification: {fcp_instance: 8xh100, cluster_id: us-central1-b}\n"


def attach(more: str, where: str = HERE) -> str:
    return f"persistent_storage: {{attach: {{volume_name: data, mount_point: /mnt/d{more}}}}}\n{where}"


@pytest.mark.parametrize("where", [HERE, TYPE])
def test_an_attached_volume_may_say_its_region(where: str) -> None:
    (use,) = task_of(attach(", region_id: us-central1-b", where)).volumes
    assert isinstance(use, VolumeUse)
    assert (use.volume, use.region) == ("data", "us-central1-b")


def test_another_region_than_the_tasks_is_a_problem_at_its_place() -> None:
    problem = problem_of(attach(", region_id: eu-central1-a"))
    assert line(problem) == (
        "a.yaml:1:82: [conflict] region_id is eu-central1-a, but the task runs in us-central1-b; "
        "a volume and its instances must be in the same region: leave out region_id"
    )
    assert [what for what, _ in problem.also] == ["the task's region"]


@pytest.mark.parametrize("value", ["''", "7", "[a]", "US", "us central"])
def test_a_region_of_an_attached_volume_is_read_as_strictly_as_any(value: str) -> None:
    (problem,) = problems_of(attach(f", region_id: {value}", TYPE))
    assert problem.code in ("value", "type", "empty")


@pytest.mark.parametrize("key", ["region", "cluster_id"])
def test_the_other_names_of_a_region_are_told_theirs(key: str) -> None:
    assert problem_of(attach(f", {key}: us-central1-b", TYPE)).hint == "write region_id"


def test_a_volume_that_is_elsewhere_than_its_region_says_is_a_problem(place: Place) -> None:
    make = "persistent_storage: {create: {volume_name: data, size: 1, disk_interface: File, mount_point: /mnt/d}}\n"
    names = "name: job\nproject_name: my-foundry-project\nssh_key_name: my-ssh-key\n"
    place.write(names + HERE + make)
    place.ok("apply", "--auto-approve")
    other = names.replace("job", "other")
    place.write(other + attach(", region_id: us-central1-b", TYPE), "other.yaml")
    assert "us-central1-b" in place.ok("plan", "other.yaml")
    place.write(other + attach(", region_id: us-central1-a", TYPE), "other.yaml")
    refused = place.run("plan", "other.yaml")
    assert refused.code == 65, refused
    assert "region_id of volume data in us-central1-a" in refused.err


@pytest.mark.parametrize("mounts", ["", ", mounts: {/dev/nvme0n1: /mnt/x}"])
def test_the_type_of_ephemeral_storage_is_warned_of_and_has_no_effect(mounts: str) -> None:
    config = read_texts(f"ephemeral_storage_config: {{type: copy{mounts}}}\n{TYPE}")
    (task,) = config.tasks.values()
    assert len(task.local_disks) == (1 if mounts else 0)
    assert [line(warning) for warning in config.warnings] == [
        "a.yaml:1:28: [ignored] ephemeral_storage_config.type has no effect: a disk is mounted as it is; delete it"
    ]


def test_ephemeral_storage_with_nothing_in_it_is_still_a_problem() -> None:
    assert problem_of(f"ephemeral_storage_config: {{}}\n{TYPE}").code == "missing"
    assert problem_of(f"ephemeral_storage_config: {{type: [copy]}}\n{TYPE}").code == "type"

"""The volumes and local disks of a task, and volumes that tasks share."""

from __future__ import annotations

import pytest

from flowplan.config import VolumeUse, VolumeWanted
from flowplan.model.address import Address
from flowplan.model.resources import LocalDisk
from tests.config.task_texts import TYPE, read_texts, storage, task_of


def test_a_volume_by_defaults() -> None:
    config = read_texts(storage("create: {volume_name: data, size: 100}"))
    (volume,) = config.volumes.values()
    address = Address("volume", "data")
    assert volume == VolumeWanted(address, "data", 100, "Block", None, None, volume.source)
    assert config.tasks[Address("bid", "a")].volumes == (VolumeUse(address, None, volume.source),)


@pytest.mark.parametrize(
    ("text", "size"),
    [("size: 1", 1), ("size: 32768", 32768), ("size: 2, size_unit: tb", 2048), ("size: 5, size_unit: GB", 5)],
)
def test_sizes(text: str, size: int) -> None:
    (volume,) = read_texts(storage(f"create: {{volume_name: data, {text}}}")).volumes.values()
    assert volume.size_gb == size


@pytest.mark.parametrize(
    ("text", "interface"),
    [
        ("storage_type: block", "Block"),
        ("storage_type: nfs", "File"),
        ("disk_interface: Block", "Block"),
        ("disk_interface: File", "File"),
        ("storage_type: nfs, disk_interface: File", "File"),
    ],
)
def test_interfaces(text: str, interface: str) -> None:
    (volume,) = read_texts(storage(f"create: {{volume_name: data, size: 1, {text}}}")).volumes.values()
    assert volume.interface == interface


def test_a_volume_is_where_its_task_is() -> None:
    placed = "resources_specification: {fcp_instance: 8xh100, cluster_id: us-central1-b}\n"
    (volume,) = read_texts(storage("create: {volume_name: data, size: 1}", placed)).volumes.values()
    assert volume.region == "us-central1-b"
    (volume,) = read_texts(storage("create: {volume_name: data, size: 1, region_id: eu-central1-a}")).volumes.values()
    assert volume.region == "eu-central1-a"


@pytest.mark.parametrize(
    "text",
    [
        "create: {volume_name: data, size: 1, mount_point: /mnt/data}",
        "create: {volume_name: data, size: 1, mount_point: /mnt/data/}",
        "create: {volume_name: data, size: 1, mount_dir: /mnt/data}",
        "create: {volume_name: data, size: 1, mount_dir: /mnt/data, mount_point: /mnt/data}",
        "create: {volume_name: data, size: 1}, mount_dir: /mnt/data",
        "create: [{volume_name: data, size: 1}], mount_dir: /mnt/data",
        "attach: {volume_name: vol_Ab12}, mount_dir: /mnt/data",
        "attach: [{volume_name: data, mount_point: /mnt/data}]",
    ],
)
def test_spellings_of_a_mount_point(text: str) -> None:
    (use,) = task_of(storage(text)).volumes
    assert use.mount_point == "/mnt/data"


def test_created_volumes_come_before_attached_ones() -> None:
    attach = "attach: [{volume_name: c}, {volume_name: vol_Ab12}]"
    create = "create: [{volume_name: b, size: 1}, {volume_name: a, size: 1}]"
    uses = task_of(storage(f"{attach}, {create}")).volumes
    assert [str(use.volume) for use in uses] == ["volume.b", "volume.a", "c", "vol_Ab12"]


def test_attaching_what_another_task_creates_is_a_reference_in_any_order_of_files() -> None:
    creates = "name: one\n" + storage("create: {volume_name: data, size: 1, storage_type: nfs}")
    attaches = "name: two\n" + storage("attach: {volume_name: data, mount_point: /mnt/data}")
    for texts in ((creates, attaches), (attaches, creates)):
        config = read_texts(*texts)
        (use,) = config.tasks[Address("bid", "two")].volumes
        assert use.volume == Address("volume", "data")


@pytest.mark.parametrize(
    "mounts",
    [
        "{/dev/nvme1n1: /mnt/b, /dev/nvme0n1: /mnt/a}",
        "[{device: /dev/nvme1n1, mount_point: /mnt/b}, {device: /dev/nvme0n1, mount_point: /mnt/a}]",
    ],
)
def test_local_disks(mounts: str) -> None:
    task = task_of(f"ephemeral_storage_config: {{mounts: {mounts}}}\n{TYPE}")
    assert task.local_disks == (LocalDisk("/dev/nvme0n1", "/mnt/a"), LocalDisk("/dev/nvme1n1", "/mnt/b"))

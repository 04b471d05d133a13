"""Task files -> Config: Foundry's examples, the digest of what is asked for, and where in the files it stands."""

from __future__ import annotations

from decimal import Decimal

import pytest

from flowplan.config import Config, GpuWanted, LimitPrice, Source, VolumeWanted, read
from flowplan.diagnostics import Position
from flowplan.model.address import Address
from tests.config.task_texts import TYPE, line, read_texts, storage
from tests.conftest import EXAMPLES


def example(name: str) -> Config:
    def no_file(source: str, path: str) -> bytes:
        raise AssertionError

    return read([Source("flowplan.yaml", (EXAMPLES / name / "flowplan.yaml").read_bytes())], no_file)


# ---- Foundry's example ------------------------------------------------------------------------------------


def test_the_example_of_foundry() -> None:
    config = example("task")
    address = Address("bid", "flow-sdk-batch-task-example")
    volume = Address("volume", "my-new-volume")
    (task,), (created,) = config.tasks.values(), config.volumes.values()
    assert list(config.tasks) == [address]
    assert config.warnings == ()
    assert (task.address, task.name, task.project) == (address, address.name, "my-foundry-project")
    assert task.ssh_keys == ("my-ssh-key",)
    assert (task.priority, task.limit_price) == ("low", LimitPrice(Decimal("17.92"), "instance"))
    assert (task.instance_types, task.gpu) == (("h100.8x.SXM5.IB",), GpuWanted(gpus=8))
    assert (task.instance_quantity, task.region, task.paused) == (1, "us-central1-b", False)
    assert [str(pair) for pair in task.ports] == [
        "6006", "6007", "6008", "6009", "6010", "8080", "8441:8001", "8442:8002", "8443:8003", "8444:8004", "8445:8005",
    ]  # fmt: skip
    assert [(use.volume, use.mount_point) for use in task.volumes] == [(volume, "/mnt/my-new-volume")]
    expected = VolumeWanted(volume, volume.name, 1, "Block", "us-central1-b", "/mnt/my-new-volume", created.source)
    assert created == expected
    assert task.startup_script is not None
    assert task.startup_script.text == '#!/bin/bash\necho "Running on $(hostname)"\nnvidia-smi\n'


def test_the_smallest_task() -> None:
    (task,) = example("minimal").tasks.values()
    assert (task.name, task.project, task.ssh_keys, task.region) == ("hello", None, (), None)
    assert (task.priority, task.limit_price) == ("standard", LimitPrice(Decimal("4.24"), "gpu"))
    assert (task.ports, task.volumes, task.local_disks, task.container_image) == ((), (), (), None)


def test_an_attached_volume() -> None:
    config = example("attach")
    (task,) = config.tasks.values()
    assert config.volumes == {}
    assert [(use.volume, use.mount_point) for use in task.volumes] == [("datasets", "/mnt/datasets")]


# ---- the digest -------------------------------------------------------------------------------------------


def test_the_digest_is_that_of_what_is_asked_for() -> None:
    one = f"name: x\nports: [80, 443]\nstartup_script: a\ntask_management: {{utility_threshold_price: 8.5}}\n{TYPE}"
    same = (
        f"{TYPE}# comment\ntask_management: {{utility_threshold_price: '8.50'}}\n"
        "startup_script_file: f\nports: [443, 80]\nname: x\nversion: 1.1\n"
    )
    assert read_texts(one).sha256 == read_texts(same, files={"f": b"a"}).sha256
    for old, new in (("80,", "81:80,"), ("8.5", "8.51"), ("name: x", "name: y"), ("script: a", "script: b")):
        other = one.replace(old, new).replace("[81:80", "['8080:80'")
        assert read_texts(one).sha256 != read_texts(other).sha256


def test_the_digest_knows_no_order_of_files() -> None:
    one, two = f"name: one\n{TYPE}", f"name: two\n{TYPE}"
    assert read_texts(one, two).sha256 == read_texts(two, one).sha256 == read_texts(f"{two}---\n{one}").sha256


@pytest.mark.parametrize("change", ["size: 2", "storage_type: nfs", "mount_point: /mnt/b"])
def test_the_digest_covers_volumes(change: str) -> None:
    text = storage("create: {volume_name: a, size: 1, storage_type: block, mount_point: /mnt/a}")
    key = change.split(":")[0]
    old = next(part for part in ("size: 1", "storage_type: block", "mount_point: /mnt/a") if part.startswith(key))
    assert read_texts(text).sha256 != read_texts(text.replace(old, change)).sha256


# ---- places, asked for later ------------------------------------------------------------------------------


def test_positions_of_fields() -> None:
    config = example("task")
    (address,), (volume,) = config.tasks, config.volumes
    rows = (EXAMPLES / "task" / "flowplan.yaml").read_text().splitlines()
    expected = {
        "": "flow-sdk-batch-task-example",
        "name": "flow-sdk-batch-task-example",
        "project": "my-foundry-project",
        "ssh_keys": "my-ssh-key",
        "limit_price": "17.92",
        "priority": "low",
        "instance_type": "h100.8x.SXM5.IB",
        "instance_quantity": "1",
        "gpus": "8",
        "region": "us-central1-b",
        "ports": "ports:",
        "volumes": "persistent_storage:",
        "mounts": "persistent_storage:",
        "startup_script": "|",
        "paused": "flow-sdk-batch-task-example",
        "nonsense": "flow-sdk-batch-task-example",
    }
    for name, token in expected.items():
        place = config.position_of(address, name)
        assert rows[place.line - 1][place.column - 1 :].startswith(token), name
    expected = {"": "my-new-volume", "size_gb": "1", "interface": "Block", "region": "us-", "mount_point": "/mnt/"}
    for name, token in expected.items():
        place = config.position_of(volume, name)
        assert rows[place.line - 1][place.column - 1 :].startswith(token), name
    assert config.position_of(Address("ports", address.name)) == config.position_of(address, "ports")


def test_positions_in_the_right_document_and_file() -> None:
    text = f"{TYPE}name: one\n---\n{TYPE}name: two\n" + storage(
        "create: [{volume_name: a, size: 1}, {volume_name: b, size: 2}]", ""
    )
    config = read_texts(text, f"{TYPE}name: three\n")
    assert str(config.position_of(Address("bid", "two"), "instance_type")) == "a.yaml:4:41"
    assert str(config.position_of(Address("bid", "three"), "instance_type")) == "b.yaml:1:41"
    assert str(config.position_of(Address("volume", "b"), "size_gb")) == "a.yaml:6:81"


def test_later_stages_make_problems_with_their_place() -> None:
    config = read_texts(f"name: x\ntask_management: {{priority: low}}\n{TYPE}")
    problem = config.problem(Address("bid", "x"), "limit_price", "too low", "raise it", code="limit-too-low")
    assert line(problem) == "a.yaml:2:29: [limit-too-low] too low; raise it"
    assert problem.source == "task_management: {priority: low}"
    assert config.source_line(Position("other.yaml", 1, 1)) is None
    assert config.source_line(Position("a.yaml", 99, 1)) is None

"""What a colleague does while a run goes on, and the files of both."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Place, made_once


def colleague_places(place: Place, name: str, *volumes: str, like: dict[str, Any] | None = None) -> str:
    """A colleague's bid in our project, with these volumes, `like` another or our first; its id."""
    ours = like or json.loads(place.call("GET", "/v2/spot/bids").body)["data"][0]
    copy = {key: ours[key] for key in ("project", "region", "instance_type", "limit_price", "instance_quantity")}
    launch = {"volumes": list(volumes), "ssh_keys": ours["launch_specification"]["ssh_keys"]}
    body = {**copy, "name": name, "launch_specification": launch}
    answer = place.call("POST", "/v2/spot/bids", json.dumps(body).encode())
    assert answer.status == 201, answer.body
    return str(json.loads(answer.body)["fid"])


def volume_id(place: Place, address: str = "volume.shared") -> str:
    return place.ok("state", "show", address).split("(")[1].split(")")[0]


FILE = (
    "name: train\nproject_name: my-foundry-project\nssh_key_name: my-ssh-key\n"
    "task_management: {utility_threshold_price: 17.92}\n"
    "resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}\n"
    "persistent_storage: {create: {volume_name: shared, size: 1, mount_point: /mnt/d, disk_interface: File}}\n"
)


@pytest.fixture
@made_once
def shared(place: Place) -> Place:
    """A bid with a File volume, which several bids can use, applied."""
    place.write(FILE)
    place.ok("apply", "--auto-approve")
    return place


def deletes(place: Place) -> list[str]:
    """The volumes whose deletion was asked for."""
    with place.simulator() as simulator:
        asked = simulator.ledger(everything=True)
    return [one.path for one in asked if one.method == "DELETE" and one.path.startswith("/v2/volumes/")]


HEAD = """version: 2
defaults:
  project_name: my-foundry-project
  ssh_key_name: my-ssh-key
  resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}
  task_management: {utility_threshold_price: 17.92}
"""
STACK = f"{HEAD}volumes:\n  data: {{size: 1, disk_interface: File}}\ntasks:\n  a: {{}}\n  b: {{}}\n"

"""Stacks whose files say what becomes of addresses and live objects."""

from __future__ import annotations

import json
from typing import Any

from tests.conftest import Place

TYPE = "resources_specification: {fcp_instance: 8xh100, cluster_id: us-central1-b}"
PRICE = "task_management: {utility_threshold_price: 17.92}"
HEAD = "version: 2\nname: llm\nproject_name: my-foundry-project\nssh_key_name: my-ssh-key\n"


def task(name: str, more: str = "") -> str:
    return f"  {name}: {{{TYPE}, {PRICE}{more}}}\n"


def stack(*tasks: str, volumes: str = "", more: str = "") -> str:
    made = f"volumes:\n{volumes}" if volumes else ""
    return HEAD + made + (f"tasks:\n{''.join(tasks)}" if tasks else "") + more


ATTACHED = ", persistent_storage: {attach: {volume: data, mount_point: /mnt/d}}, ports: [8080]"
DATA = "  data: {size: 5, region_id: us-central1-b}\n"


def kept(place: Place) -> dict[str, Any]:
    return dict(json.loads((place.path / "flowplan.state.json").read_text()))


def planned(place: Place) -> dict[str, Any]:
    return dict(json.loads(place.run("plan", "--format", "json").out))


def somebodys(place: Place, name: str, *, script: str = "echo theirs", **other: Any) -> str:
    """A bid like the first one of the project, but of nobody's stack."""
    first = json.loads(place.call("GET", "/v2/spot/bids").body)["data"][0]
    body = {key: first[key] for key in ("project", "region", "instance_type", "limit_price", "instance_quantity")}
    launch = {**first["launch_specification"], "volumes": [], "startup_script": script}
    made = place.call(
        "POST", "/v2/spot/bids", json.dumps({**body, "name": name, "launch_specification": launch, **other}).encode()
    )
    assert made.status == 201, made
    return str(json.loads(made.body)["fid"])

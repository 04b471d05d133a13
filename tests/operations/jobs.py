"""Stacks of tasks that end, or wait for each other."""

from __future__ import annotations

import json
from collections import Counter

from tests.conftest import APPLY, Place, bid_id
from tests.texts import storage, task_text

STACK = """\
version: 2
name: llm
defaults:
  resources_specification: {cluster_id: us-central1-b}
  task_management: {utility_threshold_price: 17.92}
tasks:
  preprocess:
    resources_specification: {fcp_instance: a100.1x.SXM4.IB}
  train:
    depends_on: [{task: preprocess, until: terminated}]
    resources_specification: {fcp_instance: h100.8x.SXM5.IB}
    ports: [6006]
  other:
    resources_specification: {fcp_instance: a100.8x.SXM4.IB}
"""
HEAD = """\
version: 2
name: llm
defaults:
  resources_specification: {fcp_instance: a100.1x.SXM4.IB, cluster_id: us-central1-b}
  task_management: {utility_threshold_price: 3.00}
tasks:
"""
AT_ONCE = (*APPLY, "--timeout", "0s")  # whoever would have to wait fails


def created(place: Place) -> Counter[str]:
    """The names of the bids that were placed, in that order, each with how often."""
    rows = json.loads(place.call("GET", "/v2/spot/bids?limit=100").body)["data"]
    names = {row["fid"]: row["name"] for row in rows}
    made = (one.subject for one in place.ledger() if one.method == "POST")
    return Counter(names[id] for id in made if id in names)


def end(place: Place, address: str) -> None:
    """Somebody cancels the bid, or its job does."""
    place.call("DELETE", f"/v2/spot/bids/{bid_id(place, address)}")


def entries(place: Place, *options: str) -> dict[str, dict[str, object]]:
    body = json.loads(place.ok("plan", "--format", "json", *options))
    return {one["address"]: one for one in body["resource_changes"]}


ENDS = (
    HEAD
    + """\
  train:
    lifetime: {max_hours: 12}
    ports: [6006]
  other: {}
"""
)


def train(hours: int = 2, more: str = "") -> str:
    return task_text(more=f"lifetime: {{max_hours: {hours}}}\nports: [6006]\n{storage('data')}{more}")


def live(place: Place) -> list[str]:
    """The names of the bids that are live."""
    rows = json.loads(place.call("GET", "/v2/spot/bids?limit=100").body)["data"]
    return sorted(row["name"] for row in rows if row["status"] != "Terminated")

"""Bids that are replaced by a trigger, and an API that does not end them."""

from __future__ import annotations

from tests.conftest import APPLY, Place, bid_id

TRIGGERED = """\
version: 2
defaults:
  resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}
  task_management: {utility_threshold_price: 17.92}
tasks:
  pre: {ports: [80]}
  train:
    lifecycle: {replace_triggered_by: [task.pre]}
"""


def refusing_to_end(place: Place, address: str) -> None:
    """An apply that fails, because this bid (`*`: every one) cannot be cancelled."""
    id = address if address == "*" else bid_id(place, address)
    place.edit("80", "443")
    with place.simulator() as simulator:
        simulator.faults.add(f"DELETE /v2/spot/bids/{id}", "status", status=403, times=None)
    assert place.run(*APPLY).code == 1
    with place.simulator() as simulator:
        simulator.faults.clear()

"""Auctions whose price has gone up."""

from __future__ import annotations

import json

from tests.conftest import Place


def surge(place: Place, limit: str = "$17.00", each: int = 9) -> None:
    """Rivals take all but one of the 64 instances in us-central1-b, and one more of them loses: it sets the price.
    With 8 `each` they take them all."""
    with place.simulator() as simulator:
        project = json.loads(simulator.faults.third_party("GET", "/v2/projects").body)[0]["fid"]
        keys = json.loads(simulator.faults.third_party("GET", f"/v2/ssh-keys?project={project}").body)
        (auction,) = simulator.market("h100-80gb.sxm.8x", "us-central1-b")
        for number in range(8):
            body = {
                "project": project,
                "region": auction.region,
                "instance_type": auction.instance_type,
                "limit_price": limit,
                "instance_quantity": each,
                "name": f"rival-{number}",
                "launch_specification": {"volumes": [], "ssh_keys": [keys[0]["fid"]]},
            }
            assert simulator.faults.third_party("POST", "/v2/spot/bids", body).status == 201

"""What FCP has and the simulator does not sell: reservations, clusters and CPU machines; and bills that nobody has to
pay. Clients ask about them anyway.

Instances of spot bids refuse what only reserved ones can do (501).
"""

from __future__ import annotations

import hashlib
from typing import Any

from flowplan.simulator.api.messages import Call, Refusal, Response, reply
from flowplan.simulator.api.paging import paging_fields
from flowplan.simulator.api.projects import own_ids, project_of_query, require_project
from flowplan.simulator.api.validation import Field, choice, list_of, nullable, read_body, read_query, text
from flowplan.simulator.auctions import catalogue

_RESERVATIONS = {
    **paging_fields("created_at", "status", "start_time", "end_time"),
    "project": Field(text()),
    "status": Field(choice("Pending", "Active", "Paused", "Canceled", "Ended"), None),
    "region": Field(nullable(text()), None),
    "instance_type": Field(nullable(text()), None),
}
_PATCH = {"instances": Field(list_of(text())), "status": Field(choice("STATUS_RUNNING", "STATUS_PAUSED"))}


def list_reservations(call: Call) -> Response:
    """GET /v2/reservation."""
    require_project(call, read_query(call.request.query, _RESERVATIONS)["project"])
    return reply(200, {"data": [], "next_cursor": None})


def list_clusters(call: Call) -> Response:
    """GET /v2/kubernetes/clusters."""
    project_of_query(call)
    return reply(200, [])


def check_billing(call: Call) -> Response:
    """Billing is always in order: nothing is charged. The user's own only."""
    if call.params["user_fid"] not in own_ids(call):
        raise Refusal(404, "User not found")
    return reply(200, {"code": "ok", "message": None})


def list_cpu_instance_types(call: Call) -> Response:
    """GET /v2/cpu/instance-types."""
    return reply(200, [])


def change_instances(call: Call) -> Response:
    """PATCH /v2/instances."""
    for id in read_body(call.request, _PATCH)["instances"]:
        _refuse_spot(call, id)
    return reply(200, {"instances": {}})


def restart(call: Call) -> Response:
    """POST /v2/instances/{instance_fid}/restart."""
    return _refuse_spot(call, call.params["instance_fid"])


def refresh_boot_disk(call: Call) -> Response:
    """POST /v2/instances/{instance_fid}/refresh-boot-disk."""
    if call.request.body.strip() not in (b"", b"null"):
        read_body(call.request, {"image_version": Field(nullable(text()), None)})
    return _refuse_spot(call, call.params["instance_fid"])


def _refuse_spot(call: Call, id: str) -> Response:
    if not call.db.execute("SELECT 1 FROM instances WHERE fid = ?", (id,)).fetchone():
        raise Refusal(404, "Instance not found")
    raise Refusal(501, "Not implemented for spot instances")


def list_regions(call: Call) -> Response:
    """Where volumes of which kind can be."""
    return reply(200, [_region(name) for name in catalogue.REGIONS])


def list_cpu_regions(call: Call) -> Response:
    """GET /v2/cpu/regions."""
    limits = {"max_volume_size_tb": catalogue.LARGEST_VOLUME_GB // 1024, "max_volume_name_length": 64}
    return reply(200, [_region(name) | limits for name in catalogue.REGIONS])


def _region(name: str) -> dict[str, Any]:
    digits = hashlib.sha256(name.encode()).hexdigest()
    return {
        "id": f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}",
        "name": name,
        "block_storage_enabled": True,
        "fileshare_storage_enabled": True,
        "k8s_enabled": False,
    }

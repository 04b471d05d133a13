"""The calls that change something, each sent as it was announced: `before` is called before each attempt, and may raise
what forbids it. A create is one POST; what is raised says whether it may have happened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flowplan.cloud import rows as reading
from flowplan.cloud.asking import Asking
from flowplan.cloud.http.request import segment
from flowplan.errors import Ambiguous
from flowplan.model import bounds
from flowplan.model.live import Made
from flowplan.model.resources import Bid, Volume

_COLLECTIONS = {"volume": "/v2/volumes", "bid": "/v2/spot/bids"}


class Changing(Asking):
    """Creates, updates and removals, and the bodies of their requests."""

    def volume_request(self, volume: Volume) -> dict[str, Any]:
        """CreateVolumeRequest."""
        return {
            "name": volume.name,
            "project": self.project,
            "disk_interface": volume.interface,
            "region": volume.region,
            "size_gb": volume.size_gb,
        }

    def bid_request(self, bid: Bid, script: str | None) -> dict[str, Any]:
        """CreateBidRequest. Every volume of `bid` must have an id."""
        return {
            "project": self.project,
            "region": bid.region,
            "instance_type": bid.instance_type,
            "limit_price": reading.dollars(bid.limit_price),
            "instance_quantity": bid.instance_quantity,
            "name": bid.name,
            "launch_specification": {
                "volumes": [str(volume) for volume in bid.volumes],
                "ssh_keys": list(bid.ssh_keys),
                "startup_script": script,
                "memory_gb": bid.memory_gb,
            },
        }

    def create(
        self, kind: str, request: Mapping[str, Any], *, key: str, before: Callable[[], None] = lambda: None
    ) -> Made:
        """Make a volume or place a bid; returns what the answer says. Raises NameTaken, Refused, Ambiguous, others. An
        id that no path could hold is none: what was made would never be found by it, and would run on."""
        path = _COLLECTIONS[kind]
        answer = self.http.call("POST", path, body=request, key=key, before=before)
        id = answer.data.get("fid") if isinstance(answer.data, dict) else None
        if not bounds.is_name(id):
            raise Ambiguous(f"POST {path} was accepted, but the answer has no valid id", status=answer.status)
        if kind == "bid":
            self.now_placed(str(id))
        return reading.made(kind, str(id), answer.data, self.names)

    def update_bid(self, id: str, *, before: Callable[[], None] = lambda: None, **fields: Any) -> Made:
        """PATCH with absolute values: `limit_price` (Decimal), `paused`, `volumes` (ids), `memory_gb`. Returns what the
        answer tells, which is nothing when it is not about this bid."""
        if "limit_price" in fields:
            fields["limit_price"] = reading.dollars(fields["limit_price"])
        answer = self.http.call("PATCH", f"/v2/spot/bids/{segment(id)}", body=fields, before=before).data
        about_it = isinstance(answer, dict) and answer.get("fid") == id
        return reading.made("bid", id, answer, self.names) if about_it else Made(id)

    def cancel_bid(self, id: str, *, before: Callable[[], None] = lambda: None) -> bool:
        """Cancel; raises NotFound when it is gone already. False: a web page answered, and so not the API."""
        return not self.http.call("DELETE", f"/v2/spot/bids/{segment(id)}", before=before).is_page

    def rename_volume(self, id: str, name: str, *, before: Callable[[], None] = lambda: None) -> None:
        """Rename; raises NotFound when it is gone already."""
        self.http.call("PATCH", f"/v2/volumes/{segment(id)}", body={"name": name}, before=before)

    def delete_volume(self, id: str, *, before: Callable[[], None] = lambda: None) -> None:
        """Delete for good; raises NotFound when it is gone already, Refused while it is in use. That it is deleted, the
        answer does not prove: `deleted_volumes` does."""
        self.http.call("DELETE", f"/v2/volumes/{segment(id)}", before=before)

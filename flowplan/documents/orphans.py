"""What is live and in no state -> a document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowplan.documents.amounts import money
from flowplan.state.orphans import MarkedBid, Orphans

if TYPE_CHECKING:
    from flowplan.documents.shapes.orphans import OrphanBid, OrphansDocument


def document(found: Orphans) -> OrphansDocument:
    """Each bid with its address and stack as its marker names them."""
    return {
        "format_version": "1.0",
        "bids": [_bid(bid) for bid in found.ours],
        "released": [_bid(bid) for bid in found.released],
        "volumes": [{"id": one.id, "name": one.volume.name, "size_gb": one.volume.held_gb} for one in found.volumes],
        "other_stacks": [_elsewhere(bid, found.states.get(bid.marker.lineage)) for bid in found.elsewhere],
    }


def _bid(one: MarkedBid) -> OrphanBid:
    bid, marker = one.bid, one.marker
    return {
        "id": bid.id,
        "name": bid.bid.name,
        "address": str(marker.address),
        "status": bid.status,
        "stack": marker.stack,
        "lineage": marker.lineage,
        "limit_price": money(bid.bid.limit),
        "instance_quantity": bid.bid.quantity,
        "created_at": bid.created_at,
    }


def _elsewhere(one: MarkedBid, state: str | None) -> OrphanBid:
    made = _bid(one)
    if state is not None:
        made["state"] = state
    return made

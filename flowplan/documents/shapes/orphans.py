"""What is live and in no state."""

from typing import TypedDict

from flowplan.documents.shapes.common import Amount


class OrphanBid(TypedDict):
    id: str
    name: str
    address: str
    status: str
    stack: str
    lineage: str
    limit_price: Amount
    instance_quantity: int
    created_at: str


class OrphanVolume(TypedDict):
    id: str
    name: str
    size_gb: int


class OrphansDocument(TypedDict):
    format_version: str
    bids: list[OrphanBid]
    released: list[OrphanBid]
    volumes: list[OrphanVolume]
    other_stacks: list[OrphanBid]

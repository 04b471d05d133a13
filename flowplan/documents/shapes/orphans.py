"""What is live and in no state."""

from typing import NotRequired, TypedDict

from flowplan.documents.shapes.common import Amount


class OrphanBid(TypedDict):
    """A live bid with a marker of flowplan's. `limit_price`: dollars per instance-hour. Null: the API does not
    report it. `state`: of another stack, where its state is; absent: this directory has not used it."""

    id: str
    name: str
    address: str
    status: str
    stack: str
    lineage: str
    limit_price: Amount | None
    instance_quantity: int | None
    created_at: str
    state: NotRequired[str]


class OrphanVolume(TypedDict):
    """A live volume in no state, which bids of this stack have used. `size_gb` null: the API does not report it."""

    id: str
    name: str
    size_gb: int | None


class OrphansDocument(TypedDict):
    """What is live, costs money, and is in no plan: bids of this stack that its state does not know, those that were
    released, the volumes that these and ended bids used, and bids of other stacks."""

    format_version: str
    bids: list[OrphanBid]
    released: list[OrphanBid]
    volumes: list[OrphanVolume]
    other_stacks: list[OrphanBid]

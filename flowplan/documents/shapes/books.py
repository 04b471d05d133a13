"""The simulator's auctions with their books."""

from typing import Literal, TypedDict

from flowplan.documents.shapes.common import Amount
from flowplan.documents.shapes.market import History


class OwnBid(TypedDict):
    """One of the project's own bids in an auction."""

    id: str
    name: str


class Order(TypedDict):
    """An order of a book. `bid`: your own that it is, null for a rival's."""

    instance_type: str
    limit_price: Amount
    gpus_per_instance: int
    quantity: int
    winning: bool
    bid: OwnBid | None


class BookedAuction(TypedDict):
    """`orders`: from the highest limit per GPU; sizes that share their stock share the book."""

    instance_type: str
    instance_type_name: str
    region: str
    reserve: Amount
    last_price: Amount
    lowest_allocated: Amount | None
    available_instances: int
    total_instances: int
    orders: list[Order]
    history: History


class BooksDocument(TypedDict):
    """`now`: the simulator's time."""

    format_version: str
    now: str
    unit: Literal["USD/instance-hour"]
    auctions: list[BookedAuction]

"""The simulator's auctions with their books: what only the auctioneer sees."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from attrs import frozen

from flowplan.documents.about import moment
from flowplan.documents.amounts import money
from flowplan.documents.market import history_of
from flowplan.pricing.slices import Prices

if TYPE_CHECKING:
    from flowplan.documents.shapes.books import BookedAuction, BooksDocument, Order


class Line(Protocol):
    """An order: `limit_price` in dollars per instance-hour, `gpus` per instance; `bid`: id and name of your own bid,
    None for a rival's."""

    @property
    def limit_price(self) -> Decimal: ...
    @property
    def gpus(self) -> int: ...
    @property
    def quantity(self) -> int: ...
    @property
    def instance_type(self) -> str: ...
    @property
    def winning(self) -> bool: ...
    @property
    def bid(self) -> tuple[str, str] | None: ...


class Auction(Protocol):
    """An auction: prices in dollars per instance-hour, stock in instances; `book` from the highest limit per GPU."""

    @property
    def id(self) -> str: ...
    @property
    def instance_type(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def capacity(self) -> int: ...
    @property
    def available(self) -> int: ...
    @property
    def minimum(self) -> Decimal: ...
    @property
    def price(self) -> Decimal: ...
    @property
    def lowest_allocated(self) -> Decimal | None: ...
    @property
    def book(self) -> Sequence[Line]: ...
    @property
    def history(self) -> Prices: ...


@frozen
class Books:
    """The auctions asked for, as they are `now`; `since`: how far back their prices are shown; `depth`: how many orders
    of others on either side of the line between winning and waiting ones."""

    auctions: Sequence[Auction]
    now: datetime
    since: timedelta
    depth: int


def document(found: Books) -> BooksDocument:
    """All that the auctioneer sees of them: every order, from the highest limit per GPU, and the prices since."""
    return {
        "format_version": "1.0",
        "now": moment(found.now),
        "unit": "USD/instance-hour",
        "auctions": [_auction(one, found.now - found.since) for one in found.auctions],
    }


def _auction(one: Auction, since: datetime) -> BookedAuction:
    return {
        "instance_type": one.instance_type,
        "instance_type_name": one.name,
        "region": one.region,
        "reserve": money(one.minimum),
        "last_price": money(one.price),
        "lowest_allocated": money(one.lowest_allocated),
        "available_instances": one.available,
        "total_instances": one.capacity,
        "orders": [_order(line) for line in one.book],
        "history": history_of(one.history, since),
    }


def _order(line: Line) -> Order:
    own = line.bid
    return {
        "instance_type": line.instance_type,
        "limit_price": money(line.limit_price),
        "gpus_per_instance": line.gpus,
        "quantity": line.quantity,
        "winning": line.winning,
        "bid": None if own is None else {"id": own[0], "name": own[1]},
    }

"""The simulator's auctions with their books: what only the auctioneer sees."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from flowplan.classes import frozen
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
    def limit_price(self) -> Decimal:
        """Dollars per instance-hour."""

    @property
    def gpus(self) -> int:
        """Of an instance."""

    @property
    def quantity(self) -> int:
        """Instances."""

    @property
    def instance_type(self) -> str:
        """The id of the type it is for: in one book are several sizes."""

    @property
    def winning(self) -> bool:
        """Whether it has its instances now."""

    @property
    def bid(self) -> tuple[str, str] | None:
        """Id and name of your own bid; None: it is a rival's."""


class Auction(Protocol):
    """An auction: prices in dollars per instance-hour, stock in instances; `book` from the highest limit per GPU."""

    @property
    def id(self) -> str:
        """As `/v2/spot/availability` has it."""

    @property
    def instance_type(self) -> str:
        """The id of its type."""

    @property
    def name(self) -> str:
        """The name of its type, as the API has it."""

    @property
    def region(self) -> str:
        """The name of its region."""

    @property
    def capacity(self) -> int:
        """The whole stock, in instances of this type."""

    @property
    def available(self) -> int:
        """What nobody has, in instances."""

    @property
    def minimum(self) -> Decimal:
        """The reserve, in dollars per instance-hour."""

    @property
    def price(self) -> Decimal:
        """What winners pay now, in dollars per instance-hour."""

    @property
    def lowest_allocated(self) -> Decimal | None:
        """The lowest limit that wins, in dollars per instance-hour; None: nobody does."""

    @property
    def book(self) -> Sequence[Line]:
        """All orders, from the highest limit per GPU."""

    @property
    def history(self) -> Prices:
        """Its past prices, the oldest first."""


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

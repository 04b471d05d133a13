"""The simulator's auctions with their books: what only the auctioneer sees."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from attrs import frozen

from flowplan.pricing.slices import Prices


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

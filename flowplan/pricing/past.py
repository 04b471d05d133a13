"""The past prices of auctions, as they were fetched."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from flowplan.classes import frozen
from flowplan.errors import CloudError

Auction: TypeAlias = tuple[str, str]  # instance type, region


@frozen
class Past:
    """The price changes of one auction, the oldest first, in dollars per instance-hour; each holds until the next.
    `complete`: none is left out."""

    instance_type: str
    region: str
    prices: tuple[tuple[datetime, Decimal], ...]
    complete: bool


@frozen
class Fetched:
    """The past prices of `auctions`, of which those without an entry have none; or why they could not be fetched."""

    auctions: Collection[Auction]
    pasts: Mapping[Auction, Past] | CloudError

    def of(self, auctions: Collection[Auction]) -> dict[Auction, Past] | None:
        """Those of `auctions`; None: not all of them were asked for. Raises why they could not be fetched."""
        if not set(auctions) <= set(self.auctions):
            return None
        if isinstance(self.pasts, CloudError):
            raise self.pasts
        return {one: self.pasts[one] for one in auctions if one in self.pasts}

"""What flowplan made, and what it is doing: a row a bid, a row a volume."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from attrs import frozen

from flowplan.model.resources import Bid, PortPair, Volume
from flowplan.pricing.entry import Market


class Instance(Protocol):
    """One instance of a bid, as the cloud lists it."""

    @property
    def name(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def ssh_destination(self) -> str | None: ...


@frozen
class Row:
    """One bid: `paid` in dollars so far."""

    address: str
    id: str
    status: str
    bid: Bid
    market: Market | None
    instances: tuple[Instance, ...]
    pairs: tuple[PortPair, ...]
    paid: Decimal


@frozen
class VolumeRow:
    """One volume: it costs from the moment it exists, used or not. `there`: whether the cloud lists it."""

    address: str
    id: str
    volume: Volume
    there: bool


@frozen
class Status:
    """What there is: the bids, and the volumes."""

    bids: Sequence[Row]
    volumes: Sequence[VolumeRow]

"""What flowplan made, and what it is doing: a row a bid, a row a volume; and as a JSON document.

Money as text, null where it is unknown: never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from flowplan import __version__
from flowplan.classes import frozen
from flowplan.cost.paid import NOTHING_PAID, PaidInAll
from flowplan.documents.about import moment, stack_of
from flowplan.documents.amounts import hours_left, money
from flowplan.documents.paid import paid_in_all
from flowplan.documents.ports import listed
from flowplan.exact import exact
from flowplan.model.address import Address
from flowplan.model.lifecycle import Bounds
from flowplan.model.live import ALLOCATED, OPEN, PAUSED, UP
from flowplan.model.resources import Bid, PortPair, Volume
from flowplan.names import few
from flowplan.pricing.entry import Market, charged_at, entry_price, has_passed, to_win
from flowplan.pricing.lifetime import Left
from flowplan.pricing.units import storage_per_hour, storage_per_month, total, usd
from flowplan.printable import natural
from flowplan.state.state import Guard, State

if TYPE_CHECKING:
    from flowplan.documents.shapes import status as shape

FORMAT_VERSION = "1.0"
GONE, UNKNOWN = "gone", "unknown"
Charge: TypeAlias = Literal["charged", "waits", "paused", "ended", "unknown"]
_OVER = ("STATUS_TERMINATED", "STATUS_REPLACED", "STATUS_PREEMPTED")


class Instance(Protocol):
    """One instance of a bid, as the cloud lists it."""

    @property
    def name(self) -> str:
        """As the API has it."""

    @property
    def status(self) -> str:
        """The API's word, also one that flowplan does not know."""

    @property
    def ssh_destination(self) -> str | None:
        """Where ssh leads to; None while the API reports none."""


@frozen
class Life:
    """The lifetime of a live bid: its bounds, as the run that applied it last read them, what is `left` of them, and
    why it is `over` (None: it is not). `ended_by`: the command that cancels the bid once it is over; None: `guard`
    keeps it from that."""

    bounds: Bounds
    left: Left
    over: str | None
    ended_by: str | None
    guard: Guard | None = None


@frozen
class BidRow:
    """One bid: `paid` in dollars so far; None: no bill could be read. `is_billed`: whether instances are paid for now;
    None: that is unknown. `life` None: no run has recorded a lifetime, or the bid is not live. `raised_from`: the limit
    price, in dollars per instance-hour, from which the watch has raised that of the bid; None: it has not."""

    address: Address
    id: str
    status: str
    is_billed: bool | None
    bid: Bid
    market: Market | None
    instances: tuple[Instance, ...]
    pairs: tuple[PortPair, ...]
    paid: Decimal | None
    life: Life | None = None
    raised_from: Decimal | None = None

    @property
    def last_price(self) -> Decimal | None:
        """Dollars per instance-hour; None where it is unknown."""
        return self.market.spot if self.market else None

    @property
    def is_outbid(self) -> bool:
        """Whether it is paid for although the price has passed its limit: until it is preempted it pays the last price
        at which it won, which the cloud does not list."""
        return bool(self.is_billed) and has_passed(self.last_price, self.bid.limit)

    @property
    @exact
    def hour(self) -> Decimal | None:
        """Dollars per hour that are paid now, at most where `is_outbid`: what waits or is paused costs nothing, and no
        instance more than the limit. None where that is unknown."""
        if self.is_billed is False:
            return Decimal(0)
        last, limit, quantity = self.last_price, self.bid.limit, self.bid.quantity
        if self.is_billed is None or last is None or limit is None or quantity is None:
            return None
        return charged_at(last, limit) * quantity

    @property
    def charge(self) -> Charge:
        """Whether its instances are charged, and why not."""
        if self.is_billed is None:
            return "unknown"
        if self.is_billed:
            return "charged"
        return "paused" if self.status == PAUSED else "waits" if self.status == OPEN else "ended"

    @property
    @exact
    def to_win(self) -> Decimal | None:
        """The lowest limit that wins now, in dollars per instance-hour, where that of the bid does not; else None."""
        return to_win(self.market, self.bid.limit_price) if self.bid.worst is not None else None

    @property
    @exact
    def wins(self) -> bool:
        """Whether its limit wins by the prices of now: one that waits is charged from the next auction on then."""
        if self.bid.worst is None:
            return False
        return entry_price(self.market, self.bid.limit_price, holding=False).point is not None

    @property
    def runs(self) -> bool:
        """Whether all its instances run: what `apply --wait running` waits for."""
        up = sum(one.status == UP for one in self.instances)
        return self.status == ALLOCATED and self.bid.quantity is not None and up >= self.bid.quantity

    @property
    def present(self) -> list[Instance]:
        """The instances that are there, by name: without those that are over."""
        return sorted((one for one in self.instances if one.status not in _OVER), key=lambda one: natural(one.name))


@frozen
class VolumeRow:
    """One volume: it costs from the moment it exists, used or not. `there`: whether the cloud lists it."""

    address: Address
    id: str
    volume: Volume
    there: bool

    @property
    @exact
    def hour(self) -> Decimal | None:
        """Dollars per hour that are paid now; None where its size is unknown."""
        return storage_per_hour(self.volume.held_gb) if self.there else Decimal(0)

    @property
    @exact
    def month(self) -> Decimal | None:
        """Dollars per month of 730 hours while it exists; None where its size is unknown."""
        return storage_per_month(self.volume.held_gb)


@frozen
class Status:
    """What there is of the stack of `state`: the bids, and the volumes. `as_of`: the server's time; None where nothing
    was asked. `in_all`: what was paid over the life of the stack."""

    state: State
    bids: Sequence[BidRow]
    volumes: Sequence[VolumeRow]
    as_of: datetime | None = None
    in_all: PaidInAll = NOTHING_PAID

    def __repr__(self) -> str:
        """What there is, and what it costs; a notebook shows it, and a log."""
        there = [str(row.address) for row in self.bids] + [str(row.address) for row in self.volumes]
        return f"<Status: {few(there) or 'nothing'}; {usd(self.hour)} an hour now, {usd(self.paid)} paid>"

    @property
    def looked(self) -> bool:
        """Whether there is a state, and so anything that was looked for."""
        return self.as_of is not None or bool(self.bids or self.volumes)

    @property
    @exact
    def hour(self) -> Decimal | None:
        """Dollars per hour that the whole costs now, storage included, at most where a bid `is_outbid`; None where that
        is unknown: also where there is no state, because the stack may have one elsewhere."""
        if not self.looked:
            return None
        return total([*(row.hour for row in self.bids), *(row.hour for row in self.volumes)])

    @property
    @exact
    def paid(self) -> Decimal | None:
        """Dollars that these bids were billed so far, without storage; None where that is unknown, as of `hour`."""
        if not self.looked:
            return None
        known = [row.paid for row in self.bids if row.paid is not None]
        return sum(known, Decimal(0)) if len(known) == len(self.bids) else None

    @property
    def has_past(self) -> bool:
        """Whether the stack had bids that it has no longer, or, since its state was lost, may have had some."""
        return bool(self.in_all.past or self.in_all.since)

    @property
    def is_untold(self) -> bool:
        """Whether the API leaves out something without which nobody knows what is paid."""
        bids, volumes = (row.bid.worst for row in self.bids), (row.month for row in self.volumes)
        return any(one is None for one in (*bids, *volumes))

    @property
    def strange(self) -> BidRow | None:
        """The first bid of whose status flowplan does not know what it means."""
        return next((row for row in self.bids if row.is_billed is None), None)


def ended_by(lives: Iterable[Life]) -> list[str]:
    """What cancels the bids of all `lives` that are over: a command for each file that they are from."""
    targets: dict[str, list[str]] = {}
    for life in lives:
        command, target, address = (life.ended_by or "").partition(" --target ")
        if target:
            targets.setdefault(command, []).append(f"--target {address}")
    return [" ".join((command, *dict.fromkeys(those))) for command, those in targets.items()]


@exact
def document(found: Status) -> shape.StatusDocument:
    """The whole document."""
    return {
        "format_version": FORMAT_VERSION,
        "flowplan_version": __version__,
        "as_of": moment(found.as_of),
        "stack": stack_of(found.state),
        "bids": [_bid(row) for row in found.bids],
        "volumes": [_volume(row) for row in found.volumes],
        "hour": {"now": money(found.hour)},
        "paid": paid_in_all(found.in_all, looked=found.looked),
    }


def _bid(row: BidRow) -> shape.BidStatus:
    bid = row.bid
    found: shape.BidStatus = {
        "address": str(row.address),
        "id": row.id,
        "status": row.status,
        "name": bid.name,
        "instance_type": bid.instance_type,
        "instance_type_name": bid.instance_type_name,
        "region": bid.region,
        "instance_quantity": bid.quantity,
        "limit_price": money(bid.limit),
        "last_price": money(row.last_price),
        "hour": {"now": money(row.hour)},
        "paid": money(row.paid),
        "instances": _instances(row.instances),
        "ports": listed(row.pairs),
    }
    if row.raised_from is not None:
        found["raised_from"] = money(row.raised_from)
    if row.life is not None:
        found["lifetime"] = _lifetime(row.life)
    return found


def _lifetime(life: Life) -> shape.BidLifetime:
    bounds, left = life.bounds, life.left
    made: shape.BidLifetime = {
        "max_hours": None if bounds.max_hours is None else f"{bounds.max_hours.normalize():f}",
        "max_cost": money(bounds.max_cost),
        "end_at": moment(bounds.end_at),
        "when_done": "cancel" if bounds.cancel_when_done else None,
        "left": {"running_hours": hours_left(left.running), "cost": money(left.paid), "hours": hours_left(left.hours)},
        "over": life.over,
        "ended_by": life.ended_by,
    }
    return made if life.guard is None else {**made, "kept_by": life.guard.by}


def _instances(instances: Iterable[Instance]) -> list[shape.Running]:
    ordered = sorted(instances, key=lambda one: natural(one.name))
    return [{"name": one.name, "status": one.status, "ssh_destination": one.ssh_destination} for one in ordered]


def _volume(row: VolumeRow) -> shape.VolumeStatus:
    volume = row.volume
    return {
        "address": str(row.address),
        "id": row.id,
        "status": "live" if row.there else GONE,
        "name": volume.name,
        "size_gb": None if "size_gb" in volume.unreported else volume.size_gb,
        "interface": volume.interface,
        "region": volume.region,
        "hour": {"now": money(row.hour)},
        "month": {"now": money(row.month if row.there else Decimal(0))},
    }

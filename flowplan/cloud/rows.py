"""The answers of FCP's API in flowplan's own classes: one function a kind of row, which raises CloudError for one that
does not fit. What a field is called there and here, and in what units, is said in fcp.py."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from flowplan.classes import frozen
from flowplan.cloud.fields import (
    Note,
    Unfit,
    amount,
    integer,
    integer_or_none,
    listed_texts,
    mapping,
    mapping_or_empty,
    moment,
    money,
    positive,
    quoted,
    reported,
    text,
    text_or_empty,
    text_or_none,
    texts,
)
from flowplan.errors import CloudError
from flowplan.model import bounds
from flowplan.model.catalogue import SPOT, STORAGE, Auction, Catalogue, InstanceType, Named, Quota, SshKey
from flowplan.model.live import LiveBid, LiveVolume, Made
from flowplan.model.resources import Bid, Interface, Volume, changes_of
from flowplan.pricing.past import Past
from flowplan.printable import shown
from flowplan.startup import marker

if TYPE_CHECKING:
    from flowplan.pricing.billing import Billed, Ender, Steered, Steering

T = TypeVar("T")

PLACED, ENDED = "Placed", "Terminated"  # the events with which a bid begins, and by which it is over
# Events of a bid that somebody caused, in our words; allocation and preemption are the market's.
STEERING: dict[str, Steering] = {
    PLACED: "placed",
    "Limit Price Changed": "limit_changed",
    "Paused": "paused",
    "Resumed": "resumed",
    ENDED: "cancelled",
}


@frozen
class Instance:
    """One machine of a bid. `ssh_destination` is `host` or `host:port`, None until it is up. `created_at`: as the API
    says it; "": it does not."""

    id: str
    name: str
    bid: str | None
    status: str
    region: str
    ssh_destination: str | None
    created_at: str = ""


def dollars(amount: Decimal) -> str:
    """Money as bids carry it: "$25.60"."""
    return f"${amount:.2f}"


def past(row: Mapping[str, Any], *, complete: bool) -> Past:
    """The past prices of one auction: dollars per instance-hour. `complete`: none are left out. Raises Unfit."""
    times, prices = row.get("timestamps"), row.get("spot_prices")
    if not isinstance(times, list) or not isinstance(prices, list) or len(times) != len(prices):
        raise Unfit("a series lacks as many spot_prices as timestamps")
    moments = [moment(time, "a series") for time in times]
    known = tuple((at, money(price, "spot_prices")) for at, price in zip(moments, prices, strict=True))
    return Past(text(row, "instance_type"), text(row, "region"), known, complete)


def billed(row: Mapping[str, Any]) -> Iterator[Billed]:
    """The price periods of one instance: dollars per instance-hour. Raises Unfit."""
    from flowplan.pricing.billing import Billed

    events = row.get("events")
    if not isinstance(events, list):
        raise Unfit("an instance lacks the list 'events'")
    for event in (mapping(one, "a price period") for one in events):
        end = event.get("end_time")
        yield Billed(
            bid=text(row, "bid_fid"),
            instance=text(row, "instance_fid"),
            price=_paid(event),
            start=moment(event.get("start_time"), "a price period"),
            end=None if end is None else moment(end, "a price period"),
        )


def _paid(event: Mapping[str, Any]) -> Decimal:
    found = bounds.cents(event.get("price_cents"))
    if found is None:
        raise Unfit(f"the API gives {quoted(event.get('price_cents'))} as price_cents, which is not an amount")
    return found


def steered(event: Mapping[str, Any]) -> Steered:
    """What somebody did to a bid, for an event of a type in STEERING. Raises Unfit."""
    from flowplan.pricing.billing import Steered

    limit = event.get("limit_price")
    return Steered(
        at=moment(event.get("timestamp"), "an event"),
        how=STEERING[text(event, "event_type")],
        limit=None if limit is None else money(limit, "limit_price"),
    )


def ender(events: Sequence[Mapping[str, Any]]) -> Ender | None:
    """Who ended a bid, by the events of its history: the cloud only where each of its end says that nobody did
    (`user_id` is null), and the history names people at all, as who placed the bid; None: there is no end, or nothing
    says it."""
    ends, placed = ([one for one in events if one.get("event_type") == kind] for kind in (ENDED, PLACED))
    if any(one.get("user_id") is not None for one in ends):
        return "user"
    names = bool(placed) and all(isinstance(one.get("user_id"), str) and one["user_id"] for one in placed)
    return "cloud" if ends and names and all("user_id" in one for one in ends) else None


def live_bid(row: Mapping[str, Any], catalogue: Catalogue, keys: Mapping[str, str]) -> LiveBid:
    """A bid. What of it does not fit is `unfit` and left open, so that it can still be cancelled. Raises Unfit for one
    without an id."""
    known = _Fields(row)
    launch = _Fields(known.read("launch_specification", mapping_or_empty, {}), known)
    type_id = _spelled(known.read("instance_type", text, ""), catalogue.types)
    kind = catalogue.type(type_id)
    ssh_keys = tuple(_spelled(key, catalogue.ssh_keys) for key in launch.texts("ssh_keys"))
    status = known.read("status", text, "")
    bid = Bid(
        name=known.read("name", text, ""),
        instance_type=type_id,
        region=known.read("region", text_or_empty, ""),
        instance_quantity=known.read("instance_quantity", positive, 1),
        limit_price=known.read("limit_price", amount, Decimal(0)),
        ssh_keys=ssh_keys,
        volumes=launch.texts("volumes"),
        paused=status == "Paused",
        memory_gb=launch.read("memory_gb", integer_or_none, None),
        instance_type_name=kind.name if kind else "",
        ssh_key_names=tuple(keys.get(key, key) for key in ssh_keys),
        gpus=(kind.gpus or None) if kind else None,  # none is nothing that a price can be shared by
    )
    script = launch.read("startup_script", text_or_none, None)
    created_at, instances = known.read("created_at", text_or_empty, ""), known.texts("instances")
    unreported = _unreported(row, launch.row, known.left_open)
    return LiveBid(
        id=text(row, "fid"),
        bid=attrs.evolve(bid, unreported=unreported),
        status=status,
        deactivated=is_over(row, "deactivated_at"),
        created_at=created_at,
        marker=marker.read(script or ""),
        instances=instances,
        unfit="; ".join(known.unfit),
        sent=script,
    )


def is_over(row: Mapping[str, Any], since: str) -> bool:
    """Whether the field `since` says when the object ended. What is no moment (false, "", a word) says nothing."""
    value = row.get(since)
    return value is not None and bounds.moment(value) is not None


def hold_about(row: Mapping[str, Any], id: str) -> None:
    """Raise Unfit for the answer to a question about `id` that is about something else."""
    if (found := text(row, "fid")) != id:
        raise Unfit(f"it is about {shown(found)}")


def live_volume(row: Mapping[str, Any]) -> LiveVolume:
    """A volume. What of it does not fit is `unfit` and left open. Raises Unfit for one without an id."""
    known = _Fields(row)
    size, region = known.read("capacity_gb", integer_or_none, None), known.read("region", text_or_empty, "")
    block: Interface = "Block"
    interface = known.read("interface", _interface, block)
    name = known.read("name", text, "")
    nothing: tuple[tuple[str, str], ...] = ()
    known.hold_reported(*sorted(_USERS))
    bids, reservations = known.texts("bids"), known.texts("reservations")
    attachments = known.read("attachments", _attachments, nothing)
    open_ = {{"capacity_gb": "size_gb"}.get(one, one) for one in known.left_open}
    open_ |= {one for one, value in (("region", region), ("size_gb", size)) if not value and value != 0}
    volume = Volume(name, size or 0, interface, region, unreported=tuple(sorted(open_ & _OF_VOLUMES)))
    return LiveVolume(
        text(row, "fid"),
        volume,
        bids,
        known.read("created_at", text_or_empty, ""),
        reservations,
        attachments,
        unfit="; ".join(known.unfit),
        users_unreported=not _USERS.isdisjoint(known.left_open),
    )


class _Fields:
    """Reads the fields of one row: what does not fit is said in `unfit`, and its name is `left_open`."""

    def __init__(self, row: Mapping[str, Any], within: _Fields | None = None) -> None:
        self.row = row
        self.unfit: list[str] = within.unfit if within else []
        self.left_open: set[str] = within.left_open if within else set()

    def read(self, name: str, reader: Callable[[Mapping[str, Any], str], T], otherwise: T) -> T:
        try:
            return reader(self.row, name)
        except Unfit as error:
            self.unfit.append(str(error))
            self.left_open.add(name)
            return otherwise

    def hold_reported(self, *names: str) -> None:
        """Null and missing are not empty."""
        for name in names:
            if self.row.get(name) is None:
                self.unfit.append(f"it does not report {name!r}")
                self.left_open.add(name)

    def texts(self, name: str) -> tuple[str, ...]:
        nothing: tuple[str, ...] = ()
        return self.read(name, texts, nothing)


_USERS = frozenset({"bids", "reservations", "attachments"})
_OF_VOLUMES = frozenset(changes_of("volume"))
_OF_BIDS = frozenset(changes_of("bid"))


def _interface(row: Mapping[str, Any], name: str) -> Interface:
    found = text(row, name)
    if found not in ("Block", "File"):
        raise Unfit(f"this flowplan does not know the {name} {found!r}")
    return "Block" if found == "Block" else "File"


def _attachments(row: Mapping[str, Any], name: str) -> tuple[tuple[str, str], ...]:
    """What a volume is attached to. What the map means is documented nowhere: both sides are kept."""
    value = row.get(name)
    if isinstance(value, dict):
        return tuple((str(one), str(other)) for one, other in value.items())
    if value is None or isinstance(value, list):
        return tuple((str(one), "") for one in value or ())
    raise Unfit(f"it has no list or object as {name!r}")


def _unreported(row: Mapping[str, Any], launch: Mapping[str, Any], left_open: Collection[str]) -> tuple[str, ...]:
    """The fields of a bid that its answer leaves open: null and missing are the same, and are not empty."""
    given = {name: launch.get(name) for name in ("ssh_keys", "volumes")}
    given |= {"region": row.get("region") or None, "inputs": launch.get("startup_script")}
    open_ = {name for name, value in given.items() if value is None} | (_OF_BIDS & set(left_open))
    return tuple(sorted(open_ | ({"inputs"} if "startup_script" in left_open else set())))


def _spelled(text: str, known: Iterable[InstanceType | Named]) -> str:
    """The id that `text` stands for: it should be one, but may be the name of just one of `known`."""
    known = tuple(known)
    if any(one.id == text for one in known):
        return text
    named = [one.id for one in known if one.name.lower() == text.strip().lower()]
    return named[0] if len(named) == 1 else text


def made(kind: str, id: str, row: Mapping[str, Any], catalogue: Catalogue) -> Made:
    """The answer to a create of `kind`, as far as it can be read: the object exists, whatever else the answer says."""
    launch = row.get("launch_specification")
    launch = launch if isinstance(launch, dict) else {}
    reads: dict[str, Callable[[], Any]] = {"name": lambda: text(row, "name"), "region": lambda: text(row, "region")}
    if kind == "volume":
        reads["size_gb"] = lambda: integer(row, "capacity_gb")
        reads["interface"] = lambda: text(row, "interface").capitalize()
        created_at = _text_or_none(row, "created_at") or ""
        return Made(id, _readable(reads), _text_or_none(row, "project"), created_at=created_at)
    reads |= {
        "instance_type": lambda: _spelled(text(row, "instance_type"), catalogue.types),
        "instance_quantity": lambda: integer(row, "instance_quantity"),
        "limit_price": lambda: money(text(row, "limit_price"), "limit_price"),
        "ssh_keys": lambda: tuple(_spelled(key, catalogue.ssh_keys) for key in listed_texts(launch, "ssh_keys")),
        "volumes": lambda: listed_texts(launch, "volumes"),
        "paused": lambda: text(row, "status") == "Paused",
    }
    script = _text_or_none(launch, "startup_script") or ""
    status = _text_or_none(row, "status")
    return Made(id, _readable(reads), _text_or_none(row, "project"), status, marker.read(script))


def _readable(reads: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    found = {}
    for name, read in reads.items():
        try:
            found[name] = read()
        except CloudError:  # not reported, or not so that it can be read: the next look at the cloud shows it
            continue
    return found


def _text_or_none(row: Mapping[str, Any], name: str) -> str | None:
    value = row.get(name)
    return value if isinstance(value, str) else None


def instance_type(row: Mapping[str, Any]) -> InstanceType:
    """An instance type. Raises Unfit."""
    return InstanceType(
        id=text(row, "fid"),
        name=text(row, "name"),
        gpu_type=text(row, "gpu_type"),
        gpus=integer(row, "num_gpus"),
        gpu_memory_gb=integer(row, "gpu_memory_gb"),
        gpu_socket=text(row, "gpu_socket"),
        network_type=text_or_none(row, "network_type"),
    )


def auction(row: Mapping[str, Any], note: Note) -> Auction:
    """What is offered of one type in one region. `note` hears of prices that cannot be. Raises Unfit."""
    return Auction(
        id=text(row, "fid"),
        instance_type=text(row, "instance_type"),
        region=text(row, "region"),
        capacity=integer(row, "capacity"),
        last_price=reported(row, "last_instance_price", note),
        lowest_allocated=reported(row, "lowest_allocated_price", note),
    )


def instance(row: Mapping[str, Any]) -> Instance:
    """An instance, whatever its status. Raises Unfit."""
    return Instance(
        id=text(row, "fid"),
        name=text(row, "name"),
        bid=text_or_none(row, "bid") or text_or_none(row, "bid_id"),
        status=text(row, "status"),
        region=text_or_empty(row, "region"),
        ssh_destination=text_or_none(row, "ssh_destination"),
        created_at=at if isinstance(at := row.get("created_at"), str) else "",
    )


def ssh_key(row: Mapping[str, Any]) -> SshKey:
    """An SSH key of the project. Raises Unfit."""
    return SshKey(text(row, "fid"), text(row, "name"), row.get("required") is True)


_COUNTED = {SPOT: "instances", STORAGE: "GB"}  # product -> the units it is counted in


def quota(row: Mapping[str, Any]) -> Quota:
    """A quota of the project, in whatever it counts (see is_counted). Raises Unfit."""
    return Quota(
        product=text(row, "product_type"),
        name=text(row, "name"),
        units=text(row, "units"),
        total=integer(row, "total_quantity"),
        used=integer(row, "used_quantity"),
        instance_type=text_or_none(row, "instance_type"),
    )


def is_counted(found: Quota) -> bool:
    """Whether it is known what a quota counts."""
    return _COUNTED.get(found.product) == found.units and (found.product == SPOT) == (found.instance_type is not None)


def named(row: Mapping[str, Any]) -> Named:
    """A row of which only its id and name matter. Raises Unfit."""
    return Named(text(row, "fid"), text(row, "name"))


def rfc3339(moment: datetime | None) -> str | None:
    """A moment as the API writes it, in UTC."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")

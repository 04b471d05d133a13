"""What flowplan made, and what it is doing."""

from typing import NotRequired, TypedDict

from flowplan.documents.shapes.common import Amount, Pair, Stack
from flowplan.documents.shapes.paid import PaidInAll


class Now(TypedDict):
    """Dollars that are paid now; null where that is unknown."""

    now: Amount | None


class Running(TypedDict):
    """One instance of a bid. `status`: the API's word."""

    name: str
    status: str
    ssh_destination: str | None


class LifetimeLeft(TypedDict):
    """What is left until a lifetime ends; null: no such bound, or unknown. `running_hours` of the bid,
    `cost` in dollars, `hours` from now."""

    running_hours: float | None
    cost: Amount | None
    hours: float | None


class BidLifetime(TypedDict):
    """When a live bid ends, as the run that applied it last read it. `over`: why it is over although the bid runs on;
    null: it is not. `ended_by`: the command that cancels the bid once it is over; null: `kept_by`, for people, keeps
    it from that."""

    max_hours: str | None
    max_cost: Amount | None
    end_at: str | None
    when_done: str | None
    left: LifetimeLeft
    over: str | None
    ended_by: str | None
    kept_by: NotRequired[str]


class BidStatus(TypedDict):
    """One bid. `status`: the API's word, "gone" for what is not there any more, "unknown" for what could not be looked
    at. `last_price`: dollars per instance-hour; `hour`: of all instances together, 0 for what waits or is paused; while
    a bid runs whose limit the price has passed it is the limit, which is the most it can be. `instances`: also those
    that are over. `raised_from`: from what the watch has raised `limit_price`; absent: it has not."""

    address: str
    id: str
    status: str
    name: str
    instance_type: str
    instance_type_name: str
    region: str
    instance_quantity: int | None  # null: the API does not report it, as the limit price
    limit_price: Amount | None
    raised_from: NotRequired[Amount]
    last_price: Amount | None
    hour: Now
    paid: Amount | None  # null: the bill could not be read
    instances: list[Running]
    ports: list[Pair]
    lifetime: NotRequired[BidLifetime]  # absent: no run has recorded one, or the bid is not live


class VolumeStatus(TypedDict):
    """One volume. `status`: "live", or "gone" for what is not listed."""

    address: str
    id: str
    status: str
    name: str
    size_gb: int | None
    interface: str
    region: str
    hour: Now
    month: Now


class StatusDocument(TypedDict):
    """`hour`: of the whole stack, storage included. `paid`: over the life of the stack. Without a state both are
    unknown, and `as_of` is null: the stack may have one elsewhere."""

    format_version: str
    flowplan_version: str
    as_of: str | None
    stack: Stack
    bids: list[BidStatus]
    volumes: list[VolumeStatus]
    hour: Now
    paid: PaidInAll

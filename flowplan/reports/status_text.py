"""What the bids are doing -> text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from attrs import frozen

from flowplan.errors import shown
from flowplan.pricing import Market, cents
from flowplan.reports.paint import Paint
from flowplan.reports.plan_text import ranges
from flowplan.resources import Bid, PortPair

_STYLES = {"Allocated": "green", "Open": "yellow", "Preempting": "red", "Paused": "yellow", "Terminated": "dim"}
_OVER = ("STATUS_TERMINATED", "STATUS_REPLACED", "STATUS_PREEMPTED")


@frozen
class Row:
    """One bid: `paid` in dollars so far."""

    address: str
    id: str
    status: str
    bid: Bid
    market: Market | None
    instances: tuple[Any, ...]
    pairs: tuple[PortPair, ...]
    paid: Decimal


def text(rows: Sequence[Row], paint: Paint) -> str:
    """A paragraph a bid, ending in a newline."""
    if not rows:
        return "Nothing is placed from here.\n"
    return "\n\n".join(_paragraph(row, paint) for row in rows) + "\n"


def _paragraph(row: Row, paint: Paint) -> str:
    status = paint(shown(row.status), _STYLES[row.status]) if row.status in _STYLES else shown(row.status)
    kind = row.bid.instance_type_name or row.bid.instance_type
    lines = [
        f"{paint(shown(row.address), 'bold')}  {status}  ({shown(row.id)})",
        f"  {row.bid.instance_quantity} x {shown(kind)} in {shown(row.bid.region)}",
        f"  {_price(row)}",
    ]
    for one in row.instances:
        if one.status not in _OVER:
            lines.append(f"  {shown(one.name)}  {_short(one.status)}{_ssh(one.ssh_destination)}")
    if row.pairs:
        pairs = [{"external": pair.external, "internal": pair.internal} for pair in row.pairs]
        lines.append(f"  ports {', '.join(ranges(pairs))}")
    return "\n".join(lines)


def _price(row: Row) -> str:
    spot = row.market.spot if row.market else None
    if row.status == "Paused":
        return f"paused: no charge for instances, limit ${row.bid.limit_price:.2f}; {_paid(row)}"
    now = "price unknown" if spot is None else f"${spot:.2f} an instance-hour now"
    return f"{now}, limit ${row.bid.limit_price:.2f}; {_paid(row)}"


def _paid(row: Row) -> str:
    return f"${cents(row.paid):,.2f} paid so far"


def _short(status: str) -> str:
    return shown(status.removeprefix("STATUS_").lower())


def _ssh(destination: str | None) -> str:
    if not destination:
        return ""
    host, _, port = destination.partition(":")
    return f"  ssh {f'-p {shown(port)} ' if port else ''}ubuntu@{shown(host)}"


def paid_by_bid(rows: Iterable[Mapping[str, Any]], now: datetime | None) -> dict[str, Decimal]:
    """Dollars per bid from the API's price periods (cents per instance-hour, open ones until `now`)."""
    paid: dict[str, Decimal] = {}
    for row in rows:
        bid = row.get("bid_fid")
        if not bid:
            continue
        for event in row["events"]:
            start = datetime.fromisoformat(event["start_time"])
            end = datetime.fromisoformat(event["end_time"]) if event.get("end_time") else now or start
            hours = Decimal(max((end - start).total_seconds(), 0)) / 3600
            paid[bid] = paid.get(bid, Decimal(0)) + Decimal(event["price_cents"]) / 100 * hours
    return paid

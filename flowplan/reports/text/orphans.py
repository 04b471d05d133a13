"""What is live and in no state -> text."""

from __future__ import annotations

from collections.abc import Iterable

from flowplan.pricing.units import storage_per_month, usd
from flowplan.printable import shown
from flowplan.reports.text.paint import Paint, wrapped
from flowplan.state.ownership import MarkedBid, Orphans


def text(found: Orphans, paint: Paint) -> str:
    """A paragraph a kind, each orphan with what it may cost and the remedy; ends in a newline."""
    parts = []
    if found.ours:
        lines = [paint("Bids of this stack that its state does not hold:", "bold")]
        for bid in found.ours:
            lines += [*_bid(bid, paint), f"    flowplan recover --cancel {shown(bid.id)}"]
        parts.append("\n".join(lines))
    if found.released:
        lines = [paint("Bids that this stack released:", "bold")]
        for bid in found.released:
            again = f"    flowplan import {shown(str(bid.marker.address))} {shown(bid.id)}"
            lines += [*_bid(bid, paint), again]
        parts.append("\n".join(lines))
    if found.volumes:
        lines = [paint("Volumes that bids of this stack used and its state does not hold:", "bold")]
        for one in found.volumes:
            month = usd(storage_per_month(one.volume.size_gb))
            what = f"{shown(one.volume.name)}  ({shown(one.id)})  {one.volume.size_gb:,} GB, {month} a month"
            lines += wrapped(what, "  ", "    ")
        parts.append("\n".join([*lines, "  A volume carries no marker: your bids may only have attached it."]))
    if found.elsewhere:
        lines = [paint("Bids of other stacks, whose state is somewhere else or lost:", "bold")]
        lines += _by_stack(found.elsewhere, paint)
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n" if parts else "Nothing is orphaned.\n"


def _by_stack(bids: Iterable[MarkedBid], paint: Paint) -> list[str]:
    lines, stack = [], ""
    for bid in sorted(bids, key=lambda one: (_stack(one), one.bid.created_at, one.id)):
        if _stack(bid) != stack:
            stack = _stack(bid)
            lines.append(f"  {stack}")
        lines += _bid(bid, paint)
    return lines


def _stack(bid: MarkedBid) -> str:
    return f"stack {shown(bid.marker.stack)}, lineage {shown(bid.marker.lineage)}"


def _bid(bid: MarkedBid, paint: Paint) -> list[str]:
    what = bid.bid.bid
    kind = shown(what.instance_type_name or what.instance_type)
    return [
        f"  {paint(shown(what.name), 'bold')}  {shown(bid.bid.status)}  ({shown(bid.id)})",
        f"    {what.instance_quantity} x {kind} in {shown(what.region)}, at most {usd(what.worst)} an hour",
    ]

"""What is live and in no state -> text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flowplan.model.address import Address
from flowplan.planning.conflicts import taking_back
from flowplan.pricing.units import an_hour_at_most, counted, gigabytes, storage_per_month, usd
from flowplan.printable import shown
from flowplan.reports.text.paint import Paint, apart, listed, wrapped
from flowplan.state.moving import command_word
from flowplan.state.orphans import MarkedBid, Orphans

_ENDED_ELSEWHERE = (
    "Give --state of the place that has a stack, and `destroy` ends its bids. If its state is lost, this makes another "
    "from the bids, and cancels them; their volumes stay:"
)
_RESCUE = (
    "    flowplan recover --from-live --lineage LINEAGE --state rescue.json",
    "    flowplan destroy --keep-volumes --state rescue.json",
)


def text(found: Orphans, paint: Paint) -> str:
    """A paragraph a kind, each orphan with what it may cost and the remedy; ends in a newline."""
    parts = []
    if found.ours:
        lines = _head("Bids of this stack that its state does not hold:", paint)
        for bid in found.ours:
            lines += [*_bid(bid, paint), paint.typed(f"    flowplan recover --cancel {shown(bid.id)}")]
        parts.append("\n".join(lines))
    if found.released:
        lines = _head("Bids that this stack released:", paint)
        for bid in found.released:
            again = f"    flowplan import {shown(bid.marker.address.word)} {shown(bid.id)}"
            lines += [*_bid(bid, paint), paint.typed(again)]
        parts.append("\n".join(lines))
    if found.volumes:
        lines = _head("Volumes that bids of this stack used and its state does not hold:", paint)
        for one in found.volumes:
            month = usd(storage_per_month(one.volume.held_gb))
            what = [shown(one.volume.name), f"({shown(one.id)})", f"{gigabytes(one.volume.held_gb)}, {month} a month"]
            taken = taking_back(Address("volume", one.volume.name), one.id)
            lines += [*apart(what, "  ", "    ", paint.width), paint.typed(f"    {shown(taken)}")]
        said = "A volume carries no marker: your bids may only have attached it. Once the state has it, "
        said += "`flowplan destroy --target volume.NAME --allow-volume-destroy NAME` deletes it, with its data."
        parts.append("\n".join([*lines, *wrapped(paint.typed(said), "  ", "  ", paint.width)]))
    if found.elsewhere:
        lines = _head("Bids of other stacks, whose state is somewhere else or lost:", paint)
        lines += _by_stack(found.elsewhere, found.states, paint)
        if any(bid.marker.lineage not in found.states for bid in found.elsewhere):
            lines += [*wrapped(_ENDED_ELSEWHERE, "  ", "  ", paint.width), *map(paint.typed, _RESCUE)]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n" if parts else "Nothing is orphaned.\n"


def _head(text: str, paint: Paint) -> list[str]:
    return [paint(line, "bold") for line in wrapped(text, "", "", paint.width)]


def _by_stack(bids: Iterable[MarkedBid], states: Mapping[str, str], paint: Paint) -> list[str]:
    lines, stack = [], ""
    for bid in sorted(bids, key=lambda one: (_stack(one), one.bid.created_at, one.id)):
        if _stack(bid) != stack:
            stack = _stack(bid)
            where = states.get(bid.marker.lineage)
            known = f", its state: --state {shown(command_word(where))}" if where is not None else ""
            lines += listed(f"{stack}{known}", "  ", "    ", paint.width)
        lines += _bid(bid, paint)
    return lines


def _stack(bid: MarkedBid) -> str:
    return f"stack {shown(bid.marker.stack)}, lineage {shown(bid.marker.lineage)}"


def _bid(bid: MarkedBid, paint: Paint) -> list[str]:
    what = bid.bid.bid
    kind = shown(what.instance_type_name or what.instance_type)
    head = [paint(shown(what.name), "bold"), shown(bid.bid.status), f"({shown(bid.id)})"]
    says = f"{counted(what.quantity, kind)} in {shown(what.region)}, {an_hour_at_most(what.worst)}"
    return [*apart(head, "  ", "    ", paint.width), *wrapped(says, "    ", "      ", paint.width)]

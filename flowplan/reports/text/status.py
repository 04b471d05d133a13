"""What the bids are doing -> text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from flowplan.documents.amounts import money
from flowplan.documents.paid import paid_in_all
from flowplan.documents.ports import ranges as port_ranges
from flowplan.documents.status import UNKNOWN, BidRow, Life, Status, VolumeRow, ended_by
from flowplan.model.address import in_order
from flowplan.model.lifecycle import Bounds
from flowplan.names import alike, ranges
from flowplan.patterns import regex
from flowplan.pricing.lifetime import Left
from flowplan.pricing.units import counted, gigabytes, lasting, usd
from flowplan.printable import shown
from flowplan.reports.text.paid import NOT_LOOKED, in_all, rounded
from flowplan.reports.text.paint import PLAIN, Paint, apart, bold, wrapped

_NAMED = 4  # of bids that one command ends, how many it names
_STYLES = {"Allocated": "green", "Open": "yellow", "Preempting": "red", "Paused": "yellow", "Terminated": "dim"}


def text(found: Status, paint: Paint) -> str:
    """A paragraph a bid, a line a volume, each also for several that are alike, and what is paid an hour now; ends in a
    newline."""
    rows = sorted(found.bids, key=lambda row: in_order(row.address))
    volumes = sorted(found.volumes, key=lambda row: in_order(row.address))
    if not rows and not volumes:
        none = wrapped(paint.typed(said_of_nothing(found)), "", "", paint.width)
        return "\n".join([*none, *_paid_over_life(found, paint)]) + "\n"
    groups = list(alike(rows, _same, each=paint.verbose))
    parts = list(_paragraphs(groups, paint))
    if volumes:
        parts.append("\n".join(_volume(these, paint) for these in alike(volumes, _held, each=paint.verbose)))
    paid = [
        *(wrapped(_paid_in_all(found, groups), "", "  ", paint.width) if rows else ()),
        *_paid_over_life(found, paint),
    ]
    parts.append("\n".join([*wrapped(_total(found), "", "  ", paint.width), *paid]))
    return "\n\n".join(parts) + "\n"


def said_of_nothing(found: Status) -> str:
    """What is said where there is no bid and no volume."""
    return NOT_LOOKED if found.as_of is None else "No bid or volume of this stack is live."


def _volume(rows: Sequence[VolumeRow], paint: Paint) -> str:
    """One, or several that are alike."""
    first = rows[0]
    if len(rows) == 1:
        return "\n".join(apart([_name(first, paint), _held(first), f"({shown(first.id)})"], "", "  ", paint.width))
    names = ", ".join(ranges((shown(str(row.address)) for row in rows), paint.dots))
    in_all = f", {usd(first.month * len(rows))} in all" if first.there and first.month is not None else ""
    head = bold(f"{names} ({len(rows):,} alike)", paint)
    return "\n".join(apart([*head, f"each {_held(first)}{in_all}"], "", "  ", paint.width))


def _held(row: VolumeRow) -> str:
    """What a line says of a volume, but for its name and its id."""
    volume = row.volume
    if not row.there:
        return "gone"
    return f"{gigabytes(volume.held_gb)} {volume.interface} in {shown(volume.region)}, {usd(row.month)} a month"


def _name(row: BidRow | VolumeRow, paint: Paint) -> str:
    return paint(shown(str(row.address)), "bold")


def _total(found: Status) -> str:
    if found.hour is not None:
        most = "at most " if any(row.is_outbid for row in found.bids) else ""
        joining = sum(row.charge == "waits" and row.wins for row in found.bids)
        bids = "1 bid that waits wins" if joining == 1 else f"{joining:,} bids that wait win"
        more = f"; more from the next auction on: {bids} at the prices of now" if joining else ""
        return f"In total {most}{usd(found.hour)} an hour now, storage included{more}."
    strange = found.strange
    why = "a price is unknown" if strange is None else f"flowplan does not know the status {shown(strange.status)}"
    if strange is not None and strange.status == UNKNOWN:
        why = f"flowplan could not read the status of {shown(str(strange.address))}"
    elif strange is None and found.is_untold:
        why = "the API does not report a limit price, a quantity or a size"
    return f"In total: unknown, because {why}."


def _paid_in_all(found: Status, groups: Iterable[Sequence[BidRow]]) -> str:
    """`groups`: those of which what was paid is shown in one figure."""
    if found.paid is None:
        return "Paid so far: unknown, because the bill could not be read."
    said = f"{usd(found.paid)} paid so far for the instances of these bids, storage not included."
    return " ".join([said, *rounded([money(_paid_for(these)) for these in groups], money(found.paid))])


def _paid_for(rows: Iterable[BidRow]) -> Decimal | None:
    """Dollars for all of them; None where that is not known of one."""
    amounts = [row.paid for row in rows]
    known = [one for one in amounts if one is not None]
    return sum(known, Decimal(0)) if len(known) == len(amounts) else None


def _paid_over_life(found: Status, paint: Paint) -> list[str]:
    """What was paid with the bids that the stack has no longer, where it had some, or may have had."""
    if not found.has_past:
        return []
    by = "" if found.as_of is not None else " by the last bill that was read"
    said = f"Paid for instances over the life of this stack{by}, storage not included"
    whole = f"{said}: {in_all(paid_in_all(found.in_all))}. `flowplan cost` shows it by task."
    return wrapped(paint.typed(whole), "", "  ", paint.width)


def _paragraphs(groups: Iterable[Sequence[BidRow]], paint: Paint) -> Iterator[str]:
    for these in groups:
        yield _paragraph(these[0], paint) if len(these) == 1 else _together(these, paint)


def _same(row: BidRow) -> object:
    """All that a paragraph says of a bid, but for its name, its ids, what was paid, and how to reach its instances."""
    life = None if row.life is None else (*_how_it_ends(row, row.life), row.life.over, row.life.guard)
    states = tuple(state for _, state, _ in present(row))
    return row.status, _what(row), _charge(row), row.raised_from, life, states, row.pairs


def _together(rows: Sequence[BidRow], paint: Paint) -> str:
    """One paragraph for all of them."""
    first, names = rows[0], ", ".join(ranges((shown(str(row.address)) for row in rows), paint.dots))
    said = [
        f"each {_what(first)}",
        f"each {_charge(first)}",
        *(f"each limit {said}" for said in _raised(first)),
        f"{usd(_paid_for(rows))} paid so far in all",
        *([] if first.life is None else [_lifetimes(rows, first.life)]),
        *_instances_of(rows),
        *([f"ports of each: {_ports(first)}"] if first.pairs else []),
    ]
    head = apart([*bold(f"{names} ({len(rows):,} alike)", paint), _status(first, paint)], "", "  ", paint.width)
    return "\n".join([*head, *(line for one in said for line in wrapped(paint.typed(one), "  ", "    ", paint.width))])


def _instances_of(rows: Iterable[BidRow]) -> Iterator[str]:
    """How many instances there are of several bids, by status."""
    counts = Counter(state for row in rows for _, state, _ in present(row))
    if counts:
        each = ", ".join(f"{count:,} {state}" for state, count in counts.items())
        yield f"instances: {each}; --verbose shows each with its ssh command"


def _status(row: BidRow, paint: Paint) -> str:
    return paint(shown(row.status), _STYLES[row.status]) if row.status in _STYLES else shown(row.status)


def _what(row: BidRow) -> str:
    kind = row.bid.instance_type_name or row.bid.instance_type
    return f"{counted(row.bid.quantity, shown(kind))} in {shown(row.bid.region)}"


def _ports(row: BidRow) -> str:
    return ", ".join(port_ranges([{"external": pair.external, "internal": pair.internal} for pair in row.pairs]))


def _paragraph(row: BidRow, paint: Paint) -> str:
    lines = [
        *apart([_name(row, paint), _status(row, paint), f"({shown(row.id)})"], "", "  ", paint.width),
        *wrapped(_what(row), "  ", "    ", paint.width),
        *wrapped(_charge(row), "  ", "    ", paint.width),
        *(line for said in _raised(row) for line in wrapped(paint.typed(f"limit {said}"), "  ", "    ", paint.width)),
        f"  {_paid(row)}",
    ]
    if row.life is not None:
        lines += wrapped(paint.typed(_lifetime(row, row.life)), "  ", "    ", paint.width)
    for name, state, ssh in present(row):
        lines += apart(filter(None, (shown(name), state, ssh)), "  ", "    ", paint.width)
    if row.pairs:
        lines += wrapped(f"ports {_ports(row)}", "  ", "    ", paint.width)
    return "\n".join(lines)


def _charge(row: BidRow) -> str:
    """What is charged, and of what is not charged why."""
    limit = f"limit {usd(row.bid.limit)}"
    price = "price unknown" if row.last_price is None else f"{usd(row.last_price)} per instance-hour"
    now = price if row.last_price is None else f"{price} now"
    if row.is_outbid:
        said = f"charged at most {usd(row.hour)} an hour until it is preempted ({now}, {limit})"
    elif row.charge == "charged":
        hour = "an unknown amount" if row.hour is None else usd(row.hour)
        said = f"charged {hour} an hour ({price}, {limit})"
    elif row.charge == "waits" and row.wins:
        said = f"charged nothing until the next auction, which its limit wins ({now}, {limit})"
    elif row.charge == "waits":
        said = f"charged nothing: {waiting(row.last_price, row.to_win, row.bid.limit)}"
    elif row.charge == "unknown":
        said = f"whether it is charged is unknown ({now}, {limit})"
    else:
        said = f"charged nothing: {'paused' if row.charge == 'paused' else 'ended'} ({limit})"
    return said


def _raised(row: BidRow) -> list[str]:
    """From what the watch has raised its limit, where it has."""
    if row.raised_from is None:
        return []
    was = f"raised by watch from {usd(row.raised_from)} per instance-hour"
    return [f"{was}; `flowplan plan` says whether an apply leaves it so"]


def waiting(price: Decimal | None, least: Decimal | None, limit: Decimal | None) -> str:
    """What a bid with `limit` waits for, that has not won yet. `price`: the last one of its auction; `least`: the
    lowest limit that wins now. In dollars per instance-hour, None where unknown."""
    why = "" if least is None else f", because winning takes a limit of {usd(least)}"
    now = "price unknown" if price is None else f"{usd(price)} per instance-hour now"
    return f"it waits{why} ({now}, limit {usd(limit)})"


def _paid(row: BidRow) -> str:
    return f"{usd(row.paid)} paid so far" if row.paid is not None else "paid so far: unknown"


def _lifetime(row: BidRow, life: Life) -> str:
    """When it ends, with what is left, or that it should have ended; and what ends it."""
    how, until = _how_it_ends(row, life)
    if life.over is None:
        return f"{how}; {until}"
    ends = until if life.guard is not None else f"it {until} this cancels it: {shown(life.ended_by or '')}"
    return f"its lifetime is over: {how}; {ends}"


def _lifetimes(rows: Sequence[BidRow], life: Life) -> str:
    """The same of several that are alike, of which `life` is the first."""
    how, until = _how_it_ends(rows[0], life)
    if life.over is None:
        return f"each {how}; {until}"
    ends = until
    if life.guard is None and len(rows) <= _NAMED:
        commands = ended_by(row.life for row in rows if row.life is not None)
        ends = f"each {until} this cancels them: {'; '.join(map(shown, commands))}"
    elif life.guard is None:
        ends = f"each {until} `flowplan apply` cancels them; --verbose shows the command for each"
    return f"the lifetime of each is over: {how}; {ends}"


def _how_it_ends(row: BidRow, life: Life) -> tuple[str, str]:
    """When it ends, or why its lifetime is over; and what that waits for. One that is paused does not run."""
    runs = row.charge != "paused"
    ends = life.over if life.over is not None else ", or ".join(_ends(life.bounds, life.left))
    if life.guard is not None:
        kept = f"{shown(life.guard.by)} keeps it{' running' if runs else ''}"
        return (ends, f"{kept}: {shown(life.guard.lift)}") if life.over is not None else (f"would end {ends}", kept)
    if life.over is not None:
        return ends, "runs on until" if runs else "stays until"
    return f"ends {ends}", "only a flowplan run cancels it"


def _ends(bounds: Bounds, left: Left) -> Iterator[str]:
    unknown = "what is left is unknown: it may be over"
    if bounds.max_hours is not None:
        rest = unknown if left.running is None else f"{lasting(float(left.running))} left"
        yield f"after {lasting(float(bounds.max_hours))} of running ({rest})"
    if bounds.max_cost is not None:
        rest = unknown if left.paid is None else f"{usd(left.paid)} left"
        yield f"once it has cost {usd(bounds.max_cost)} ({rest})"
    if bounds.end_at is not None and left.hours is not None:
        yield f"at {bounds.end_at:%Y-%m-%d %H:%M} UTC (in {lasting(float(left.hours))})"
    if bounds.cancel_when_done:
        yield "when its script has ended"


def _short(status: str) -> str:
    return shown(status.removeprefix("STATUS_").lower())


_PLAIN = regex(r"[\w.:%-]+", re.ASCII)  # nothing of it means anything to a shell


def ssh_command(destination: str | None) -> str:
    """What to type: the API gives `host`, `host:port`, `[v6]:port`, or an IPv6 address alone."""
    if not destination:
        return ""
    host, port = _host_and_port(destination)
    if not _PLAIN.fullmatch(host) or not (port.isdecimal() and port.isascii() and 0 < int(port[:6]) < 65536):
        return f"  ssh unknown: its address is '{shown(destination)}'"
    return f"  ssh {f'-p {port} ' if port != '22' else ''}ubuntu@{host}"


def _host_and_port(destination: str) -> tuple[str, str]:
    if destination.startswith("["):
        host, _, rest = destination[1:].partition("]")
        return host, rest.removeprefix(":") or "22"
    if destination.count(":") > 1:
        return destination, "22"
    host, _, port = destination.partition(":")
    return host, port or "22"


def said_of(row: BidRow) -> list[str]:
    """What is charged for a bid, that its limit was raised, what was paid, and when it ends: a sentence each."""
    raised = [f"limit {one}" for one in _raised(row)]
    return [_charge(row), *raised, _paid(row), *([] if row.life is None else [_lifetime(row, row.life)])]


def said_in_all(found: Status) -> list[str]:
    """What is paid an hour, and what was paid so far: a sentence each."""
    paid = [_paid_in_all(found, [[row] for row in found.bids])] if found.bids else []
    return [_total(found), *paid, *said_over_life(found)]


def said_over_life(found: Status) -> list[str]:
    """What was paid with the bids that the stack has no longer: a sentence, where it had some."""
    life = " ".join(line.strip() for line in _paid_over_life(found, PLAIN))
    return [life] if life else []


def present(row: BidRow) -> list[tuple[str, str, str]]:
    """The instances that are there: name, status, and what to type to reach it, "" where that is not known yet."""
    return [(one.name, _short(one.status), ssh_command(one.ssh_destination).strip()) for one in row.present]

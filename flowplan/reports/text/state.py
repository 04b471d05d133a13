"""The state, and what was done to it -> text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flowplan.documents.plan import plain
from flowplan.documents.ports import ranges
from flowplan.documents.state import AfterRecovery, Kept, Migrated, Pushed, Rekeyed
from flowplan.model.address import Address, in_order
from flowplan.model.lifecycle import Bounds
from flowplan.names import ranges as in_ranges
from flowplan.pricing.units import usd
from flowplan.printable import shown
from flowplan.reports.text.fields import value_of
from flowplan.reports.text.paint import LONGEST_LINE, Paint, listed, wrapped
from flowplan.reports.text.rows import beside
from flowplan.state.moving import command_word
from flowplan.state.restored import Restored
from flowplan.state.state import CANCELLED, DONE, Binding


def whole(found: Kept, paint: Paint) -> str:
    """Every resource, and what is in doubt."""
    state, pending = found.state, found.pending
    if not state.bindings and not pending:
        return "The state is empty: flowplan has made nothing here.\n"
    head = f"stack {shown(state.stack)}, project {shown(state.project_name)}, serial {state.serial}"
    each = (one(state.bindings[address], paint.width) for address in sorted(state.bindings, key=in_order))
    parts = ["\n".join(listed(head, "", "  ", paint.width)), *each]
    parts += [f"in doubt: {shown(intent.op)} of {shown(str(intent.address))}" for intent in pending]
    return "\n\n".join(parts) + "\n"


def addresses(found: Sequence[Binding], _: Paint) -> str:
    """The addresses, one per line."""
    ordered = sorted(found, key=lambda one: in_order(one.address))
    return "".join(f"{shown(str(one.address), LONGEST_LINE)}\n" for one in ordered)


def resource(found: Binding, paint: Paint) -> str:
    """One resource as it was last applied."""
    return f"{one(found, paint.width)}\n"


def one(binding: Binding, columns: int) -> str:
    """One resource as it was last applied."""
    lines = wrapped(f"{shown(str(binding.address))} ({shown(binding.id)})", "", "  ", columns)
    rows: list[tuple[str, str]] = []
    data: Any = plain(binding.applied)
    if binding.address.kind == "ports":
        rows = [("", text) for text in ranges(data)]
    else:
        rows = [(name, _field(data, name)) for name, value in data.items() if value not in (None, [], "")]
    if binding.raised_from is not None:
        rows.append(("raised_from", f"{binding.raised_from:.2f} by watch, per instance-hour"))
    rows += [("lifetime", ", ".join(_ends(binding.lifetime)))] if binding.lifetime is not None else []
    rows += [("needs", ", ".join(shown(str(need)) for need in binding.needs))] if binding.needs else []
    rows += [("source", shown(binding.source.removeprefix("./")))] if binding.source else []
    rows += [("prevent_destroy", shown(binding.protected.removeprefix("./")))] if binding.protected else []
    rows += [("protected_by", f"{shown(binding.protected_by)}, in the policies")] if binding.protected_by else []
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        lines += beside(value, f"    {name:<{width}} = ", columns) if name else [f"    {value}"]
    return "\n".join(lines)


def _ends(bounds: Bounds) -> Iterator[str]:
    """What ends it, by the keys of a file."""
    if bounds.max_hours is not None:
        yield f"max_hours {bounds.max_hours.normalize():f}"
    if bounds.max_cost is not None:
        yield f"max_cost {usd(bounds.max_cost)}"
    if bounds.end_at is not None:
        yield f"end_at {bounds.end_at:%Y-%m-%d %H:%M} UTC"
    if bounds.cancel_when_done:
        yield "when_done cancel"


def _field(data: Mapping[str, Any], name: str) -> str:
    """Money and a script as a plan shows them; all else as it is kept, ids included."""
    return value_of(data, name) if name in ("limit_price", "startup_script") else _value(data[name])


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{shown(key)} {shown(str(one))}" for key, one in value.items() if one is not None)
    if isinstance(value, list):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    return str(value).lower() if isinstance(value, bool) else shown(str(value))


# ---- what was done to it: a sentence each


def released(left: Binding, paint: Paint) -> str:
    """What `state rm` did, and what the state said of the object: it has not looked at it."""
    known = {**DONE, CANCELLED: "was cancelled by flowplan"}.get(left.ended)
    if known is not None:
        said = f"is released; it {known}"
    elif left.address.kind == "ports":
        said = "is released; what is open stays open"
    else:
        said = "is released; flowplan has not looked at it: if it still exists, it still costs money"
    return _sentence(f"{left.address} ({left.id}) {said}.", paint)


def released_notes(left: Binding) -> Iterator[str]:
    """What else went with what `state rm` released."""
    if left.ended in DONE:
        yield f"that {left.address} is done is no longer recorded: if a file names it, the next apply places it again"


def moved(moves: Mapping[Address, Address], paint: Paint) -> str:
    """What `state mv` did."""
    return "".join(_sentence(f"{old} is now {new}.", paint) for old, new in moves.items())


def pushed(done: Pushed, paint: Paint) -> str:
    """What `state push` did."""
    return _sentence(f"The state is now that of {done.name}, with serial {done.found.state.serial}.", paint)


def recovered(done: AfterRecovery, paint: Paint) -> str:
    """What `recover` did: of what was cancelled, it has said so already."""
    if done.rebuilt:
        there = done.state.bindings
        held = [_sentence(f"{one}  {there[one].id}", paint) for one in sorted(there, key=in_order)]
        shows = "flowplan status shows what it costs" if done.without_files else "flowplan plan shows what differs"
        last = f"The state of stack {done.state.stack} is rebuilt; {shows}."
        return "".join([*held, _sentence(last, paint)])
    return _sentence("Nothing is in doubt.", paint) if done.nothing else ""


def rekeyed(done: Rekeyed, paint: Paint) -> str:
    """What `state rekey` did."""
    who = "with the passphrase" if done.recipients == ("passphrase",) else f"for {', '.join(done.recipients)}"
    form, written = f"encrypted {who}" if done.recipients else "in the clear", len(done.versions.written)
    kept = f"; {written} version{' was' if written == 1 else 's were'} written again"
    said = [f"The state is {form}, with serial {done.state.serial}{kept * bool(written)}."]
    if not done.recipients:
        said.append("Unset the variables of the key: with one, a state in the clear is refused.")
    if done.versions.unread:
        which, one = _serials(done.versions.unread), len(done.versions.unread) == 1
        left = ("it was", "opens it or it is") if one else ("they were", "opens them or they are")
        said.append(f"Left as {left[0]}, because no key that is given {left[1]} damaged: {which}.")
    if done.dropped:
        it = "it" if len(done.dropped) == 1 else "them"
        said.append(f"Kept no more, because there is no room for {it}: {_serials(done.dropped)}.")
    return _sentence(" ".join(said), paint)


def _serials(found: Sequence[int]) -> str:
    return f"version{'' if len(found) == 1 else 's'} {', '.join(in_ranges(map(str, found), 'to'))}"


def migrated(found: Migrated, paint: Paint) -> str:
    """What `state migrate` did."""
    state, count = found.state, len(found.state.bindings)
    what = f"{count} resource{'' if count == 1 else 's'}, serial {state.serial}"
    has = f"has moved already to {found.to}" if found.already else f"has moved from {found.source} to {found.to}"
    lines = [f"The state {has}: {what}, {found.versions} version{'' if found.versions == 1 else 's'}."]
    if found.pending:
        went = f"{found.pending} operation{' is' if found.pending == 1 else 's are'} in doubt"
        lines.append(f"{went}, as before: the next apply settles that, or flowplan recover.")
    return "".join(_sentence(line, paint) for line in lines)


def migrated_notes(found: Migrated) -> Iterator[str]:
    """What to do once a state has moved."""
    if not found.named:
        where = found.typed or found.to
        yield f"say where it is: `state: {where}` in the stack file, FLOWPLAN_STATE, or --state {command_word(where)}"


def restored(found: Restored, paint: Paint) -> str:
    """What `state restore` did."""
    what = "that of the backup" if found.of_backup else f"the one in {found.name}"
    return _sentence(f"The state is now {what}, with serial {found.state.serial}.", paint)


def _sentence(text: str, paint: Paint) -> str:
    return "\n".join(wrapped(paint.typed(text), "", "  ", paint.width)) + "\n"


def restored_notes(found: Restored) -> Iterator[str]:
    """What there is to know about a restored state."""
    for name in found.damaged:
        yield f"the damaged file is kept as {name}"
    for id, doubled in found.doubled.items():
        take = " or ".join(f"flowplan import {address.word} {id}" for address in doubled)
        yield (
            f"{id} was recorded as {' and as '.join(map(str, doubled))}, so both records are left out. "
            f"flowplan finds a bid by its marker; import a volume with {take}"
        )
    yield "flowplan plan shows what differs; it finds bids placed since then by their marker"

"""What a plan destroys -> lines beside its counts: what must not be overlooked, in so few lines that the end of a plan
fits a screen. Each address stands in the plan above."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flowplan.names import runs, spelled
from flowplan.printable import natural, shown
from flowplan.reports.text.paint import Paint, wrapped

if TYPE_CHECKING:
    from flowplan.documents.shapes.plan import Entry

_FEW = 5  # so many have a line each
_LINES = 2  # of one kind


def destroys(entries: Sequence[Entry], paint: Paint) -> str:
    """What goes, data first."""
    lines = _each(entries, paint) if len(entries) <= _FEW else _by_kind(entries, paint)
    return "\n".join([paint("Destroys:", "red"), *lines])


def _each(entries: Sequence[Entry], paint: Paint) -> list[str]:
    found = sorted(entries, key=lambda one: (one["type"] != "volume", natural(one["address"])))
    return [
        f"  {paint.symbol('-')} {shown(one['address'])}"
        f"{' and its data' if one['type'] == 'volume' else ''}{' (replaced)' if _is_replaced(one) else ''}"
        for one in found
    ]


def _is_replaced(entry: Entry) -> bool:
    return "create" in entry["change"]["actions"]


def _by_kind(entries: Sequence[Entry], paint: Paint) -> list[str]:
    kinds: dict[tuple[bool, str, bool], list[str]] = {}
    for one in entries:
        kind = (one["type"] != "volume", one["type"], _is_replaced(one))
        kinds.setdefault(kind, []).append(shown(one["address"]))
    return [line for (_, kind, again), found in sorted(kinds.items()) for line in _kind(kind, again, found, paint)]


def _kind(kind: str, again: bool, addresses: Sequence[str], paint: Paint) -> list[str]:
    """One kind, with as many addresses as have room."""
    one = len(addresses) == 1
    noun = "ports of " + ("1 task" if one else f"{len(addresses)} tasks") if kind == "ports" else ""
    noun = noun or f"{len(addresses)} {kind}{'' if one else 's'}"
    data = "" if kind != "volume" else " and its data" if one else " and their data"
    first = f"{noun}{data}{' (replaced)' if again else ''}: "
    room = _LINES * (paint.width - len("    ")) - len(first) - len(" and 100,000 more, each shown above")
    names: list[str] = []
    more = len(addresses)
    for run in runs(addresses):
        text = spelled(run, paint.dots)
        room -= sum(len(name) + len(", ") for name in text)
        if names and room < 0:
            break
        names, more = [*names, *text], more - len(run)
    rest = f" and {more:,} more, each shown above" if more else ""
    return wrapped(f"{first}{', '.join(names)}{rest}", f"  {paint.symbol('-')} ", "    ", paint.width)

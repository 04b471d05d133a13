"""Who holds the lock -> text."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from flowplan.documents.lock import Lock
from flowplan.model.owner import Owner
from flowplan.printable import shown
from flowplan.reports.text.paint import LONGEST_LINE, Paint, wrapped

if TYPE_CHECKING:
    from flowplan.documents.shapes.lock import Standing

_STANDINGS: Mapping[Standing, str] = MappingProxyType(
    {
        "held": "held",
        "unseen": "held, according to its file",
        "dead": "left behind by a dead run; the next command takes it over",
        "alive": "held by a live process",
        "unknown": "held by a run that this machine cannot check",
    }
)


def text(found: Lock, paint: Paint) -> str:
    """What became of the run that it names, and who that is."""
    if found.holder is None:
        return "Nobody holds the lock.\n"
    head = shown(f"The lock {found.name} is {_STANDINGS[found.standing]}:", LONGEST_LINE)
    said = (wrapped(line, "", " " * 11, paint.width) for line in found.holder.describe().splitlines())
    return "\n".join([*wrapped(head, "", "  ", paint.width), *(line for lines in said for line in lines)]) + "\n"


def broken(holder: Owner) -> str:
    """What `force-unlock` did."""
    return f"The lock of {holder.who} since {holder.since} is broken."

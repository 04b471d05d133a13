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
_WATCHERS: Mapping[Standing, str] = MappingProxyType(
    {
        "held": "This state is watched",
        "unseen": "This state is watched, according to its lock",
        "dead": "This state was watched by a run that is dead; the next `flowplan watch` takes over",
        "alive": "This state is watched by a live process",
        "unknown": "This state is watched by a run that this machine cannot check",
    }
)


def text(found: Lock, paint: Paint) -> str:
    """What became of the run that it names, and who that is; the same of who watches, if anybody does."""
    lines = ["Nobody holds the lock."]
    if found.untold is not None:
        lines = wrapped(f"No run of flowplan holds the lock. {found.untold}", "", "  ", paint.width)
    if found.holder is not None:
        lines = _named(f"The lock {found.name} is {_STANDINGS[found.standing]}:", found.holder, paint)
    watcher = found.watcher
    if watcher is not None and watcher.holder is not None:
        lines += ["", *_named(f"{_WATCHERS[watcher.standing]}:", watcher.holder, paint)]
    return "\n".join(lines) + "\n"


def _named(head: str, holder: Owner, paint: Paint) -> list[str]:
    said = (wrapped(line, "", " " * 11, paint.width) for line in holder.describe().splitlines())
    return [*wrapped(shown(head, LONGEST_LINE), "", "  ", paint.width), *(line for lines in said for line in lines)]


def broken(holder: Owner) -> str:
    """What `force-unlock` did."""
    return f"The lock of {holder.who} since {holder.since} is broken."

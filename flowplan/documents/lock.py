"""Who holds the lock -> a document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from flowplan.model.owner import Owner

if TYPE_CHECKING:
    from flowplan.documents.shapes.lock import Holder, LockDocument, Standing


@frozen
class Lock:
    """What a lock says, by the `name` that messages have for it; `holder` None: nobody has left a name in it."""

    name: str
    standing: Standing
    holder: Owner | None = None


def document(found: Lock) -> LockDocument:
    """The lock, and the run that it names."""
    return {
        "format_version": "1.0",
        "lock": found.name,
        "standing": found.standing,
        "holder": None if found.holder is None else _holder(found.holder),
    }


def _holder(owner: Owner) -> Holder:
    return {
        "id": owner.id,
        "who": owner.who,
        "host": owner.host,
        "pid": owner.pid,
        "command": owner.command,
        "since": owner.since,
        "ci": owner.ci,
    }

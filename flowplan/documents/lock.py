"""Who holds the lock -> a document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowplan.classes import frozen
from flowplan.model.owner import Owner

if TYPE_CHECKING:
    from flowplan.documents.shapes.lock import Holder, LockDocument, Standing


@frozen
class Lock:
    """What a lock says, by the `name` that messages have for it; `holder` None: nobody has left a name in it.
    `watcher`: what the one of the state's watcher says, beside that of the state. `untold`: why it may be held although
    it names nobody; None: there is no such doubt."""

    name: str
    standing: Standing
    holder: Owner | None = None
    watcher: Lock | None = None
    untold: str | None = None


def document(found: Lock) -> LockDocument:
    """The lock, and the run that it names; and the `flowplan watch` of this state."""
    watcher = found.watcher or Lock("", "nobody")
    made: LockDocument = {
        "format_version": "1.0",
        "lock": found.name,
        "standing": found.standing,
        "holder": _holder(found.holder),
        "watcher": {"standing": watcher.standing, "holder": _holder(watcher.holder)},
    }
    if found.untold is not None:
        made["untold"] = found.untold
    return made


def _holder(owner: Owner | None) -> Holder | None:
    if owner is None:
        return None
    return {
        "id": owner.id,
        "who": owner.who,
        "host": owner.host,
        "pid": owner.pid,
        "command": owner.command,
        "since": owner.since,
        "ci": owner.ci,
    }

"""Show who holds the lock, and break the lock of a dead run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowplan.backends.processes import fate_of
from flowplan.documents.lock import Lock
from flowplan.errors import StateError
from flowplan.model.owner import Owner

if TYPE_CHECKING:
    from flowplan.documents.shapes.lock import Standing
    from flowplan.operations.session import Session


def look(session: Session) -> Lock:
    """The lock and the run that it names. What keeps this process from seeing whether it is held is noted."""
    lock = session.store.lock
    holder = lock.holder()
    if holder is None:
        return Lock(lock.name, "nobody")
    return Lock(lock.name, _standing(session, holder), holder)


def _standing(session: Session, holder: Owner) -> Standing:
    try:
        if session.store.lock.held():
            return "held"
    except StateError as error:  # the holder it names is shown anyway
        session.listener.note(str(error))
        return "unseen"
    return fate_of(holder, session.owner())


def force_unlock(session: Session, id: str) -> Owner:
    """Break the lock of the run `id`, and return that. Raises FlowplanError where another holds it, or nobody, or a run
    that is alive; StateError."""
    return session.store.lock.break_(id, session.owner())

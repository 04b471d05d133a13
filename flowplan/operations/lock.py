"""Show who holds the lock and who watches, and break the lock of a dead run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from flowplan.backends.processes import fate_of
from flowplan.documents.lock import Lock
from flowplan.errors import FlowplanError, StateError
from flowplan.model.owner import Owner

if TYPE_CHECKING:
    from flowplan.backends.store import StateLock
    from flowplan.documents.shapes.lock import Standing
    from flowplan.operations.opening.session import Session


def look(session: Session) -> Lock:
    """The lock and the run that it names, and the same of the state's watcher. What keeps this process from seeing
    whether it is held is noted."""
    store = session.store
    return attrs.evolve(_look(session, store.lock), watcher=_watcher(session, store.watch_lock))


def _look(session: Session, lock: StateLock) -> Lock:
    holder = lock.holder()
    if holder is None:
        return Lock(lock.name, "nobody", untold=lock.untold())
    return Lock(lock.name, _standing(session, lock, holder), holder)


def _watcher(session: Session, lock: StateLock) -> Lock | None:
    """None: it cannot be seen, which is noted; who holds the state's lock is shown anyway."""
    try:
        return _look(session, lock)
    except StateError as error:
        session.listener.note(f"who watches cannot be seen: {error}")
        return None


def _standing(session: Session, lock: StateLock, holder: Owner) -> Standing:
    try:
        if lock.held():
            return "held"
    except StateError as error:  # the holder it names is shown anyway
        session.listener.note(str(error))
        return "unseen"
    return fate_of(holder, session.owner())


def force_unlock(session: Session, id: str) -> Owner:
    """Break the lock of the run `id`, be it the state's or that of its watcher, and return that run. Raises
    FlowplanError where another holds it, or nobody, or a run that is alive; StateError."""
    store, here = session.store, session.owner()
    try:
        return store.lock.break_(id, here)
    except FlowplanError as error:
        try:
            return store.watch_lock.break_(id, here)
        except FlowplanError as of_the_watcher:
            raise (of_the_watcher if _names(store.watch_lock, id) else error) from None


def _names(lock: StateLock, id: str) -> bool:
    try:
        holder = lock.holder()
    except StateError:
        return False
    return holder is not None and holder.id == id

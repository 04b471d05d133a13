"""The versions of a state: list them, and put one back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from flowplan.documents.history import History
from flowplan.errors import FlowplanError, GuardRefused, StateError
from flowplan.printable import shown
from flowplan.state.codec import RESTORE
from flowplan.state.history import PutBack, put_back
from flowplan.state.moving import hold_in_use

if TYPE_CHECKING:
    from flowplan.backends.store import Loaded
    from flowplan.operations.opening.session import Session
    from flowplan.state.state import Binding, State


def history(session: Session) -> History:
    """The versions of the state here, the newest first; also of one that is lost or damaged. Raises StateError."""
    store = session.store
    try:
        loaded = store.read()
        lineage, serial = (None, None) if loaded.fresh else (loaded.state.lineage, loaded.state.serial)
    except StateError:
        lineage = serial = None
    versions = store.versions()
    if lineage is None and versions:
        lineage = versions[-1].lineage
    return History(
        store.name, serial, tuple(one for one in reversed(versions) if one.lineage == lineage), lineage=lineage
    )


def restore(session: Session, serial: int, *, force: bool = False) -> PutBack:
    """Make version `serial` the state. `force`: also where flowplan would no longer know objects that are in the state
    by then. Raises GuardRefused with those, StateError for a version that is not there or does not read."""
    with session.changing():
        store = session.store
        loaded = _loaded(session, serial, force=force)
        _hold_settled(loaded)
        lineage = _lineage(session, loaded)
        version = store.version(lineage, serial)
        if version.moved_to:
            raise StateError(
                f"version {serial} is what was left at {store.name} when the state moved to {shown(version.moved_to)}",
                hint="`flowplan state history` lists the versions",
            )
        version = attrs.evolve(version, moving_from="")  # one that was kept while it was still arriving
        now = last_known(session, loaded, lineage)
        if version.serial == now.serial and version.bindings == now.bindings and not loaded.fresh:
            raise FlowplanError(f"the state is version {serial}; nothing was restored")
        found = put_back(version, now)
        if not force:
            hold_nothing_forgotten(found, f"version {serial}")
        state = found.state.as_put_back() if loaded.fresh else found.state
        saved = session.save(state, before=now.bindings, stated=True)
        return attrs.evolve(found, state=saved)


def _loaded(session: Session, serial: int, *, force: bool) -> Loaded:
    """The state; with `force`, a fresh start in the place of one that nothing mends, which is set aside."""
    store = session.store
    try:
        loaded = store.read()
    except StateError as error:
        versions = store.versions()
        if error.hint == RESTORE or not versions:
            raise
        session.hold_not_moved()
        if not force:
            error.hint = (
                f"{error.hint}; `flowplan state restore {serial} --force` restores that version without the journal"
            )
            raise
        store.version(versions[-1].lineage, serial)  # before anything is moved
    else:
        hold_in_use(loaded.state, store.name)
        if loaded.fresh:
            session.hold_not_moved()
        return loaded
    for path in store.begin_anew():
        session.listener.note(f"set aside as {path}")
    return store.fresh()


def _hold_settled(loaded: Loaded) -> None:
    if loaded.pending:
        raise StateError(
            "an operation of an earlier run is in doubt; this would lose its intent",
            hint="run `flowplan recover` first",
        )


def _lineage(session: Session, loaded: Loaded) -> str:
    """That of the state here; where there is none, that of the newest version."""
    if not loaded.fresh:
        return loaded.state.lineage
    versions = session.store.versions()
    if not versions:
        raise StateError(f"no versions of {session.store.name} are kept", hint=None)
    return versions[-1].lineage


def last_known(session: Session, loaded: Loaded, lineage: str) -> State:
    """What is known of the stack by now: the state, or the newest version of one that is lost. Raises StateError for a
    version that does not read."""
    if not loaded.fresh:
        return loaded.state
    serials = [one.serial for one in session.store.versions() if one.lineage == lineage]
    return session.store.version(lineage, max(serials)) if serials else loaded.state


def hold_nothing_forgotten(found: PutBack, name: str, *, lost: bool = False) -> None:
    """Raise GuardRefused where putting `name` in the place of the state forgets what that holds, with each. `lost`:
    there is no state, and the newest version that is kept of it counts."""
    forgotten = found.forgotten
    if not forgotten:
        return
    one = len(forgotten) == 1
    count, them, they = (f"{len(forgotten)} resource{'' if one else 's'}", *(("it", "it") if one else ("them", "they")))
    costly = [binding for binding in forgotten if not binding.ended]
    who = they if len(costly) == len(forgotten) else f"{len(costly)} of them"
    billed = f", and {who} would still cost money" if costly else ""
    what = "the newest version of the state holds" if lost else "the state holds"
    raise GuardRefused(
        f"{name} does not hold {count} that {what} now; flowplan would forget {them}{billed}",
        code="would-forget",
        detail=listed(forgotten),
        hint="--force puts it in place anyway; then `flowplan plan` finds bids by their marker, and "
        "`flowplan import` takes a volume back",
    )


def listed(forgotten: Iterable[Binding]) -> str:
    """What is forgotten, a line each, and what of it has ended."""
    return "\n".join(f"  {one.address} ({one.id}){', which has ended' * bool(one.ended)}" for one in forgotten)

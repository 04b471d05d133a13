"""The versions of a state: list them, and put one back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from flowplan.backends.store import UNKNOWN_SINCE, UNREADABLE, last_readable, without_newest
from flowplan.documents.history import History
from flowplan.errors import Damaged, FlowplanError, GuardRefused, StateError, Unread
from flowplan.operations.opening.loading import has_begun_none, hold_not_moved
from flowplan.operations.opening.saving import save_state
from flowplan.printable import shown
from flowplan.state.history import PutBack, Version, put_back
from flowplan.state.moving import hold_in_use
from flowplan.state.seal import Unopened

if TYPE_CHECKING:
    from flowplan.backends.store import Loaded, Store
    from flowplan.operations.opening.session import Session
    from flowplan.state.state import Binding, State


def history(session: Session) -> History:
    """The versions of the state here, the newest first; also of one that is lost or damaged. Raises StateError."""
    store = session.store
    unsaved = None
    try:
        loaded = store.read()
        lineage, serial = (None, None) if loaded.fresh else (loaded.state.lineage, loaded.state.serial)
        unsaved = len(loaded.state.bindings) if loaded.journaled else None
    except StateError:
        lineage = serial = None
    versions = store.versions()
    if lineage is None and versions:
        lineage = versions[-1].lineage
    if unsaved is not None:
        session.listener.note(
            f"a run has done more since, and has not saved it: there {'is' if unsaved == 1 else 'are'} {unsaved}"
            f" resource{'' if unsaved == 1 else 's'} now, and the next run that saves makes a version of that"
        )
    found = tuple(one for one in reversed(versions) if one.lineage == lineage)
    return History(store.name, serial, found, lineage=lineage, unsaved=unsaved)


def restore(session: Session, serial: int, *, force: bool = False) -> PutBack:
    """Make version `serial` the state. `force`: also where flowplan would no longer know objects that are in the state
    by then, or newer versions do not read, so that these are not known. Raises GuardRefused with those objects,
    StateError for a version that is not there or does not read; then nothing is moved."""
    if has_begun_none(session):  # what is refused leaves no lock there
        with session.looking():
            found = _loaded(session, serial, force=force)
            if found is not None and found.fresh:
                session.store.version(_lineage(session, found), serial)
    with session.changing():
        store = session.store
        there = _loaded(session, serial, force=force)
        loaded = there or store.fresh()
        _hold_settled(loaded)
        lineage = _lineage(session, loaded)
        version = store.version(lineage, serial)
        if version.moved_to:
            raise StateError(
                f"version {serial} is what was left at {store.name} when the state moved to {shown(version.moved_to)}",
                hint="`flowplan state history` lists the versions",
            )
        version = attrs.evolve(version, moving_from="")  # one that was kept while it was still arriving
        now = last_known(session, loaded, lineage, force=force)
        if version.serial == now.serial and version.bindings == now.bindings and not loaded.fresh:
            raise FlowplanError(f"the state is version {serial}; nothing was restored")
        made = put_back(version, now)
        if not force:
            hold_nothing_forgotten(made, f"version {serial}")
        state = made.state
        if loaded.fresh:
            serial = max(state.serial, newest_serial(session, loaded, lineage))
            state = attrs.evolve(state, serial=serial).as_put_back()
        if there is None:
            for path in store.begin_anew():
                session.listener.note(f"set aside as {path}")
        saved = save_state(session, state, before=now.bindings if loaded.fresh else loaded.before, stated=True)
        return attrs.evolve(made, state=saved)


def _loaded(session: Session, serial: int, *, force: bool) -> Loaded | None:
    """The state; None: nothing mends it, and with `force` a version takes its place."""
    store = session.store
    try:
        loaded = store.read()
    except StateError as error:
        versions = store.versions()
        mends = isinstance(error, Damaged) and error.restorable and not error.otherwise
        if not versions or mends:  # `state restore` mends it, and loses nothing
            raise
        hold_not_moved(session)
        if not force:
            error.hint = "; ".join(filter(None, [error.hint, _forced(store, versions[-1].lineage, serial)]))
            raise
        if isinstance(error, Unopened) and store.form.seal is None:
            session.listener.note("what is restored is not encrypted, because no key is given")
        return None
    hold_in_use(loaded.state, store.name)
    if loaded.fresh:
        hold_not_moved(session)
    return loaded


def _forced(store: Store, lineage: str, serial: int) -> str:
    """Which version `--force` restores: that of `serial`, or the newest that reads in its place."""
    try:
        store.version(lineage, serial)
    except StateError:
        reads = last_readable(store)
        if reads is None:
            return UNREADABLE
        serial = reads.serial
    return f"`flowplan state restore {serial} --force` restores version {serial} without the journal; {UNKNOWN_SINCE}"


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


def last_known(session: Session, loaded: Loaded, lineage: str, *, force: bool = False) -> State:
    """What is known of the stack by now: the state, or the newest version of one that is lost. Raises StateError for a
    version that does not read; with `force` the newest that reads stands for it, and that is noted."""
    if not loaded.fresh:
        return loaded.state
    found, unread = loaded.state, None
    for one in _newest_first(session, lineage):
        try:
            found = session.store.version(lineage, one.serial)
            break
        except Unread:
            raise
        except StateError as error:
            if not force:
                error.hint = without_newest(session.store, error)
                raise
            unread = unread or _unknown(one, error)
    if unread:
        since = f"after version {found.serial} " if found.serial else ""
        session.listener.note(f"{unread}; what was created {since}may still cost money")
    return found


def _newest_first(session: Session, lineage: str) -> list[Version]:
    return [one for one in reversed(session.store.versions()) if one.lineage == lineage]


def _unknown(newest: Version, error: StateError) -> str:
    """What is known of a version that does not read, a clause."""
    held = f"{newest.resources} resource{'' if newest.resources == 1 else 's'}"
    saved = f", saved {newest.change.at} by {shown(newest.change.who)}" if newest.change else ""
    return f"what version {newest.serial}, the newest ({held}{saved}), held is not known: {error}"


def newest_serial(session: Session, loaded: Loaded, lineage: str) -> int:
    """The highest serial of the versions of a state that is lost, also of those that do not read; 0: none is kept, or
    the state is there."""
    return max((one.serial for one in _newest_first(session, lineage)), default=0) if loaded.fresh else 0


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

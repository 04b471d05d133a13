"""The state as an operation loads it: of the right API, not lost, nor moved elsewhere, its files named from its own
directory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import attrs

from flowplan.errors import GuardRefused, NotInUse, StateError

if TYPE_CHECKING:
    from flowplan.backends.store import Loaded
    from flowplan.operations.opening.session import Session
    from flowplan.state.records import Intent
    from flowplan.state.state import Binding

FromFile = TypeVar("FromFile", "Binding", "Intent")
_ANEW = "`flowplan apply --init` starts a new state"


def load_state(session: Session, *, removes: bool = False) -> Loaded:
    """The state, which must belong to this API. Raises StateError as `load_of_any_api` does, GuardRefused."""
    loaded = load_of_any_api(session, removes=removes)
    if not session.is_changing:
        _note_under_way(session, loaded)
    recorded = loaded.state.api_url
    if recorded and recorded != session.settings.api_url:
        raise GuardRefused(
            f"this state belongs to {recorded}, not to {session.settings.api_url}",
            code="other-endpoint",
            hint=f"give --api-url {recorded}, or another --state for the other API",
        )
    return _placed(session, loaded)


def load_of_any_api(session: Session, *, removes: bool = False) -> Loaded:
    """The state, whatever API it belongs to. `removes`: for a command that only takes away. Raises StateError, also
    for one that is gone although a version of it had resources, and where there is none, while this directory has
    used another one that is still there."""
    loaded = session.read()
    if loaded.fresh:
        hold_not_lost(session)
        session.elsewhere.hold(removes=removes, warn=session.warn_once, note=session.note_once)
    else:
        session.elsewhere.note(loaded.state, len(loaded.pending), looked=True)
        if removes and loaded.empty:
            session.elsewhere.tell(session.warn_once)
    return loaded


def has_begun_none(session: Session) -> bool:
    """Whether a server has no state where this one is to be, as at a URL with a slip in it: its lock would begin one.
    One that cannot be read is none of these. Raises as `hold_changeable` does."""
    session.hold_changeable()
    try:
        with session.looking():
            return session.store.untouched()
    except StateError:
        return False


def has_none(session: Session) -> bool:
    """Whether there is no state now. One that cannot be read is none of these."""
    try:
        return session.store.read().fresh
    except StateError:
        return False


def _note_under_way(session: Session, loaded: Loaded) -> None:
    """That somebody else changes things meanwhile, as far as the lock names a run that may be alive; once a run."""
    from flowplan.backends.processes import fate_of

    holder = session.store.lock.holder()
    if holder is None or fate_of(holder, session.owner()) == "dead":
        return
    session.note_once(
        f"{holder.who} is changing things ({holder.command}, since {holder.since}): this is the state as of"
        f" serial {loaded.state.serial}, with what was done since",
        about=f"run {holder.id}",
    )


def _placed(session: Session, loaded: Loaded) -> Loaded:
    """The files in it named from the state's own directory, as earlier versions did not."""
    kept = session.files().kept
    bindings = {a: _with_source(b, kept) for a, b in loaded.state.bindings.items()}
    pending = {id: _with_source(intent, kept) for id, intent in loaded.pending.items()}
    return attrs.evolve(loaded, state=attrs.evolve(loaded.state, bindings=bindings), pending=pending)


def _with_source(of: FromFile, kept: Callable[[str], str]) -> FromFile:
    source = kept(of.source) if of.source else of.source
    return of if source == of.source else attrs.evolve(of, source=source)


def hold_not_lost(session: Session) -> None:
    """Raise NotInUse where there is no state, and the last version of it that was kept is not empty, or says that
    it has moved."""
    from flowplan.backends.store import without_newest

    last = next(reversed(session.store.versions()), None)
    if last is None:
        return
    if not last.resources:
        hold_not_moved(session)
        return
    count = f"{last.resources} resource{'' if last.resources == 1 else 's'}"
    lost = NotInUse(
        f"{session.store.name} is missing, but version {last.serial} of it, with {count}, is kept",
        hint=f"`flowplan state restore {last.serial}` puts that version back; {_ANEW}",
    )
    try:
        session.store.version(last.lineage, last.serial)
    except StateError as error:
        lost.detail = str(error)
        lost.hint = f"{without_newest(session.store, error)}; {_ANEW}"
    raise lost


def hold_not_moved(session: Session) -> None:
    """Raise NotInUse where the last version says that the state has moved from here, whatever became of what was
    left of it."""
    from flowplan.backends.store import left_behind
    from flowplan.state.moving import hold_in_use

    if (left := left_behind(session.store)) is not None:
        hold_in_use(left, session.store.name)

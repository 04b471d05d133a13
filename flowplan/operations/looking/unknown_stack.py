"""Whether a stack whose state is not here is live: told by its name in the markers of bids, which is the one that the
files say, or that of the directory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flowplan.errors import StateError
from flowplan.model.resources import is_named_with, name_at
from flowplan.names import few
from flowplan.operations.opening.sources import readable
from flowplan.printable import shown
from flowplan.state.moving import never_applied
from flowplan.state.state import State

if TYPE_CHECKING:
    from flowplan.backends.store import Loaded
    from flowplan.model.address import Address
    from flowplan.model.live import Live
    from flowplan.operations.opening.session import Session
    from flowplan.planning.plan import Wishes

_NOTHING = "nothing is destroyed"
MOST_NAMED = 10  # bids or stacks, in a message


def hold_known(session: Session, loaded: Loaded, stack: str, live: Live, wishes: Wishes) -> None:
    """Raise StateError where there is no state, and live bids carry the marker of a stack that is called so too, or as
    the files say: who wants to stop paying must not hear that nothing exists. Where the command names the state, or
    there is one, and nothing is in it, that is a warning; so it is where bids of other stacks are live, and the files
    do not say what this one is called: `stack` is the name of a directory then, which may have been another. Nor did
    they say it, perhaps, when a stack of the directory's name was made. Where the state holds something, it may have
    been begun after the one with the rest was lost: that is a warning, of addresses that the files declare
    (none: nobody knows which) and it does not hold."""
    if not loaded.empty:
        _tell_rest(session, loaded.state, stack, live, wishes)
        return
    said = named(session) if loaded.fresh else frozenset({stack})
    found = [(one.id, one.marker) for one in live.bids.values() if one.marker is not None and not one.ended]
    marked = [(id, marker.stack) for id, marker in found if marker.lineage != loaded.state.lineage]
    ids = [id for id, name in marked if name in (said or {stack})]
    if ids:
        what = "is no state" if loaded.fresh else "are no resources"
        called = _called(name for id, name in marked if id in ids)
        text = f"there {what} at {session.store.name}, but {_bids(ids, 'carries', 'carry')} the marker of {called}"
        _say_live(session, text, ids, refused=loaded.fresh and session.chosen.origin != "option")
        return
    here = session.stack_name(State(lineage=""))
    others = [(id, name) for id, name in marked if not said or (name == here and loaded.fresh)]
    if others:
        why = "because the files gave it another name then" if said else "because its directory had another name then"
        session.listener.warn(
            f"{_NOTHING}: there is no state at {session.store.name}, but "
            f"{_bids([id for id, _ in others], 'is', 'are')} of {_called(name for _, name in others)}: if that is this "
            f"one, {why}, give its state with --state; if that is lost, `flowplan recover --from-live` rebuilds it, or "
            "lists the stacks to choose from; `flowplan orphans` lists what is in no state here"
        )


def _tell_rest(session: Session, state: State, stack: str, live: Live, wishes: Wishes) -> None:
    """Warn of live bids of a stack that is called as this one, which has another state. Those of another environment
    have the same addresses, or another prefix."""

    def called(address: Address) -> str:
        return state.name_prefix + wishes.called.get(address, name_at(address.base, address.key))

    known, declared = state.released | {one.id for one in state.bindings.values()}, wishes.declared
    marked = [(one, one.marker) for one in live.bids.values() if one.marker is not None and not one.ended]
    found = [
        (one.id, marker)
        for one, marker in marked
        if marker.stack == stack and marker.lineage != state.lineage and one.id not in known
        if marker.address not in state.bindings and (marker.address in declared or not declared)
        if is_named_with(state.name_prefix, one.bid.name, called(marker.address))
    ]
    if found:
        id, first = found[0]
        session.listener.warn(
            f"{_bids([id for id, _ in found], 'carries', 'carry')} the marker of {_called([stack])}, but not of this "
            "state: nothing of that is destroyed, and it keeps costing money; if the state that had it is lost, "
            f"flowplan import {first.address.word} {id} --lineage {shown(first.lineage)} takes it into this one; "
            "`flowplan orphans` lists what is in no state here"
        )


def named(session: Session) -> frozenset[str] | None:
    """What the files of the command call their stack, also those that have problems; none: they leave that to the
    directory. None: that cannot be made out."""
    from flowplan.config.stack.called import names

    sources, locked = readable(session.paths, session.settings.directory)
    return None if locked else names(sources)


def name_in_files(session: Session) -> str:
    """The one name that the files of the command give their stack; "": they give none, or nobody knows which."""
    found = named(session)
    return next(iter(found)) if found is not None and len(found) == 1 else ""


def _say_live(session: Session, text: str, ids: list[str], *, refused: bool) -> None:
    if not refused:
        session.listener.warn(f"{_NOTHING}: {text}; `flowplan orphans` lists what is in no state here")
        return
    raise StateError(
        text,
        detail="\n".join(map(shown, ids[:MOST_NAMED])),
        hint="name the state that has them with --state; if it is lost, `flowplan recover --from-live` rebuilds it; "
        f"`flowplan orphans` lists them; {never_applied(session.store.name)}",
    )


def _bids(ids: list[str], one: str, several: str) -> str:
    return f"{len(ids)} live bid{f' {one}' if len(ids) == 1 else f's {several}'}"


def _called(stacks: Iterable[str]) -> str:
    found = sorted(set(stacks))
    what = "a stack called" if len(found) == 1 else "stacks called"
    return f"{what} {few([*map(shown, found)], MOST_NAMED)}"

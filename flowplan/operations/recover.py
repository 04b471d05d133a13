"""Settle what is in doubt; cancel duplicate bids; rebuild a state that is lost."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from flowplan.apply.options import Options
from flowplan.apply.patience import Patience
from flowplan.apply.removals import Removals
from flowplan.backends.store import Loaded, StateLock, Store
from flowplan.errors import FlowplanError, GuardRefused, Interrupted, StateError, UsageProblem
from flowplan.model import bounds
from flowplan.model.address import Address
from flowplan.model.live import Live, LiveBid, Marker
from flowplan.model.resources import Bid, Resource
from flowplan.operations.looking import with_bids
from flowplan.operations.observe import observe
from flowplan.operations.settings import Session
from flowplan.printable import shown
from flowplan.state.journal import Closed, Done, Intent, Record, fold
from flowplan.state.ownership import find_created, is_live
from flowplan.state.state import State, consistent, with_ended

if TYPE_CHECKING:
    from flowplan.clock import Clock
    from flowplan.config import Config
    from flowplan.model.catalogue import Catalogue


def _settle(session: Session, ids: tuple[str, ...], settle_window: float) -> int:
    from flowplan.apply.recover import recover as settle
    from flowplan.cli.stop import Stop, exit_signal

    with session.locked() as lock:
        assert lock is not None  # noqa: S101 - only reading goes without
        loaded, store = session.load(), session.store
        stop = Stop(say=session.terminal.err, hurry=session.terminal.hurry)
        store.prepare(loaded.state)
        live = with_bids(session.cloud(), observe(session, None, loaded.state, loaded.pending).live, ids)
        bids = [further_bid(live, loaded, id) for id in dict.fromkeys(ids)]  # all are looked at before one is cancelled
        state = loaded.state
        with stop.listening():
            for bid in bids:
                if not stop.stopped():
                    state = _cancel(session, lock, store, state, bid, stop.clock())
                    # However long a list still shows it: it is over, and not to be taken for ours again.
                    live = attrs.evolve(live, bids={**live.bids, bid.id: attrs.evolve(bid, status="Terminated")})
            found = settle(state, loaded.pending, session.cloud(), live, window=settle_window, clock=stop.clock())
            if store.appended or found.records or loaded.journaled:
                lock.verify()
                if found.records:
                    store.append(found.records)
                store.save(found.state, found.absent.values())
        if stop.number is not None:
            raise Interrupted("stopped by a signal; what was done is saved", signal_number=exit_signal(stop.number))
    for note in found.notes:
        session.terminal.note(note)
    for intent in loaded.pending.values():
        if intent.op == "update":
            session.terminal.note(_half_updated(intent, live))
    for intent in found.absent.values():
        session.terminal.note(f"{intent.address} was not created; the next apply sends it once more, under its own key")
    if not ids and "bid" in live.unlisted:  # what was found settled is, but bids that no state knows may be there
        raise live.unlisted["bid"]
    if not loaded.pending and not found.notes and not ids:
        session.terminal.out("Nothing is in doubt.")
    return 0


def _half_updated(intent: Intent, live: Live) -> str:
    """What to say of an update of which nobody knows how far it came: nothing is lost, but a bid may stand still."""
    bid, wanted = live.bids.get(intent.id or ""), intent.resource
    stands = bid is not None and bid.bid.paused and isinstance(wanted, Bid) and not wanted.paused
    still = f"; until then {intent.id} stands paused" if stands else ""
    return f"{intent.address}: an update was interrupted; the next apply finishes it{still}"


def further_bid(live: Live, loaded: Loaded, id: str) -> LiveBid:
    """The live bid `id`, which must carry this stack's marker and be none that a file named, that an operation in
    doubt made, or that the state was told to let go of. Raises GuardRefused."""
    state = loaded.state
    bid = live.bids.get(id)
    named = any(binding.id == id and binding.source for binding in state.bindings.values())
    if bid is None or bid.marker is None or bid.marker.lineage != state.lineage or named:
        raise _stays(f"{id} is not a further bid of this stack", "`flowplan destroy` cancels what the state holds")
    if id in state.released:
        again = f"flowplan import {bid.marker.address} {id} takes it back"
        raise _stays(f"{id} was let go of with `state rm`", f"{again}, and then it can be cancelled")
    for intent in loaded.pending.values():
        if intent.op == "create" and [one.id for one in find_created(intent, state.lineage, live)] == [id]:
            what = f"{id} is what an interrupted run created as {intent.address}"
            raise _stays(what, "`flowplan recover` takes it into the state first")
    return bid


def _stays(why: str, hint: str) -> GuardRefused:
    return GuardRefused(f"{why}; it stays, and nothing was changed", reason="not_ours", hint=hint)


def _cancel(session: Session, lock: StateLock, store: Store, state: State, bid: LiveBid, clock: Clock) -> State:
    """Cancel `bid`, announced in the journal as every change is; returns the state without it."""
    assert bid.marker is not None  # noqa: S101 - `further_bid` saw it
    held = [address for address, binding in state.bindings.items() if binding.id == bid.id]
    now = clock.moment(session.cloud().now())
    marker, id = bid.marker, str(uuid.uuid4())
    intent = Intent(id, "delete", marker.address, marker.generation, bid.bid.name, f"flowplan-{id}", "", now, bid.id)
    store.append([intent])
    if not bid.ended:
        Removals(session.cloud(), Patience(clock, Options().timeout), lock.verify).cancel(bid.id)
    gone: list[Record] = [Done("", address, None) for address in held]
    store.append([*gone, Closed(intent.intent, "cancelled")])
    session.terminal.line(f"{bid.id} ({bid.marker.address}) is cancelled.")
    return attrs.evolve(fold(state, gone)[0], ended=with_ended(state.ended, {bid.id: now.by_server}))


def _from_live(session: Session, paths: tuple[str, ...], lineage: str | None) -> int:
    from flowplan.state.rebuild import rebuild

    sources, _ = session.sources(paths, optional=True)
    config = session.configuration(sources) if sources else None
    with session.locked() as lock:
        assert lock is not None  # noqa: S101 - only reading goes without
        _hold_lost(session)
        project = session.enter_project(State(lineage=""), config)
        catalogue, live = session.cloud().observe()
        marker = _chosen(session, live, lineage)
        empty = State(
            lineage=marker.lineage,
            stack=marker.stack,
            api_url=session.api_url,
            project=project.id,
            project_name=project.name,
        )
        spilled = fold(empty, session.store.spilled(empty.lineage))[0]
        known = {address: b for address, b in spilled.bindings.items() if is_live(b, live)}
        empty = attrs.evolve(empty, bindings=consistent(known))
        found = rebuild(empty, live, _declared(session, config, empty, catalogue, live))
        lock.verify()
        for path in session.store.begin_anew():
            session.terminal.note(f"what was left of the state is kept as {path}")
        session.store.save(found.state)
    for note in found.notes:
        session.terminal.note(note)
    for address, binding in found.state.bindings.items():
        session.terminal.line(f"{address}  {binding.id}")
    session.terminal.note("what `state rm` had let go of, if anything, is in it again: only the lost state knew of it")
    session.terminal.line(f"The state of stack {marker.stack} is rebuilt; flowplan plan shows what differs.")
    return 0


def _declared(
    session: Session, config: Config | None, empty: State, catalogue: Catalogue, live: Live
) -> Mapping[Address, Resource]:
    """What the files ask for, every name looked up; types and regions left open are those of what runs."""
    from flowplan.planning.lookup import look_up
    from flowplan.state.ownership import placed_bids
    from flowplan.state.rebuild import rebuild

    if config is None:
        return {}
    placed = placed_bids(rebuild(empty, live, {}).state, live)
    found = look_up(config, catalogue, live, kept={}, volume_regions={}, ssh_keys=session.ssh_keys(), placed=placed)
    return found.resources


def _hold_lost(session: Session) -> None:
    """Raise unless the state is missing or cannot be read, and no backup could stand in for it."""
    store = session.store
    try:
        state = store.read().state
    except StateError:
        backup = store.backup()
        if backup is not None:
            raise UsageProblem(
                f"{backup} is in order",
                hint="`flowplan state restore` puts it back: it knows more than the markers do",
            ) from None
        return
    if state.bindings or state.released:
        raise UsageProblem(
            "the state is in order: nothing is rebuilt", hint="`flowplan recover` settles what is in doubt"
        )


def _chosen(session: Session, live: Live, lineage: str | None) -> Marker:
    """The marker of the stack to rebuild: the one named, else the one with this directory's name."""
    marked = [bid.marker for bid in live.bids.values() if bid.marker and not bid.ended]
    stacks = {marker.lineage: marker for marker in marked if bounds.is_name(marker.lineage)}
    if lineage is not None:
        stacks = {one: marker for one, marker in stacks.items() if one == lineage}
    elif stacks:
        here = session.stack_name(State(lineage=""))
        named = {one: marker for one, marker in stacks.items() if marker.stack == here}
        if len(named) != 1:
            listed = "\n".join(
                f"--lineage {shown(one)}  stack {shown(marker.stack)}" for one, marker in sorted(stacks.items())
            )
            raise UsageProblem(
                f"no single stack that is live is called {here}, as this directory is",
                detail=listed,
                hint="say which is meant with --lineage",
            )
        stacks = named
    if not stacks:
        what = f" of lineage {lineage}" if lineage else ""
        raise FlowplanError(f"no live bid carries a marker{what}: there is nothing to rebuild from")
    return next(iter(stacks.values()))

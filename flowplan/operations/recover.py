"""Settle what an interrupted run left in doubt; cancel duplicate bids."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from flowplan.apply.cancelling import Cancelling
from flowplan.apply.options import Options
from flowplan.apply.patience import Patience
from flowplan.apply.recover import Recovered, recover
from flowplan.apply.removals import Removals
from flowplan.documents.state import AfterRecovery
from flowplan.errors import CloudError, FlowplanError, GuardRefused, StateError
from flowplan.model.live import TERMINATED, Live, LiveBid, Marker
from flowplan.model.resources import Bid
from flowplan.operations.looking.live import say_assumed, with_bids
from flowplan.operations.looking.observe import observe
from flowplan.operations.opening.loading import has_begun_none, load_state
from flowplan.operations.opening.saving import save_state
from flowplan.operations.running.stopping import Stopping
from flowplan.state.doubts import find_created
from flowplan.state.journal import fold
from flowplan.state.ownership import new_bids
from flowplan.state.records import Closed, CreateIntent, Done, Intent, Record
from flowplan.state.state import State, by_api, with_ended

if TYPE_CHECKING:
    from flowplan.backends.store import Journal, Loaded, StateLock
    from flowplan.clock import Clock, Moment
    from flowplan.operations.opening.session import Session


def settle(
    session: Session, ids: Sequence[str], window: float, cancelled: Callable[[str, Marker], None]
) -> AfterRecovery:
    """Settle what an interrupted run left in doubt, after cancelling the duplicate bids `ids`; `cancelled` hears of
    each, with its marker. `window`: seconds in which a create may still show up.

    Raises GuardRefused for a bid that is not this stack's duplicate, OutcomeUnknown, CloudError, StateError, and what
    `session.interruption` raises. A bid that cannot be cancelled, which is raised, keeps none of the others running.
    """
    interruption = session.interruption
    session.stops = bool(ids)
    if has_begun_none(session):
        with session.looking():
            _hold_none(session, load_state(session), ids)
        return AfterRecovery(State(lineage=""), [], [], nothing=True)
    with session.changing() as lock:
        loaded, store = load_state(session), session.store
        journal = Stopping(store.prepare(loaded.state), session.listener.note) if ids else store.prepare(loaded.state)
        live = with_bids(
            session.cloud(), observe(session, None, loaded.state, loaded.pending, stops=bool(ids)).live, ids
        )
        say_assumed(session.cloud(), live)
        # All are looked at before one is cancelled.
        duplicates = [duplicate(live, loaded, id) for id in dict.fromkeys(ids)]
        state, clock, failed = loaded.state, interruption.clock(), dict[str, CloudError]()
        with interruption.listening():
            if isinstance(journal, Stopping):
                state, failed = _cancelled(session, journal, lock, state, duplicates, clock, cancelled)
            for bid, _ in duplicates:
                if bid.id not in failed:
                    # However long a list still shows it: it is over, and not to be taken for ours again.
                    live = attrs.evolve(live, bids={**live.bids, bid.id: attrs.evolve(bid, status=TERMINATED)})
            if failed and not interruption.stopped():
                raise _not_all(failed)
            found = recover(state, loaded.pending, session.cloud(), live, window=window, clock=clock)
            if journal.appended or found.records or loaded.journaled:
                lock.verify()
                state = _saved(session, journal, loaded, found)
        if interruption.stopped():
            runs_on = f"; {', '.join(failed)} may run on" if failed else ""
            raise interruption.interrupted(f"{session.came_of_it}{runs_on}")
    for note in _notes(found, loaded, live):
        session.listener.note(note)
    if loaded.unread is not None:  # what is cancelled is saved, but what an earlier run had done is not known
        raise loaded.unread
    if not ids and "bid" in live.unlisted:  # what was found settled is, but bids that no state knows may be there
        raise live.unlisted["bid"]
    return AfterRecovery(
        state,
        [(marker.address, bid.id) for bid, marker in duplicates],
        [intent.address for intent in found.absent.values()],
        nothing=not (loaded.pending or found.notes or ids),
    )


def _saved(session: Session, journal: Journal | Stopping, loaded: Loaded, found: Recovered) -> State:
    """The state as it is saved, with what was found. Raises StateError, which says where it is recorded what was
    stopped."""
    if found.records:
        (journal.append_anyway if isinstance(journal, Stopping) else journal.append)(found.records)
    stopped = journal.where if isinstance(journal, Stopping) else ""  # what is settled may run on
    try:
        return save_state(session, found.state, found.absent.values(), before=loaded.before, stopped=stopped)
    except StateError as error:
        done = f"what was stopped {stopped}" if stopped else ""
        error.detail = "\n".join(filter(None, [done, error.detail])) or None
        raise


def _hold_none(session: Session, loaded: Loaded, ids: Sequence[str]) -> None:
    """Raise GuardRefused for bids `ids` that are to be cancelled where there is no state: none is its duplicate."""
    if ids:
        live = with_bids(session.cloud(), observe(session, None, loaded.state, {}, stops=True).live, ids)
        say_assumed(session.cloud(), live)
        for id in ids:
            duplicate(live, loaded, id)


def _notes(found: Recovered, loaded: Loaded, live: Live) -> Iterator[str]:
    yield from found.notes
    for intent in loaded.pending.values():
        if intent.op == "update":
            yield _half_updated(intent, live)
    for intent in found.absent.values():
        yield f"{intent.address} was not created; the next apply sends it again, under the same key"


def _half_updated(intent: Intent, live: Live) -> str:
    """What to say of an update of which nobody knows how far it came: nothing is lost, but a bid may stand still."""
    bid, wanted = live.bids.get(intent.id or ""), intent.resource
    stands = bid is not None and bid.bid.paused and isinstance(wanted, Bid) and not wanted.paused
    still = f"; until then {intent.id} stays paused" if stands else ""
    return f"{intent.address}: an update was interrupted; the next apply finishes it{still}"


def duplicate(live: Live, loaded: Loaded, id: str) -> tuple[LiveBid, Marker]:
    """The live bid `id` and its marker. The bid must carry this stack's marker, or another's and be in the state (as
    `import --lineage` takes it); and be none that a file named, that an operation in doubt made, or that `state rm`
    released. Raises GuardRefused."""
    state = loaded.state
    bid = live.bids.get(id)
    held = next((one for one, binding in state.bindings.items() if binding.id == id and one.kind == "bid"), None)
    if bid is None or bid.marker is None or (held is not None and state.bindings[held].source):
        raise _stays(f"{id} is not a duplicate bid of this stack", "`flowplan destroy` cancels the bids in the state")
    if bid.marker.lineage != state.lineage:
        if held is not None:
            return bid, attrs.evolve(bid.marker, address=held)
        whose = f"it is of stack {bid.marker.stack}: give the --state that has it"
        lost = f"flowplan import {bid.marker.address.word} {id} --lineage {bid.marker.lineage}, then this command again"
        raise _stays(f"{id} is not a duplicate bid of this stack", f"{whose}; if that is lost: {lost}")
    if id in state.released:
        again = f"flowplan import {bid.marker.address.word} {id} takes it back"
        raise _stays(f"{id} was released", f"{again}; then you can cancel it")
    for intent in loaded.pending.values():
        if isinstance(intent, CreateIntent) and [one.id for one in find_created(intent, state.lineage, live)] == [id]:
            what = f"{id} is what an interrupted run created as {intent.address}"
            raise _stays(what, "run `flowplan recover` first: it takes the bid into the state")
    return bid, bid.marker


def _stays(why: str, hint: str) -> GuardRefused:
    return GuardRefused(f"{why}; it stays, and nothing was changed", code="not-ours", hint=hint)


def _cancelled(
    session: Session,
    journal: Stopping,
    lock: StateLock,
    state: State,
    duplicates: Sequence[tuple[LiveBid, Marker]],
    clock: Clock,
    cancelled: Callable[[str, Marker], None],
) -> tuple[State, dict[str, CloudError]]:
    """Cancel `duplicates` side by side, announced in the journal as every change is; returns the state without those
    that are over, of which `cancelled` hears, and by id why the others are not. One that fails, or takes long to end,
    holds up none of the rest. Raises StateError where the lock is lost, or what is over cannot be recorded."""
    cloud, now = session.cloud(), clock.moment(session.cloud().now())
    lately = new_bids((bid for bid, _ in duplicates), cloud.moment().earliest)  # which no state has
    cloud.placed.update(by_api(lately))
    removals = Removals(cloud, Patience(clock, Options().timeout), lock.verify)
    intents = [_announced(bid, marker, now) for bid, marker in duplicates]
    journal.append_anyway(intents)
    bids = [(bid, intent) for (bid, _), intent in zip(duplicates, intents, strict=True)]
    cancelling = Cancelling(bids, removals, Options().parallelism)
    session.interruption.wake = cancelling.wake
    came = {result.work.intent.id: result.error for result in cancelling()}
    failed, over, lost = dict[str, CloudError](), set[str](), list[FlowplanError]()
    for bid, marker in duplicates:
        error = came.get(bid.id, CloudError(f"stopped before {bid.id} was seen to end"))
        if error is None:
            over.add(bid.id)
            cancelled(bid.id, marker)  # also where that cannot be recorded: it costs nothing any more
        elif isinstance(error, CloudError):
            failed[bid.id] = error
        else:
            lost.append(error)
    if lost:  # the lock
        raise lost[0]
    gone: list[Record] = [Done("", a, None) for a, binding in state.bindings.items() if binding.id in over]
    journal.append_anyway([*gone, *(Closed(one.intent, "cancelled") for one in intents if one.id in over)])
    ended = with_ended(state.ended, dict.fromkeys(over, now.by_server))
    return attrs.evolve(fold(state, gone)[0], ended=ended), failed


def _announced(bid: LiveBid, marker: Marker, now: Moment) -> Intent:
    id = str(uuid.uuid4())
    return Intent(id, "delete", marker.address, marker.generation, bid.bid.name, f"flowplan-{id}", "", now, bid.id)


def _not_all(failed: Mapping[str, CloudError]) -> CloudError:
    """What is raised for the bids that are not cancelled, each of which may run on."""
    first, *more = failed.values()
    if not more:
        return first
    return CloudError(
        f"{', '.join(failed)} are not cancelled, and may cost money: {first}",
        status=first.status,
        detail="\n".join(map(str, more)),
        hint=first.hint,
    )

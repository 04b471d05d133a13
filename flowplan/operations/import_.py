"""Take a live bid or volume into the state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from flowplan.model.address import Address
from flowplan.model.live import LiveBid, LiveVolume
from flowplan.model.resources import Volume
from flowplan.operations.looking.ahead import Ahead
from flowplan.operations.looking.importable import UNPROVED, held_elsewhere, hold_free, importable, parsed, settled_by
from flowplan.operations.looking.unknown_stack import name_in_files
from flowplan.operations.opening.loading import load_state
from flowplan.operations.opening.saving import save_state
from flowplan.operations.opening.session import Session
from flowplan.printable import shown
from flowplan.state.doubts import binding_of
from flowplan.state.known import as_made
from flowplan.state.ownership import adopted, bound_bids, new_bids
from flowplan.state.records import CreateIntent
from flowplan.state.state import Binding, State, by_api, with_placed

if TYPE_CHECKING:
    from flowplan.backends.store import Loaded
    from flowplan.model.catalogue import Named
    from flowplan.model.live import Live


def take_in(session: Session, address: str, id: str, lineage: str | None) -> Address:
    """Take the live bid or volume `id` into the state as `address`; the object itself is not touched. `lineage`: the
    stack that it belonged to. Raises UsageProblem, FlowplanError where there is no such object, GuardRefused for one
    of another stack."""
    wanted = parsed(address)
    ahead = Ahead(session, lambda: _looked(session, wanted, id, lineage))
    with session.changing() as lock:
        loaded, project, live, found = ahead.under_lock()
        creates = settled_by(loaded.pending.values(), wanted)
        state = attrs.evolve(
            loaded.state,
            stack=session.stack_name(loaded.state, name_in_files(session)),
            api_url=session.settings.api_url,
            project=project.id,
            project_name=project.name,
            bindings={**loaded.state.bindings, wanted: _binding(wanted, found, creates, loaded.state)},
            released=loaded.state.released - {id},
            adopted=loaded.state.adopted | ({id} if wanted.kind == "volume" else set()),
            placed=with_placed(loaded.state.placed, by_api(new_bids([found], session.cloud().moment().earliest))),
        )
        lock.verify()
        pending = [intent for intent in loaded.pending.values() if intent not in creates]
        save_state(session, state, pending, before=loaded.before, stated=True)
    for bid, marker in held_elsewhere(found, live, {state.lineage}):
        if bid is found or bid.id not in bound_bids(state):
            there = f"the state of stack {shown(marker.stack)}, lineage {shown(marker.lineage)}, is lost"
            rm = f"unless {there}, make sure that `flowplan state rm` was run there"
            session.listener.warn(f"{UNPROVED}: {rm}")
            break
    return wanted


def _looked(
    session: Session, wanted: Address, id: str, lineage: str | None
) -> tuple[Loaded, Named, Live, LiveBid | LiveVolume]:
    """The state, its project, what is live there, and what of it is taken in. Raises as `take_in`."""
    loaded = load_state(session)
    hold_free(loaded.state, wanted, id)
    project, (_, live) = session.enter_and_list(loaded.state, None, session.cloud().everything())
    found = importable(session, live, loaded.state, loaded.pending.values(), wanted, id, lineage)
    return loaded, project, live, found


def _binding(wanted: Address, found: LiveBid | LiveVolume, doubted: Sequence[CreateIntent], state: State) -> Binding:
    """What the state records of `found`: of a volume whose create was in doubt, also what was asked for."""
    asked = doubted[-1].resource if doubted else None
    if isinstance(found, LiveVolume) and isinstance(asked, Volume):
        return attrs.evolve(binding_of(doubted[-1], found.id), applied=as_made(asked, found.volume))
    return adopted(wanted, found, state.bindings)

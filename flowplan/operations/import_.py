"""Take a live bid or volume into the state."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Sequence

import attrs

from flowplan.errors import FlowplanError, GuardRefused, NotFound, UsageProblem
from flowplan.model.address import Address, of_earlier
from flowplan.model.live import Live, LiveBid, LiveVolume
from flowplan.model.resources import Volume
from flowplan.operations.session import Session
from flowplan.state.journal import CreateIntent, Intent
from flowplan.state.ownership import adopted, as_made, binding_of, find_created, perhaps_created
from flowplan.state.state import Binding, State


def take_in(session: Session, address: str, id: str, lineage: str | None) -> Address:
    """Take the live bid or volume `id` into the state as `address`; the object itself is not touched. `lineage`: the
    stack that it belonged to. Raises UsageProblem, FlowplanError where there is no such object, GuardRefused for one
    of another stack."""
    wanted = parsed(address)
    with session.changing() as lock:
        loaded = session.load()
        _hold_free(loaded.state, wanted, id)
        creates = settled_by(loaded.pending.values(), wanted)
        project = session.enter_project(loaded.state, None)
        _, live = session.cloud().observe()
        found = importable(session, live, loaded.state, loaded.pending.values(), wanted, id, lineage)
        state = attrs.evolve(
            loaded.state,
            stack=session.stack_name(loaded.state),
            api_url=session.settings.api_url,
            project=project.id,
            project_name=project.name,
            bindings={**loaded.state.bindings, wanted: _binding(wanted, found, creates, loaded.state)},
            released=loaded.state.released - {id},
            adopted=loaded.state.adopted | ({id} if wanted.kind == "volume" else set()),
        )
        lock.verify()
        pending = [intent for intent in loaded.pending.values() if intent not in creates]
        session.save(state, pending, before=loaded.state.bindings, stated=True)
    return wanted


def importable(
    session: Session,
    live: Live,
    state: State,
    pending: Collection[Intent],
    wanted: Address,
    id: str,
    lineage: str | None = None,
) -> LiveBid | LiveVolume:
    """The live object `id`, which `wanted` may become. Raises UsageProblem where the address or the object is in the
    state, GuardRefused for what another stack (but `lineage`) may hold, FlowplanError for what is not there, has ended,
    or is in doubt."""
    _hold_free(state, wanted, id)
    found = _found(session, live, wanted, id)
    _hold_certain(found, live, pending, wanted, state.lineage)
    _hold_ours_or_nobodys(found, live, {state.lineage, lineage})
    return found


def settled_by(pending: Iterable[Intent], wanted: Address) -> list[CreateIntent]:
    """The creates in doubt that an import as `wanted` settles: of a volume. Raises FlowplanError for others."""
    doubted = [intent for intent in pending if intent.address == wanted]
    creates = [intent for intent in doubted if isinstance(intent, CreateIntent)]
    if doubted and (creates != doubted or wanted.kind != "volume"):
        raise _in_doubt(wanted)
    return creates


def parsed(address: str) -> Address:
    """The address of a bid or a volume. Raises UsageProblem."""
    try:
        wanted = Address.given(address)
    except ValueError as error:
        raise UsageProblem(str(error)) from None
    if wanted.is_earlier:
        raise UsageProblem(of_earlier(wanted))
    if wanted.kind == "ports":
        raise UsageProblem(f"{address}: ports come with their bid", hint=f"import bid.{wanted.name}")
    return wanted


def _hold_free(state: State, wanted: Address, id: str) -> None:
    """Raise UsageProblem unless neither the address nor the object is in the state."""
    if wanted in state.bindings:
        raise UsageProblem(f"{wanted} is already in the state, as {state.bindings[wanted].id}")
    for address, binding in state.bindings.items():
        if binding.id == id and address.kind != "ports":
            hint = f"flowplan state mv {address} {wanted}" if address.kind == wanted.kind else None
            raise UsageProblem(f"{id} is already in the state, as {address}", hint=hint)


def _found(session: Session, live: Live, wanted: Address, id: str) -> LiveBid | LiveVolume:
    """The live object, a bid also while no list shows it yet. Raises FlowplanError when there is none here."""
    try:
        found = live.volumes.get(id) if wanted.kind == "volume" else live.bids.get(id) or session.cloud().bid_here(id)
    except NotFound:
        found = None
    if found is None:
        raise FlowplanError(
            f"there is no {wanted.kind} {id} in this project",
            hint="`flowplan orphans` lists what is live here and in no state; for an id of another project or "
            "environment, give the --project or the variables that belong to it",
        )
    if isinstance(found, LiveBid) and found.ended:
        raise FlowplanError(f"{id} is {found.status}: it has ended and no longer costs anything")
    return found


def _in_doubt(wanted: Address) -> FlowplanError:
    return FlowplanError(f"{wanted} is in doubt", hint="run `flowplan recover` first")


def _binding(wanted: Address, found: LiveBid | LiveVolume, doubted: Sequence[CreateIntent], state: State) -> Binding:
    """What the state records of `found`: of a volume whose create was in doubt, also what was asked for."""
    asked = doubted[-1].resource if doubted else None
    if isinstance(found, LiveVolume) and isinstance(asked, Volume):
        return attrs.evolve(binding_of(doubted[-1], found.id), applied=as_made(asked, found.volume))
    return adopted(wanted, found, state.bindings)


def _hold_certain(
    found: LiveBid | LiveVolume, live: Live, pending: Iterable[Intent], wanted: Address, lineage: str
) -> None:
    """Raise FlowplanError for what an operation in doubt may have made: the look-up would bind it a second time. Only
    somebody's word settles a volume that the look-up itself cannot tell from somebody else's."""
    if isinstance(found, LiveBid):
        live = attrs.evolve(live, bids={**live.bids, found.id: found})
    for intent in pending:
        if not isinstance(intent, CreateIntent):
            continue
        if intent.address == wanted:
            proved = find_created(intent, lineage, live)
            if found in proved or found not in perhaps_created(intent, lineage, live):
                raise _in_doubt(wanted)
        elif found in perhaps_created(intent, lineage, live):
            raise FlowplanError(
                f"an interrupted run may have created {found.id} as {intent.address}",
                hint="run `flowplan recover` first",
            )


def _hold_ours_or_nobodys(found: LiveBid | LiveVolume, live: Live, ours: Container[str | None]) -> None:
    """Raise GuardRefused for what a stack that is not of `ours` (lineages) may hold: two states would work against
    each other."""
    users = [found] if isinstance(found, LiveBid) else [live.bids[one] for one in found.bids if one in live.bids]
    for bid in users:
        if bid.marker is not None and not bid.ended and bid.marker.lineage not in ours:
            what = "it" if bid is found else f"a bid that uses it, {bid.id},"
            raise GuardRefused(
                f"{what} belongs to stack {bid.marker.stack}, lineage {bid.marker.lineage}; it stays there",
                code="not-ours",
                hint=f"release it there with `flowplan state rm`, then give --lineage {bid.marker.lineage} here",
            )

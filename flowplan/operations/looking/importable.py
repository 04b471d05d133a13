"""Which live object an address may become: what is in no state, whose it is, and what is in doubt."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import attrs

from flowplan.errors import FlowplanError, GuardRefused, NotFound, UsageProblem
from flowplan.model.address import Address
from flowplan.model.live import Live, LiveBid, LiveVolume, Marker
from flowplan.names import few
from flowplan.operations.opening.session import Session
from flowplan.state.doubts import find_created, perhaps_created
from flowplan.state.records import CreateIntent, Intent
from flowplan.state.state import State

UNPROVED = "nothing in the cloud proves the release, and two states that hold one object undo each other's changes"


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
    hold_free(state, wanted, id)
    found = found_live(session, live, wanted, id)
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
        wanted = Address.new(address)
    except ValueError as error:
        raise UsageProblem(str(error)) from None
    if wanted.kind == "ports":
        raise UsageProblem(f"{address}: ports come with their bid", hint=f"import bid.{wanted.name}")
    return wanted


def hold_free(state: State, wanted: Address, id: str) -> None:
    """Raise UsageProblem unless neither the address nor the object is in the state."""
    if wanted in state.bindings:
        raise UsageProblem(f"{wanted} is already in the state, as {state.bindings[wanted].id}")
    for address, binding in state.bindings.items():
        if binding.id == id and address.kind != "ports":
            hint = f"flowplan state mv {address.word} {wanted.word}" if address.kind == wanted.kind else None
            raise UsageProblem(f"{id} is already in the state, as {address}", hint=hint)


_MOST = 6  # ids that have one name, in a message
# A volume carries no marker by which `orphans` could find it; nor does a bid that another tool placed.
_WHERE = {
    "bid": "`flowplan orphans` lists the bids that flowplan placed and no state here has; FCP's console shows all",
    "volume": "FCP's console shows the ids of volumes",
}


def found_live(session: Session, live: Live, wanted: Address, id: str) -> LiveBid | LiveVolume:
    """The live object, a bid also while no list shows it yet. Raises FlowplanError when there is none here."""
    try:
        found = live.volumes.get(id) if wanted.kind == "volume" else live.bids.get(id) or session.cloud().bid_here(id)
    except NotFound:
        found = None
    if found is None:
        other = "for an id of another project or environment, give the --project or the variables that belong to it"
        hint = f"give its id: {named}" if (named := _named(live, wanted, id)) else f"{_WHERE[wanted.kind]}; {other}"
        raise FlowplanError(f"there is no {wanted.kind} with the id {id} in this project", hint=hint)
    if isinstance(found, LiveBid) and found.ended:
        raise FlowplanError(f"{id} is {found.status}: it has ended and no longer costs anything")
    return found


def _named(live: Live, wanted: Address, name: str) -> str:
    """What has the name that was given for an id, as a sentence; "": nothing."""
    if wanted.kind == "volume":
        ids = [id for id, one in live.volumes.items() if one.volume.name == name]
    else:
        ids = [id for id, one in live.bids.items() if one.bid.name == name and not one.ended]
    return f"{few(sorted(ids), _MOST)} {'has' if len(ids) == 1 else 'have'} that name" if ids else ""


def _in_doubt(wanted: Address) -> FlowplanError:
    return FlowplanError(f"{wanted} is in doubt", hint="run `flowplan recover` first")


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


def _hold_ours_or_nobodys(found: LiveBid | LiveVolume, live: Live, ours: Collection[str | None]) -> None:
    """Raise GuardRefused for what a stack that is not of `ours` (lineages) may hold: two states would work against
    each other."""
    for bid, marker in held_elsewhere(found, live, ours):
        what = "it" if bid is found else f"a bid that uses it, {bid.id},"
        raise GuardRefused(
            f"{what} belongs to stack {marker.stack}, lineage {marker.lineage}; it stays there",
            code="not-ours",
            hint="with the --state that has it, `flowplan state rm` releases it; then give --lineage "
            f"{marker.lineage} here: {UNPROVED}",
        )


def held_elsewhere(
    found: LiveBid | LiveVolume, live: Live, ours: Collection[str | None]
) -> Iterator[tuple[LiveBid, Marker]]:
    """The bid `found`, or those that use the volume, with their markers, if those are of none of `ours` (lineages)."""
    users = [found] if isinstance(found, LiveBid) else [live.bids[one] for one in found.bids if one in live.bids]
    for bid in users:
        if bid.marker is not None and not bid.ended and bid.marker.lineage not in ours:
            yield bid, bid.marker

"""Whose is it? Live objects as the state knows them, by id, by marker, by name. Pure.

flowplan changes only what it made. What carries our marker, or what an operation in doubt must have made, is
ours; everything else is somebody's, whatever its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import attrs

from flowplan.model.address import Address, in_order
from flowplan.model.live import SHOWS_WITHIN, Live, LiveBid, LiveVolume
from flowplan.model.resources import Bid, PortMapping
from flowplan.state.known import as_known, has_ended
from flowplan.state.paid import Paid
from flowplan.state.state import Binding, State

if TYPE_CHECKING:
    from flowplan.state.records import Intent


def presume(state: State, pending: Mapping[str, Intent], live: Live) -> State:
    """`state` as a look-up would find it: what the cloud shows to be ours counts as made, whether an
    operation in doubt made it or a state lost since.

    A plan is only a forecast; apply looks the intents up itself, with the settle window, before it plans.
    """
    presumed = _with_what_is_in_doubt(state, pending, live) if pending else state
    bindings = dict(presumed.bindings)
    for binding in strays(presumed, live):
        _bind(bindings, binding)
    return attrs.evolve(presumed, bindings=bindings)


def _bind(bindings: dict[Address, Binding], found: Binding) -> None:
    for ports, now in ports_with(found, bindings).items():
        if now is None:
            del bindings[ports]
        else:
            bindings[ports] = now
    bindings[found.address] = found


def _with_what_is_in_doubt(state: State, pending: Mapping[str, Intent], live: Live) -> State:
    """`state` with what operations in doubt have made, and what became of bids by others, as far as `live` tells."""
    from flowplan.state.doubts import became_of, binding_of, find_created, preceded
    from flowplan.state.records import CreateIntent

    bindings = dict(state.bindings)
    for intent in pending.values():
        if not isinstance(intent, CreateIntent):
            became = became_of(intent, bindings, live)
            bindings |= {intent.address: became} if became is not None else {}
            continue
        found = find_created(intent, state.lineage, live)
        if len(found) != 1:
            continue
        if not known_otherwise(found[0].id, intent.address, attrs.evolve(state, bindings=bindings)):
            if (earlier := preceded(found[0].id, intent, bindings.get(intent.address), live)) is not None:
                bindings[earlier.address] = earlier
            _bind(bindings, binding_of(intent, found[0].id))
    return attrs.evolve(state, bindings=bindings)


def strays(state: State, live: Live) -> list[Binding]:
    """Live bids with our lineage in their marker whose address the state does not know, or binds to a bid that has
    ended: ours to adopt, except those that `state rm` released. Two for one address are left to `flowplan recover`.
    The address is the one that the ledger has, where it has the bid: it may have been moved since it was placed."""
    found: dict[Address, list[LiveBid]] = {}
    known = bound_bids(state) | state.released
    for bid in live.bids.values():
        marker = bid.marker
        if marker is None or bid.ended or marker.lineage != state.lineage or bid.id in known:
            continue
        address = state.paid[bid.id].address if bid.id in state.paid else marker.address
        bound = state.bindings.get(address)
        if bound is None or has_ended(bound.id, live):
            found.setdefault(address, []).append(bid)
    return [adopted(address, bids[0], state.bindings) for address, bids in found.items() if len(bids) == 1]


def ports_with(found: Binding, bindings: Mapping[Address, Binding]) -> dict[Address, Binding | None]:
    """What becomes of the ports that the state has at the address of `found`, where that is a bid which is found to be
    its own, and they are those of the one before it: they are what `found` publishes itself, as it was placed or as its
    marker says (None: nothing)."""
    ports = Address("ports", found.address.name)
    before = bindings.get(ports)
    if before is None or before.id == found.id or not isinstance(found.applied, Bid):
        return {}
    carried = found.applied.inputs
    if carried is None or not carried.ports:
        return {ports: None}
    now = attrs.evolve(before, id=found.id, applied=PortMapping(found.address, carried.ports))
    return {ports: attrs.evolve(now, generation=found.generation, source=found.source)}


def known_otherwise(id: str, address: Address, state: State) -> str | None:
    """What the state says of a live object, if not that it is `address`'s: read after "it"."""
    if id in state.released:
        return "was released"
    if id in state.ended and not any(binding.id == id for binding in state.bindings.values()):
        return "was ended by this stack before"
    return next(
        (
            f"is in the state as {one}"
            for one, binding in state.bindings.items()
            if binding.id == id and one != address and one.kind == address.kind
        ),
        None,
    )


def bound_bids(state: State) -> set[str]:
    """The ids of the bids that the state knows. Ports bear their bid's id too, but do not make it known."""
    return {binding.id for address, binding in state.bindings.items() if address.kind == "bid"}


def adopted(address: Address, found: LiveBid | LiveVolume, bindings: Mapping[Address, Binding]) -> Binding:
    """What the state records of a live object that no operation in it made. Which file names it is not known."""
    if isinstance(found, LiveVolume):
        return Binding(address, found.id, as_known(found, None))
    volumes = (
        {binding.id: one for one, binding in bindings.items() if one.kind == "volume"} if found.bid.volumes else {}
    )
    needs = tuple(volumes[str(id)] for id in found.bid.volumes if str(id) in volumes)
    return Binding(address, found.id, as_known(found, None), needs, found.marker.generation if found.marker else 1)


def new_bids(found: Iterable[LiveBid | LiveVolume], now: float) -> dict[str, float]:
    """Those of the live objects `found`, which no operation in the state made, that are bids so new at `now` that the
    API may not show them yet wherever it is asked, each with when it was placed (as in `State.placed`). Of one that has
    no time that can be read, or one that is yet to come, nobody knows that it is older."""
    from flowplan.state.doubts import seconds

    created = {one.id: seconds(one.created_at) for one in found if isinstance(one, LiveBid)}
    placed = {id: now if at is None else min(at, now) for id, at in created.items()}
    return {id: at for id, at in placed.items() if now - at < SHOWS_WITHIN}


def twins(state: State, live: Live) -> list[tuple[Address, tuple[str, ...]]]:
    """Addresses of ours with further live bids that carry our marker: each costs money, and no plan names it."""
    found: dict[Address, list[str]] = {}
    bound = bound_bids(state) | state.released
    for bid in live.bids.values():
        if bid.marker is not None and not bid.ended and bid.marker.lineage == state.lineage and bid.id not in bound:
            found.setdefault(bid.marker.address, []).append(bid.id)
    return [(address, tuple(ids)) for address, ids in sorted(found.items(), key=lambda one: in_order(one[0]))]


def namesakes(state: State, live: Live) -> list[tuple[Address, tuple[str, ...]]]:
    """Bids of ours whose name further live bids have, which somebody else placed: they are left alone."""
    others: dict[str, list[str]] = {}
    for bid in live.bids.values():
        if not bid.ended and (bid.marker is None or bid.marker.lineage != state.lineage):
            others.setdefault(bid.bid.name, []).append(bid.id)
    found = []
    for address, binding in state.bindings.items():
        ours = live.bids.get(binding.id) if address.kind == "bid" else None
        ids = [id for id in others.get(ours.bid.name, ()) if id != binding.id] if ours is not None else []
        if ids:
            found.append((address, tuple(ids)))
    return sorted(found, key=lambda one: in_order(one[0]))


def past_bids(state: State, live: Live) -> dict[str, Address]:
    """The bids of this stack that have ended, by their marker: those that the state had, as far as they are listed, and
    duplicates that it never bound. Each with its address."""
    bound = bound_bids(state)
    return {
        bid.id: bid.marker.address.current
        for bid in live.bids.values()
        if bid.marker is not None and bid.ended and bid.marker.lineage == state.lineage and bid.id not in bound
    }


def with_past_bids(state: State, live: Live) -> State:
    """`state` with all of these in its ledger; those that are there already stay as they are."""
    new = {id: Paid(address) for id, address in past_bids(state, live).items() if id not in state.paid}
    return attrs.evolve(state, paid={**state.paid, **new}) if new else state

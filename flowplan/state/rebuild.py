"""A lost state, rebuilt from the markers of live bids."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from flowplan.classes import frozen
from flowplan.model.address import Address
from flowplan.model.live import Live, LiveBid
from flowplan.model.resources import Bid, Resource, Volume
from flowplan.names import few
from flowplan.printable import shown
from flowplan.state.ownership import adopted, with_past_bids
from flowplan.state.state import State


@frozen
class Rebuilt:
    """A state made from the markers of live bids, and what has to be said of it."""

    state: State
    notes: tuple[str, ...]


def rebuild(empty: State, live: Live, declared: Mapping[Address, Resource]) -> Rebuilt:
    """What the markers of `empty`'s lineage tell, on top of `empty` (which has what else is known to be ours).

    Of two bids with one address that of the later generation is kept, the older one where they are of the same, and the
    other is named. A volume carries no marker: one is
    taken for ours only if `declared` (what the files ask for) has it, alike, and a bid of ours uses it; an attached
    volume is somebody's. What the bids use besides is named: it costs money, and stays when they are gone.
    """
    found: dict[Address, list[LiveBid]] = {}
    for bid in sorted(live.bids.values(), key=lambda one: (one.created_at, one.id)):
        if bid.marker is not None and not bid.ended and bid.marker.lineage == empty.lineage:
            found.setdefault(bid.marker.address, []).append(bid)
    for bids in found.values():
        bids.sort(key=lambda one: -one.marker.generation if one.marker is not None else 0)
    notes = [
        f"{address} has duplicate live bids, which cost money: flowplan recover --cancel {twin.id}"
        for address, bids in found.items()
        for twin in bids[1:]
    ]
    used = {str(id) for bids in found.values() for id in bids[0].bid.volumes}
    bindings = dict(empty.bindings)
    for address, wanted in declared.items():
        if not isinstance(wanted, Volume) or address in bindings:
            continue
        same = [one for one in live.volumes_named(wanted.name) if one.volume == wanted]
        if len(same) == 1 and same[0].id in used:
            bindings[address] = adopted(address, same[0], {})
        elif live.volumes_named(wanted.name):
            notes.append(f"{address}: a volume with that name is live, but nothing proves that flowplan made it")
    for address, bids in found.items():
        bindings[address] = adopted(address, bids[0], bindings)
    names = {wanted.name for wanted in declared.values() if isinstance(wanted, Volume)}
    attached = {str(id) for wanted in declared.values() if isinstance(wanted, Bid) for id in wanted.volumes}
    known = {binding.id for binding in bindings.values()} | attached
    left = [one for id, one in live.volumes.items() if id in used - known and one.volume.name not in names]
    if left:
        which = few(sorted(f"{shown(one.volume.name)} ({shown(one.id)})" for one in left))
        notes.append(
            f"these bids use volumes that no file given here names, and the state does not have them: {which}; a "
            "volume costs money until it is deleted: `flowplan import volume.NAME ID` takes one back"
        )
    volumes = frozenset(binding.id for address, binding in bindings.items() if address.kind == "volume")
    made = attrs.evolve(empty, bindings=bindings, adopted=empty.adopted | volumes, paid_since=empty.serial + 1)
    return Rebuilt(with_past_bids(made, live), tuple(notes))

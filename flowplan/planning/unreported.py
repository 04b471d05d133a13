"""What could not be looked at, or not be read: what stands in for it, and what may be done anyway. Pure.

To stop paying, ids are enough. So an object of the state that the cloud does not show is taken as it was
applied, and a plan that does nothing but stop (cancel, pause, forget) is carried out; any other needs all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from flowplan.errors import CloudError
from flowplan.model.address import Address
from flowplan.model.catalogue import Catalogue, SshKey
from flowplan.model.live import Live, LiveBid, LiveVolume
from flowplan.model.resources import Bid, Volume
from flowplan.planning.plan import Plan
from flowplan.state.state import State


def standing_in(state: State, live: Live, unread: Mapping[str, CloudError]) -> Live:
    """`live` with the objects of `unread` (id -> why) as they were applied."""
    bids, volumes = dict(live.bids), dict(live.volumes)
    for address, binding in state.bindings.items():
        why = unread.get(binding.id)
        if why is None or address.kind == "ports":
            continue
        if isinstance(binding.applied, Volume):
            volumes[binding.id] = LiveVolume(binding.id, binding.applied, unfit=str(why), users_unreported=True)
        elif isinstance(binding.applied, Bid):
            bids[binding.id] = LiveBid(binding.id, binding.applied, "", unfit=str(why))
    return attrs.evolve(live, bids=bids, volumes=volumes, unread={**live.unread, **unread})


def as_applied(state: State, live: Live) -> Live:
    """`live` in which all that the state knows is as it was last applied, whatever it is."""
    bids, volumes = dict(live.bids), dict(live.volumes)
    for binding in state.bindings.values():
        if isinstance(binding.applied, Volume):
            volumes[binding.id] = LiveVolume(binding.id, binding.applied)
        elif isinstance(binding.applied, Bid) and not binding.ended:
            bids[binding.id] = LiveBid(binding.id, binding.applied, "")
    return attrs.evolve(live, bids=bids, volumes=volumes)


def with_known_keys(catalogue: Catalogue, state: State) -> Catalogue:
    """`catalogue`, which was not reported in full, with the SSH keys that the state knows."""
    known = {key.id: key for key in catalogue.ssh_keys}
    for binding in state.bindings.values():
        if isinstance(binding.applied, Bid):
            pairs = zip(binding.applied.ssh_keys, binding.applied.ssh_key_names, strict=False)
            known = {**{id: SshKey(id, name) for id, name in pairs}, **known}
    return attrs.evolve(catalogue, ssh_keys=tuple(known.values()))


def hold_reported(plan: Plan, catalogue: Catalogue, live: Live) -> None:
    """Raise CloudError for a plan that needs what is not reported."""
    if plan.only_stops:
        return
    for why in (*_unread(plan, live), *live.unlisted.values()):
        raise why
    if not plan.adds_nothing:
        for why in catalogue.unread:
            raise why


def left_unread(plan: Plan, live: Live, gone: Iterable[Address]) -> list[CloudError]:
    """What is still not reported once a plan that only stops was carried out, and `gone` are no more."""
    past = set(gone)
    return [
        *(CloudError(f"{address} stays: {why}") for address, why in plan.staying),
        *_unread(attrs.evolve(plan, changes=tuple(c for c in plan.changes if c.address not in past)), live),
    ]


def _unread(plan: Plan, live: Live) -> list[CloudError]:
    found = []
    for change in plan.changes:
        one = live.volumes.get(change.id or "") or live.bids.get(change.id or "")
        if one is not None and one.unfit and change.address.kind != "ports":
            hint = "check it in the console, or run the same command again a little later"
            found.append(live.unread.get(one.id) or CloudError(f"{change.address} ({one.id}): {one.unfit}", hint=hint))
    return found

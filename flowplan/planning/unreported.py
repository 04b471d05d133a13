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
from flowplan.planning.actions import LIFETIME_OVER, Change, Create, Delete, Forget, Replace, Update
from flowplan.planning.plan import Plan
from flowplan.planning.steps import Order
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


def only_stops(plan: Plan) -> bool:
    """Whether `plan` does nothing that could cost more, or lose data that nobody gave up: then it needs ids only."""
    return all(map(stops_only, plan.changes))


def stops(plan: Plan) -> bool:
    """Whether `plan` stops something, and does nothing else."""
    return only_stops(plan) and not plan.empty and plan.mode != "refresh-only"


def is_stated(plan: Plan) -> bool:
    """Whether `plan` is to record what the files say, a `moved` or `removed` block, which no look at the cloud tells
    again: unrecorded, the next plan may end what was to stay. A destroy stops whatever it can record."""
    said = (one for one in plan.changes if one.previous_address is not None or isinstance(one, Forget))
    return plan.mode == "apply" and any(one.reason != "gone_outside" or one.previous_address for one in said)


def stopping_part(plan: Plan, state: State) -> Plan:
    """What of `plan` can be done where nothing can be recorded: what stops an object by the address that `state` knows
    it by, and waits for nothing else of the plan. Where something is to be placed too, which may be what comes instead,
    only what is past its lifetime."""
    alone = only_stops(plan)
    known = {address: binding.id for address, binding in state.bindings.items()}
    part = {
        one.address: one
        for one in plan.changes
        if stops_only(one)
        and not isinstance(one, Forget)
        and known.get(one.address) == one.id
        and one.previous_address is None
        and (alone or one.reason == LIFETIME_OVER)
    }
    return _part_of(plan, part)


def sparing_data(plan: Plan) -> Plan:
    """What of `plan` deletes no volume, and waits for no deletion of one."""
    kept = (one for one in plan.changes if not (isinstance(one, Delete) and one.address.kind == "volume"))
    return _part_of(plan, {one.address: one for one in kept})


def _part_of(plan: Plan, part: Mapping[Address, Change]) -> Plan:
    """The changes `part` of `plan`, but for what waits for something else of it."""
    order: Order = {}
    for step, waits_for in plan.order.items():  # each comes after what it waits for
        if step.address in part and all(before in order for before in waits_for):
            order[step] = waits_for
    changes = tuple(part[address] for address in dict.fromkeys(step.address for step in order))
    return attrs.evolve(plan, changes=changes, order=order)


def stops_only(change: Change) -> bool:
    """Whether `change` can neither cost more nor lose data that nobody gave up."""
    if isinstance(change, Update):
        paused = isinstance(change.after, Bid) and change.after.paused
        return paused and all(one.name == "paused" for one in change.fields)
    return not isinstance(change, (Create, Replace))


def hold_reported(plan: Plan, catalogue: Catalogue, live: Live) -> None:
    """Raise CloudError for a plan that needs what is not reported."""
    if stops(plan):
        return
    for why in (*_unread(plan, live), *live.unlisted.values()):
        raise why
    if not only_stops(plan):
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

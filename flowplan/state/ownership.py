"""Whose is it? Live objects as the state knows them, by id, by marker, by name. Pure.

flowplan changes only what it made. What carries our marker, or what an operation in doubt must have made, is
ours; everything else is somebody's, whatever its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar, overload

import attrs

from flowplan.classes import frozen
from flowplan.model.address import Address, in_order
from flowplan.model.live import Live, LiveBid, LiveVolume, Marker
from flowplan.model.resources import Bid, Inputs, Resource, Volume
from flowplan.state.paid import Paid
from flowplan.state.state import CANCELLED, Binding, State

if TYPE_CHECKING:
    from flowplan.state.records import CreateIntent, Intent

Known = TypeVar("Known", Bid, Volume)
SKEW = 5.0  # seconds by which the clocks of one API may differ; its `Date` has whole seconds, too
# Seconds after an attempt was about to be sent in which it may still be executed: 30 until it is given up, 45 (the
# settle window) in which it may be carried out anyway, and what the server's clock, last heard, may be behind.
LATEST = 120.0
WRONG = 24 * 3600.0  # seconds that this machine's clock may be wrong: a zone, or a battery


def presume(state: State, pending: Mapping[str, Intent], live: Live) -> State:
    """`state` as a look-up would find it: what the cloud shows to be ours counts as made, whether an
    operation in doubt made it or a state lost since.

    A plan is only a forecast; apply looks the intents up itself, with the settle window, before it plans.
    """
    bindings = dict(state.bindings)
    for intent in pending.values():
        from flowplan.state.records import CreateIntent

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
            bindings[intent.address] = binding_of(intent, found[0].id)
    presumed = attrs.evolve(state, bindings=bindings)
    adoptions = {binding.address: binding for binding in strays(presumed, live)}
    return attrs.evolve(presumed, bindings={**bindings, **adoptions})


def cancelled_by(intent: Intent, bindings: Mapping[Address, Binding], live: Live) -> Binding | None:
    """What became of a bid that a removal in doubt was to end: it has ended, and not by itself. None: nothing."""
    known = bindings.get(intent.address)
    if intent.op != "delete" or known is None or known.id != intent.id or known.ended:
        return None
    return attrs.evolve(known, ended=CANCELLED) if _has_ended(known.id, live) else None


def became_of(intent: Intent, bindings: Mapping[Address, Binding], live: Live) -> Binding | None:
    """What became of a bid by a removal or a change in doubt, as far as what is live tells. None: nothing."""
    return cancelled_by(intent, bindings, live) or changed_by(intent, bindings, live)


def changed_by(intent: Intent, bindings: Mapping[Address, Binding], live: Live) -> Binding | None:
    """What a change in doubt has made of a live bid: it is as it was to be, which nobody else has made of it. None: it
    is not, or too little of it is reported."""
    known, wanted, found = bindings.get(intent.address), intent.resource, live.bids.get(intent.id or "")
    if intent.op != "update" or known is None or known.id != intent.id or not isinstance(wanted, Bid):
        return None
    if found is None or found.ended or not {"limit_price", "paused", "volumes"}.isdisjoint(found.bid.unreported):
        return None
    bid = found.bid
    same = (bid.limit_price, bid.paused) == (wanted.limit_price, wanted.paused)
    if not same or set(map(str, bid.volumes)) != set(map(str, wanted.volumes)):
        return None
    return attrs.evolve(known, applied=wanted, needs=intent.needs, source=intent.source, **_said_of(intent))


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
        if bound is None or _has_ended(bound.id, live):
            found.setdefault(address, []).append(bid)
    return [adopted(address, bids[0], state.bindings) for address, bids in found.items() if len(bids) == 1]


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


def preceded(id: str, intent: CreateIntent, bound: Binding | None, live: Live) -> Binding | None:
    """What stands aside once `intent` is known to have made the bid `id`: the bid that its address is `bound` to,
    unless that is proved to be over. It was to be taken away after the new one was made; None: there is none."""
    if bound is None or bound.address.kind != "bid" or bound.id == id or _has_ended(bound.id, live):
        return None
    return bound.before(intent.generation, intent.source)


def _has_ended(id: str, live: Live) -> bool:
    """Whether a bid is proved to be over: merely not being listed proves nothing."""
    return id in live.gone or (id in live.bids and live.bids[id].ended)


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


def is_live(binding: Binding | None, live: Live) -> bool:
    """Whether what the state binds is there: then its name is its own."""
    if binding is None:
        return False
    bid = live.bids.get(binding.id)
    return binding.id in live.volumes or (bid is not None and not bid.ended)


def twins(state: State, live: Live) -> list[tuple[Address, tuple[str, ...]]]:
    """Addresses of ours with further live bids that carry our marker: each costs money, and no plan names it."""
    found: dict[Address, list[str]] = {}
    bound = bound_bids(state) | state.released
    for bid in live.bids.values():
        if bid.marker is not None and not bid.ended and bid.marker.lineage == state.lineage and bid.id not in bound:
            found.setdefault(bid.marker.address, []).append(bid.id)
    return [(address, tuple(ids)) for address, ids in sorted(found.items(), key=lambda one: in_order(one[0]))]


@frozen
class MarkedBid:
    """A live bid that carries flowplan's marker: whose it is, and what it is."""

    bid: LiveBid
    marker: Marker

    @property
    def id(self) -> str:
        """The bid's id."""
        return self.bid.id


@frozen
class Orphans:
    """What is live with our marker, and bound by no state here. `ours`: bids of this stack; `released`: those that it
    released; `volumes`: what those and ended bids of this stack used, though a volume carries no marker
    itself; `elsewhere`: bids of other stacks, whose state is in another place, or lost."""

    ours: tuple[MarkedBid, ...]
    released: tuple[MarkedBid, ...]
    volumes: tuple[LiveVolume, ...]
    elsewhere: tuple[MarkedBid, ...]


def orphans(state: State, pending: Iterable[Intent], live: Live) -> Orphans:
    """The orphans of this stack and of others. What an operation in doubt may have made is none: it is looked up."""
    from flowplan.state.records import CreateIntent

    bound = bound_bids(state) | {one.id for address, one in state.bindings.items() if address.kind == "volume"}
    creates = [intent for intent in pending if isinstance(intent, CreateIntent)]
    doubted = {one.id for intent in creates for one in perhaps_created(intent, state.lineage, live)}
    marked = [MarkedBid(bid, bid.marker) for bid in live.bids.values() if bid.marker is not None]
    of_stack = [one for one in marked if one.marker.lineage == state.lineage]
    loose = [one for one in marked if not one.bid.ended and one.id not in bound and one.id not in doubted]
    used = {str(mount.volume) for one in of_stack for mount in one.marker.mounts}
    used -= {str(id) for bid in live.bids.values() if bid.id in bound for id in bid.bid.volumes}
    return Orphans(
        ours=tuple(one for one in loose if one in of_stack and one.id not in state.released),
        released=tuple(one for one in loose if one in of_stack and one.id in state.released),
        volumes=tuple(live.volumes[id] for id in sorted(used - bound - doubted) if id in live.volumes),
        elsewhere=tuple(one for one in loose if one not in of_stack),
    )


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


def binding_of(intent: CreateIntent, id: str) -> Binding:
    """What the state records once the create of `intent` is known to have made `id`."""
    kept = (intent.address, id, intent.resource, intent.needs, intent.generation, intent.source)
    return Binding(*kept, **_said_of(intent))


def _said_of(intent: Intent) -> dict[str, Any]:
    """What a Binding has of how the files treated the object of `intent`."""
    return {name: getattr(intent, name) for name in ("protected", "protected_by", "lifetime", "raised_from")}


def find_created(intent: CreateIntent, lineage: str, live: Live) -> tuple[LiveBid | LiveVolume, ...]:
    """The live objects that the create of `intent` made: by marker, or (volumes carry none) as `made_by` proves."""
    if intent.address.kind == "volume":
        return tuple(volume for volume in live.volumes_named(intent.name) if made_by(intent, volume))
    return tuple(
        bid
        for bid in live.bids.values()
        if bid.marker is not None and not bid.ended and bid.marker.lineage == lineage
        if bid.marker.address == intent.address and bid.marker.intent == intent.intent
    )


def perhaps_created(intent: CreateIntent, lineage: str, live: Live) -> tuple[LiveBid | LiveVolume, ...]:
    """The same, and what the API says too little of to know whether the create made it."""
    if intent.address.kind == "volume":
        named = (*live.volumes_named(intent.name), *(one for one in live.volumes_named("") if one.unfit))
        return tuple(volume for volume in named if made_by(intent, volume) is not False)
    bids = live.bids.values()
    unread = [one for one in bids if one.unfit and not one.ended and one.marker is None]
    return (*find_created(intent, lineage, live), *(one for one in unread if one.bid.name in ("", intent.name)))


def made_by(intent: CreateIntent, volume: LiveVolume) -> bool | None:
    """Whether the create of `intent` made `volume`, which has its name. None: that cannot be known.

    No volume had the name before, or the intent would not be; so it is ours if it is as large, of the same kind and
    in the same region, nobody uses it yet, and it was created after the first attempt was about to be sent and not
    later than the last one can have been executed; where the server gave no time, nobody knows that to a day. Nothing
    tells it from one that somebody else made just then.
    """
    wanted, found = intent.resource, volume.volume
    if not isinstance(wanted, Volume):
        return False
    reported = {name for name in ("interface", "region") if name not in found.unreported}
    smaller = "size_gb" not in found.unreported and found.size_gb < wanted.size_gb
    if smaller or any(getattr(found, name) != getattr(wanted, name) for name in reported):
        return False
    created = _seconds(volume.created_at)
    first, last = intent.since or intent.at, intent.at
    early, late = first.by_server - SKEW, last.by_server + LATEST
    timely = created is not None and early <= created <= late
    doubt = 0.0 if first.server is not None and last.server is not None else WRONG
    if created is not None and not early - doubt <= created <= late + doubt:
        return False
    certain = timely and found.size_gb == wanted.size_gb and not found.unreported and not volume.users
    certain = certain and not volume.unfit
    return True if certain else None


def is_older(created_at: str, intent: CreateIntent) -> bool:
    """Whether what was made at `created_at` was there before the first attempt of `intent`; False where nobody
    knows."""
    created, first = _seconds(created_at), intent.since or intent.at
    doubt = 0.0 if first.server is not None else WRONG
    return created is not None and created < first.by_server - SKEW - doubt


def _seconds(created_at: str) -> float | None:
    """Seconds since the epoch of a time as the API writes it; None for what is none."""
    try:
        moment = datetime.fromisoformat(created_at)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def as_made(asked: Volume, made: Volume) -> Volume:
    """`asked` as the API made it: what is larger, it rounded up; what it leaves out is as it was asked for."""
    reported = {name: getattr(made, name) for name in ("interface", "region", "size_gb") if name not in made.unreported}
    size_gb = reported.get("size_gb", asked.size_gb)
    if size_gb > asked.size_gb:
        return attrs.evolve(asked, **{**reported, "size_gb": asked.size_gb}, capacity_gb=size_gb)
    return attrs.evolve(asked, **reported)


@overload
def as_known(found: LiveBid, applied: Resource | None) -> Bid: ...
@overload
def as_known(found: LiveVolume, applied: Resource | None) -> Volume: ...
def as_known(found: LiveBid | LiveVolume, applied: Resource | None) -> Bid | Volume:
    """What is live, as far as anything tells. This is the one place that decides what an answer leaves open.

    What the API does not report is as it was applied; what that does not say either stays `unreported`. What a bid
    carries is known in full when its marker agrees with what was applied, else as far as the marker says; unknown
    without one. A volume that is as large as the API made it has the size that was asked for.
    """
    if isinstance(found, LiveVolume):
        return _volume_as_known(found.volume, applied)
    bid, marker = _named(_informed(found.bid, applied), applied), found.marker
    if marker is None:
        return bid if found.sent is None else attrs.evolve(bid, runs=found.script)
    if isinstance(applied, Bid) and applied.inputs is not None and applied.inputs.sha256 == marker.inputs:
        return attrs.evolve(bid, inputs=applied.inputs)
    inputs = Inputs(ports=tuple(marker.ports), mounts=marker.mounts, given_sha256=marker.inputs)
    return attrs.evolve(bid, inputs=inputs)


def _named(bid: Bid, applied: Resource | None) -> Bid:
    """`bid` with what its type and keys were called when it was applied, where no catalogue tells."""
    if not isinstance(applied, Bid):
        return bid
    called = dict(zip(applied.ssh_keys, applied.ssh_key_names, strict=False))
    pairs = zip(bid.ssh_keys, bid.ssh_key_names, strict=False)
    names = tuple(called.get(id, name) if name == id else name for id, name in pairs)
    bid = attrs.evolve(bid, ssh_key_names=names) if names != bid.ssh_key_names else bid
    if bid.instance_type_name or applied.instance_type != bid.instance_type:
        return bid
    return attrs.evolve(bid, instance_type_name=applied.instance_type_name, gpus=applied.gpus)


def _volume_as_known(volume: Volume, applied: Resource | None) -> Volume:
    known = _informed(volume, applied)
    if not isinstance(applied, Volume) or applied.capacity_gb is None or "size_gb" in applied.unreported:
        return known
    if "size_gb" in volume.unreported or volume.size_gb == applied.capacity_gb:
        return attrs.evolve(known, size_gb=applied.size_gb, capacity_gb=applied.capacity_gb)
    return known


def _informed(found: Known, applied: Resource | None) -> Known:
    """`found` with what its answer left open as it was applied."""
    if not found.unreported:
        return found
    known = applied if type(applied) is type(found) else None
    reported = {name: getattr(known, name) for name in found.unreported if known and name not in known.unreported}
    # Inputs of None are unknown already.
    left = tuple(name for name in found.unreported if name not in reported and name != "inputs")
    return attrs.evolve(found, **reported, unreported=left)


def past_bids(state: State, live: Live) -> dict[str, Address]:
    """The bids of this stack that have ended, by their marker: those that the state had, as far as they are listed, and
    duplicates that it never bound. Each with its address."""
    bound = bound_bids(state)
    marked = [MarkedBid(bid, bid.marker) for bid in live.bids.values() if bid.marker is not None and bid.ended]
    return {
        one.id: one.marker.address.current
        for one in marked
        if one.marker.lineage == state.lineage and one.id not in bound
    }


def with_past_bids(state: State, live: Live) -> State:
    """`state` with all of these in its ledger; those that are there already stay as they are."""
    new = {id: Paid(address) for id, address in past_bids(state, live).items() if id not in state.paid}
    return attrs.evolve(state, paid={**state.paid, **new}) if new else state


def movable_bids(state: State, live: Live) -> frozenset[Address]:
    """Bids that wait and have never run: placed elsewhere, they lose nothing but their place in the queue."""
    found = ((a, live.bids.get(b.id)) for a, b in state.bindings.items() if a.kind == "bid")
    return frozenset(a for a, bid in found if bid is not None and bid.status == "Open" and not bid.instances)


def raised_bids(state: State, live: Live) -> dict[Address, Binding]:
    """The live bids whose limit price the watch has raised, as the state has them."""
    found = ((a, b, live.bids.get(b.id)) for a, b in state.bindings.items())
    return {a: b for a, b, bid in found if bid is not None and not bid.ended and is_raised(b, bid.bid)}


def is_raised(binding: Binding, bid: Bid) -> bool:
    """Whether `bid`, as it is live, has the limit price that the watch has raised it to: one that somebody else has set
    since is no raise of the watch."""
    applied = binding.applied if binding.raised_from is not None else None
    return isinstance(applied, Bid) and bid.limit_price == applied.limit_price


def placed_bids(state: State, live: Live) -> dict[Address, Bid]:
    """Every bid that is live, as far as its place is known: a task keeps the type and region that it has."""
    placed = {}
    for address, binding in state.bindings.items():
        found = live.bids.get(binding.id)
        if address.kind != "bid" or found is None or found.ended:
            continue
        bid = as_known(found, binding.applied)
        if not {"instance_type", "region"} & set(bid.unreported):
            placed[address] = bid
    return placed


def adopted_volumes(state: State) -> set[Address]:
    """The volumes that were imported, or found again: what is on them is not for this stack to judge. Of one that no
    file named yet it is not known who made it."""
    return {
        address
        for address, binding in state.bindings.items()
        if address.kind == "volume" and (binding.id in state.adopted or not binding.source)
    }


def volume_regions(state: State, live: Live) -> dict[Address, str]:
    """The region of every volume that exists: moving one would destroy its data."""
    found = {
        address: as_known(live.volumes[binding.id], binding.applied)
        for address, binding in state.bindings.items()
        if binding.id in live.volumes
    }
    return {address: volume.region for address, volume in found.items() if "region" not in volume.unreported}

"""What is known of what is live, and the state binds: what each object is, as far as anything tells. Pure."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, TypeVar, overload

import attrs
from attrs import field

from flowplan.classes import frozen
from flowplan.model.address import Address
from flowplan.model.live import Live, LiveBid, LiveVolume
from flowplan.model.resources import Bid, Inputs, Resource, Volume
from flowplan.state.state import Binding, State

Known = TypeVar("Known", Bid, Volume)


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
    bid, marker = _informed(found.bid, applied), found.marker
    told = _called(bid, applied)
    if marker is None:
        told |= {} if found.sent is None else {"runs": found.script}
    elif isinstance(applied, Bid) and applied.inputs is not None and applied.inputs.sha256 == marker.inputs:
        told["inputs"] = applied.inputs
    else:
        told["inputs"] = Inputs(ports=tuple(marker.ports), mounts=marker.mounts, given_sha256=marker.inputs)
    return attrs.evolve(bid, **told) if told else bid


def _called(bid: Bid, applied: Resource | None) -> dict[str, Any]:
    """The fields that say what the type and the keys of `bid` were called when it was applied, where no catalogue
    tells."""
    if not isinstance(applied, Bid):
        return {}
    called = dict(zip(applied.ssh_keys, applied.ssh_key_names, strict=False))
    pairs = zip(bid.ssh_keys, bid.ssh_key_names, strict=False)
    names = tuple(called.get(id, name) if name == id else name for id, name in pairs)
    told: dict[str, Any] = {"ssh_key_names": names} if names != bid.ssh_key_names else {}
    if not bid.instance_type_name and applied.instance_type == bid.instance_type:
        told |= {"instance_type_name": applied.instance_type_name, "gpus": applied.gpus}
    return told


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


def as_made(asked: Volume, made: Volume) -> Volume:
    """`asked` as the API made it: what is larger, it rounded up; what it leaves out is as it was asked for."""
    reported = {name: getattr(made, name) for name in ("interface", "region", "size_gb") if name not in made.unreported}
    size_gb = reported.get("size_gb", asked.size_gb)
    if size_gb > asked.size_gb:
        return attrs.evolve(asked, **{**reported, "size_gb": asked.size_gb}, capacity_gb=size_gb)
    return attrs.evolve(asked, **reported)


def is_live(binding: Binding | None, live: Live) -> bool:
    """Whether what the state binds is there: then its name is its own."""
    if binding is None:
        return False
    bid = live.bids.get(binding.id)
    return binding.id in live.volumes or (bid is not None and not bid.ended)


def has_ended(id: str, live: Live) -> bool:
    """Whether a bid is proved to be over: merely not being listed proves nothing."""
    return id in live.gone or (id in live.bids and live.bids[id].ended)


@frozen
class Existing:
    """What there is already of what the files may want, by address: of a task and a volume stays what was decided once.

    `placed`: the live bids whose place is known; `movable`: those that wait and have never run; `raised`: those whose
    limit price the watch has raised, as the state has them. `made`: the ids of the volumes that are there; `regions`:
    where these are; `adopted`: volumes that somebody else made."""

    placed: Mapping[Address, Bid] = field(factory=dict)
    movable: Container[Address] = frozenset()
    raised: Mapping[Address, Binding] = field(factory=dict)
    made: Mapping[Address, str] = field(factory=dict)
    regions: Mapping[Address, str] = field(factory=dict)
    adopted: Container[Address] = frozenset()

    @classmethod
    def of(cls, state: State, live: Live) -> Existing:
        """What `state` binds and is there."""
        return cls(
            placed=placed_bids(state, live),
            movable=movable_bids(state, live),
            raised=raised_bids(state, live),
            made={a: b.id for a, b in state.bindings.items() if a.kind == "volume" and b.id in live.volumes},
            regions=volume_regions(state, live),
            adopted=adopted_volumes(state),
        )

    @property
    def volumes(self) -> Existing:
        """The volumes of it: as if no bid were placed yet."""
        return Existing(made=self.made, regions=self.regions, adopted=self.adopted)


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


def volume_regions(state: State, live: Live) -> dict[Address, str]:
    """The region of every volume that exists: moving one would destroy its data."""
    found = {
        address: as_known(live.volumes[binding.id], binding.applied)
        for address, binding in state.bindings.items()
        if binding.id in live.volumes
    }
    return {address: volume.region for address, volume in found.items() if "region" not in volume.unreported}


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


def adopted_volumes(state: State) -> set[Address]:
    """The volumes that were imported, or found again: what is on them is not for this stack to judge. Of one that no
    file named yet it is not known who made it."""
    return {
        address
        for address, binding in state.bindings.items()
        if address.kind == "volume" and (binding.id in state.adopted or not binding.source)
    }

"""What is live with our marker, and no state here binds: of this stack, and of others. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from attrs import field

from flowplan.classes import frozen
from flowplan.model.live import Live, LiveBid, LiveVolume, Marker
from flowplan.state.doubts import perhaps_created
from flowplan.state.ownership import bound_bids
from flowplan.state.records import CreateIntent
from flowplan.state.state import State

if TYPE_CHECKING:
    from flowplan.state.records import Intent


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
    itself; `elsewhere`: bids of other stacks, whose state is in another place, or lost; `states`: by lineage, the
    states that are known here, each as `--state` names it."""

    ours: tuple[MarkedBid, ...]
    released: tuple[MarkedBid, ...]
    volumes: tuple[LiveVolume, ...]
    elsewhere: tuple[MarkedBid, ...]
    states: Mapping[str, str] = field(factory=dict)


def orphans(state: State, pending: Iterable[Intent], live: Live) -> Orphans:
    """The orphans of this stack and of others. What an operation in doubt may have made is none: it is looked up."""
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

"""The order of steps, with Block volumes that go from one bid to another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flowplan.model.address import Address
from flowplan.model.resources import Bid, Resource, Volume
from flowplan.planning import steps as graph
from flowplan.planning.actions import Change, Create, CreateFirst, Delete, Replace


def order_of(changes: Iterable[Change]) -> graph.Order:
    """The steps of `changes`, in their order. Raises graph.Cycle."""
    changes = tuple(changes)
    try:
        return order_with(changes, hand_overs(changes))
    except graph.Cycle:  # bids that exchange their volumes: a guard refuses them
        return order_with(changes, ())


def order_with(changes: Sequence[Change], handed_over: Iterable[tuple[Address, Address]]) -> graph.Order:
    """The same, where bids take Block volumes over from each other: (who takes, who gives). Raises graph.Cycle."""
    return graph.order(
        [graph.Step(way, change.address) for change in changes for way in change.ways],
        {change.address: change.needs for change in changes},
        {change.address: change.needs_before for change in changes},
        handed_over,
        {change.address for change in changes if isinstance(change, CreateFirst)},
        [(change.address, one.task) for change in changes for one in change.waits_for],
    )


def hand_overs(changes: Iterable[Change]) -> list[tuple[Address, Address]]:
    """(who takes, who gives) for every Block volume that goes from one bid to another, since only one bid can use one;
    and for every name."""
    changes = tuple(changes)
    block = {one.id for one in changes if _is_block(one.after) or _is_block(one.before)}
    givers = {
        volume: change.address
        for change in changes
        for volume in (_volumes(change.before) & block)
        if change.releases(volume)
    }
    taken = [
        (change.address, givers[volume])
        for change in changes
        for volume in sorted(_volumes(change.after) & givers.keys())
        if givers[volume] != change.address
    ]
    return taken + _names_freed(changes)


def _names_freed(changes: Iterable[Change]) -> list[tuple[Address, Address]]:
    """(who takes, who gives) for every address whose earlier object is still there, and may have its name."""
    making = {one.address for one in changes if isinstance(one, (Create, Replace)) and not isinstance(one, CreateFirst)}
    going = [one.address for one in changes if isinstance(one, Delete) and one.address.is_earlier]
    return [(earlier.current, earlier) for earlier in going if earlier.current in making]


def _is_block(resource: Resource | None) -> bool:
    """Whether only one bid can use it at a time."""
    return isinstance(resource, Volume) and resource.interface == "Block"


def _volumes(resource: Resource | None) -> set[str]:
    """The ids of the volumes that a bid uses, where they exist already."""
    return {ref for ref in resource.volumes if isinstance(ref, str)} if isinstance(resource, Bid) else set()

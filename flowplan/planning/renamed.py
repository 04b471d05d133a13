"""What one address loses and another one gets: a rename that no `moved` block tells of. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product

from flowplan.model.address import Address
from flowplan.model.lifecycle import DEFAULT
from flowplan.model.resources import Bid, Volume
from flowplan.planning.actions import Change, Create, Delete
from flowplan.planning.differences import differences
from flowplan.planning.lookup import Desired

_MOST = 100  # pairs that are compared: who renames more at once is told of none of them


def renamed(changes: Iterable[Change], desired: Desired) -> Iterator[tuple[Address, Address]]:
    """Pairs of an address that is destroyed, as the files do not name it, and one that is created, where the two differ
    in nothing but their name, and neither is like a third."""
    old: dict[object, list[Delete]] = {}
    new: dict[object, list[Create]] = {}
    for one in changes:
        if one.address.key is not None or one.address.is_earlier:
            continue
        if isinstance(one, Delete) and one.reason == "delete_because_no_resource_config":
            old.setdefault(_rough(one.before), []).append(one)
        elif isinstance(one, Create) and one.id is None:
            new.setdefault(_rough(one.after), []).append(one)
    for rough in [one for one in old if one is not None and one in new]:
        yield from _pairs(old[rough], new[rough], desired)


def _rough(resource: object) -> object:
    """What two that differ in their name only have in common, at least."""
    if isinstance(resource, Bid):
        return (resource.instance_type, resource.region, resource.instance_quantity, resource.limit_price)
    return (resource.size_gb, resource.interface, resource.region) if isinstance(resource, Volume) else None


def _pairs(old: list[Delete], new: list[Create], desired: Desired) -> Iterator[tuple[Address, Address]]:
    if len(old) * len(new) > _MOST:
        return
    alike = [(gone, come) for gone, come in product(old, new) if _is_one(gone, come, desired)]
    for gone, come in alike:
        if sum(gone is one or come is other for one, other in alike) == 1:
            yield gone.address, come.address


def _is_one(gone: Delete, come: Create, desired: Desired) -> bool:
    named = come.address in desired.named
    return gone.address.kind == come.address.kind and not differences(gone.before, come.after, DEFAULT, named=named)

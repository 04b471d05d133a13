"""What one address loses, or keeps unnamed, and another one gets: a rename that no `moved` block tells of. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import NamedTuple

from flowplan.model.address import Address
from flowplan.model.lifecycle import DEFAULT
from flowplan.model.resources import Bid, Resource, Volume
from flowplan.planning.actions import Change, Create, Delete
from flowplan.planning.desired import Desired
from flowplan.planning.differences import differences
from flowplan.planning.plan import LeftAlone

_UNNAMED = ("delete_because_no_resource_config", "delete_because_each_key")
_MOST = 100  # pairs that are compared: who renames more at once is told of none of them


class _Old(NamedTuple):
    """What no file names, as far as is known."""

    address: Address
    before: Resource


def renamed(
    changes: Iterable[Change], left_alone: Iterable[LeftAlone], desired: Desired
) -> Iterator[tuple[Address, Address]]:
    """Pairs of an address that no file names, which is destroyed or left alone, and one that is created, where the two
    differ in nothing but their name, and neither is like a third. Of a `for_each` the name, or the key, is another."""
    old: dict[object, list[_Old]] = {}
    new: dict[object, list[Create]] = {}
    for left in left_alone:
        if left.is_unnamed and not left.address.is_earlier:
            old.setdefault(_rough(left.resource), []).append(_Old(left.address, left.resource))
    for one in changes:
        if one.address.is_earlier:
            continue
        if isinstance(one, Delete) and one.reason in _UNNAMED:
            old.setdefault(_rough(one.before), []).append(_Old(one.address, one.before))
        elif isinstance(one, Create) and one.id is None:
            new.setdefault(_rough(one.after), []).append(one)
    for rough in [one for one in old if one is not None and one in new]:
        yield from _pairs(old[rough], new[rough], desired)


def _rough(resource: object) -> object:
    """What two that differ in their name only have in common, at least."""
    if isinstance(resource, Bid):
        return (resource.instance_type, resource.region, resource.instance_quantity, resource.limit_price)
    return (resource.size_gb, resource.interface, resource.region) if isinstance(resource, Volume) else None


def _pairs(old: list[_Old], new: list[Create], desired: Desired) -> Iterator[tuple[Address, Address]]:
    if len(old) * len(new) > _MOST:
        return
    alike = [(gone, come) for gone, come in product(old, new) if _is_one(gone, come, desired)]
    for gone, come in alike:
        if sum(gone is one or come is other for one, other in alike) == 1:
            yield gone.address, come.address


def _is_one(gone: _Old, come: Create, desired: Desired) -> bool:
    old, new, named = gone.address, come.address, come.address in desired.named
    one_step = old.key == new.key or (old.base == new.base and None not in (old.key, new.key))
    return one_step and old.kind == new.kind and not differences(gone.before, come.after, DEFAULT, named=named)

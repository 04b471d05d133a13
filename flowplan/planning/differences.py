"""What differs between two resources of one address, and what that means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import attrs

from flowplan.model.lifecycle import DEFAULT, Lifecycle
from flowplan.model.resources import (
    DESTROYS_DATA,
    INPUT,
    INPUTS,
    REPLACE,
    UPDATE,
    Bid,
    Inputs,
    PortMapping,
    Resource,
    Volume,
    changes_of,
    name_beside,
)
from flowplan.planning.actions import FieldChange


def differences(
    before: Resource, after: Resource, lifecycle: Lifecycle = DEFAULT, *, named: bool = False
) -> tuple[FieldChange, ...]:
    """Every field that differs, in the order of the class, but for those that `lifecycle` ignores. What is not reported
    is no difference; nor is the order, or the repetition, of ids, ports and mounts. `named`: the name that is wanted is
    written; one that is made of the address is no difference either. A mount of a volume that is detached is none where
    the bid can stay, and forces nothing where it cannot."""
    found = _differences(before, _with_detached(before, after), lifecycle, named=named)
    forcing = {one.name: one for one in found if one.forces}
    if not forcing:
        return found
    whole = tuple(
        attrs.evolve(one, forces=False) if one.name == "mounts" and one.name not in forcing else one
        for one in _differences(before, after, lifecycle, named=named)
    )
    if any(one.forces for one in whole):
        return whole
    return (*whole, *forcing.values())  # where only the marker is known, a mount that differs hides that the rest does


def _with_detached(before: Resource, after: Resource) -> Resource:
    """`after` with the mounts that `before` has besides, of volumes that it does not attach: the script that the bid
    carries leaves out a mount of what is not there."""
    if not isinstance(before, Bid) or not isinstance(after, Bid) or before.inputs is None or after.inputs is None:
        return after
    wanted = after.inputs.mounts
    gone = tuple(one for one in before.inputs.mounts if one not in wanted and one.volume not in after.volumes)
    return attrs.evolve(after, inputs=attrs.evolve(after.inputs, mounts=(*wanted, *gone))) if gone else after


def _differences(before: Resource, after: Resource, lifecycle: Lifecycle, *, named: bool) -> tuple[FieldChange, ...]:
    found: list[FieldChange] = []
    for name, meaning in changes_of(_kind_of(after)).items():
        if name in before.unreported or name in after.unreported:
            continue
        if lifecycle.ignores(name):
            continue
        old, new = getattr(before, name), getattr(after, name)
        if old == new or _same(name, old, new, named=named):
            continue
        if meaning == INPUT:
            found += _input_differences(old, new, lifecycle)
        else:
            found.append(FieldChange(name, old, new, meaning in (REPLACE, DESTROYS_DATA)))
    return tuple(found)


def _same(name: str, old: Any, new: Any, *, named: bool) -> bool:
    if name in ("volumes", "ssh_keys", "pairs"):
        return set(old) == set(new)
    if name == "memory_gb":  # None: the platform's default, which it fills in by itself
        return old is None or new is None
    # What keeps its address keeps its name, whatever the address is by now.
    return name == "name" and (not named or _is_named(old, new))


def _is_named(live: str, wanted: str) -> bool:
    """Whether a live object has the name that is wanted, or one made of it for a successor beside it (`NAME-g2`)."""
    made = re.fullmatch(r".*-g([1-9][0-9]{0,8})", live, re.DOTALL)
    return live == wanted or (made is not None and live == name_beside(wanted, int(made[1])))


def _input_differences(old: Inputs | None, new: Inputs | None, lifecycle: Lifecycle) -> list[FieldChange]:
    if old is None or new is None:
        return []
    ignored = [name for name in INPUTS if lifecycle.ignores(name)]
    if old.alike(attrs.evolve(new, **{name: getattr(old, name) for name in ignored}) if ignored else new):
        return []
    names = [name for name in INPUTS if name not in ignored]
    if not old.complete:  # only a marker: the rest is not known, and so not shown
        names = [name for name in names if name in ("ports", "mounts")]
    unknown = not old.complete and not {"ports", "mounts"}.issuperset(ignored)  # what differs may be what is ignored
    masks = new.shown is not new
    old, new = old.shown, new.as_sent_in(old).shown
    found = [
        FieldChange(name, getattr(old, name), getattr(new, name), forces=True)
        for name in names
        if _unordered(getattr(old, name)) != _unordered(getattr(new, name))
    ]
    if found or unknown:
        return found
    if masks and "container_image" in names:  # nothing else differs: it is a value that is not shown
        return [FieldChange("container_image", old.container_image, new.container_image, forces=True)]
    return [FieldChange("inputs", old.sha256, new.sha256 if new.resolved else None, forces=True)]


def _unordered(value: Any) -> Any:
    return set(value) if isinstance(value, tuple) else value


_BOUND = ("name", "volumes")  # what is carried mounts those volumes that the configuration names


def as_replaced(before: Resource, after: Resource, lifecycle: Lifecycle) -> Resource:
    """What a replacement is made as: `after`, but for what `lifecycle` ignores and can be carried over, which is what
    changes in place. The rest is made as the configuration says: what a bid carries is not known in full."""
    in_place = [name for name, meaning in changes_of(_kind_of(after)).items() if meaning == UPDATE]
    carried = {name: getattr(before, name) for name in in_place if lifecycle.ignores(name) and name not in _BOUND}
    known = {name: value for name, value in carried.items() if name not in before.unreported}
    return attrs.evolve(after, **known) if known else after


def changed_in_place(before: Resource, after: Resource, fields: Sequence[FieldChange]) -> Resource:
    """`before` with only `fields` as in `after`: what is true once those are changed in place. A bid carries what it
    carried: its startup script cannot be changed."""
    known = attrs.evolve(before, **{one.name: one.after for one in fields})
    if not isinstance(known, Bid) or not isinstance(after, Bid) or known.inputs is None or after.inputs is None:
        return known
    if known.inputs.complete or not known.inputs.alike(after.inputs):
        return known
    return attrs.evolve(known, inputs=after.inputs.spelled_as(known.inputs))  # only the marker reported it


def _kind_of(resource: Resource) -> Any:
    return {Volume: "volume", Bid: "bid", PortMapping: "ports"}[type(resource)]


def class_fields(resource: Resource, name: str) -> tuple[str, ...]:
    """The attributes of `resource` that belong to its field `name`: what people read in its place, too."""
    beside = {"instance_type": ("instance_type_name", "gpus"), "ssh_keys": ("ssh_key_names",)}
    return (name, *beside.get(name, ())) if name in changes_of(_kind_of(resource)) else ("inputs",)

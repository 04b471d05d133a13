"""What is replaced because something else is replaced or changed (`replace_triggered_by`)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping

from flowplan.model.address import Address
from flowplan.model.lifecycle import DEFAULT, Lifecycle, Trigger
from flowplan.model.resources import INPUTS
from flowplan.planning.actions import Change, Create, NoOp, Replace, Update
from flowplan.state.state import Binding

TRIGGERED = "replace_because_triggered"


def triggered(made: Mapping[Address, Change], lifecycles: Mapping[Address, Lifecycle]) -> dict[Address, str]:
    """What is replaced besides, each with why, for people: by the changes that are `made` so far, and by each other.
    Those that stand in a circle are each replaced once."""
    listeners = _listeners(made, lifecycles)
    found: dict[Address, str] = {}
    ahead = deque((address, change, False) for address, change in made.items() if address in listeners)
    while ahead:
        address, change, besides = ahead.popleft()
        for listener, trigger in listeners.get(address, ()):
            why = _why(trigger, change, besides=besides)
            if why is not None and listener not in found and isinstance(made[listener], (NoOp, Update)):
                found[listener] = f"{why} (replace_triggered_by)"
                ahead.append((listener, made[listener], True))
    return found


def left_over(
    made: Mapping[Address, Change], lifecycles: Mapping[Address, Lifecycle], bindings: Mapping[Address, Binding]
) -> dict[Address, str]:
    """What an earlier run was to replace by a trigger, and did not come to, each with why, for people: what set it off
    has another object by now, or none."""
    found: dict[Address, str] = {}
    for address, binding in bindings.items():
        if not binding.triggers or not isinstance(made.get(address), (NoOp, Update)):
            continue
        for trigger in lifecycles.get(address, DEFAULT).replace_triggered_by:
            for cause, id in binding.triggers.items():
                # What is found to be placed by an interrupted run has no ports in the state yet: theirs is its id.
                owner = Address("bid", cause.name) if cause.kind == "ports" else cause
                now = bindings[owner].id if owner in bindings else ""
                again = isinstance(made.get(cause), Create) or (cause in made and now not in ("", id))
                if trigger.means(cause) and again:
                    found[address] = f"{cause} was replaced by an earlier run (replace_triggered_by)"
    return found


def causes(made: Mapping[Address, Change]) -> Iterator[tuple[Address, Address]]:
    """(what is changed, what is replaced because of it) for all that is replaced by a trigger."""
    lifecycles = {a: one.lifecycle for a, one in made.items() if one.reason == TRIGGERED}
    for address, found in _listeners(made, lifecycles).items():
        if made[address].ways:
            yield from ((address, listener) for listener, _ in found)


def _listeners(
    made: Mapping[Address, Change], lifecycles: Mapping[Address, Lifecycle]
) -> dict[Address, list[tuple[Address, Trigger]]]:
    """By address: what is replaced with it, and as which trigger."""
    found: dict[Address, list[tuple[Address, Trigger]]] = {}
    instances: dict[tuple[str, str], list[Address]] = {}
    for listener, trigger in _triggers(made, lifecycles):
        if not instances:
            for address in made:
                instances.setdefault((address.kind, address.base), []).append(address)
        one = trigger.address
        for address in [one] if one in made else instances.get((one.kind, one.name), []):
            if address != listener:
                found.setdefault(address, []).append((listener, trigger))
    return found


def _triggers(
    made: Mapping[Address, Change], lifecycles: Mapping[Address, Lifecycle]
) -> Iterator[tuple[Address, Trigger]]:
    for listener, lifecycle in lifecycles.items():
        if listener in made:
            for trigger in lifecycle.replace_triggered_by:
                yield listener, trigger


def _why(trigger: Trigger, change: Change, *, besides: bool) -> str | None:
    """Why `change` sets off `trigger`, for people; None: it does not. `besides`: it becomes a replacement itself."""
    if trigger.of:
        changed = _changed(one.name for one in change.fields)
        return f"{trigger.of} of {change.address} changes" if trigger.of in changed else None
    if besides or isinstance(change, Replace):
        return f"{change.address} is replaced"
    again = isinstance(change, Create) and change.generation > 1
    return f"{change.address} is created again" if again else None


def _changed(names: Iterable[str]) -> set[str]:
    """The fields that change, and what their parts belong to."""
    found = set(names)
    return found | {"inputs"} if not found.isdisjoint(INPUTS) else found

"""Mend the state: rename, let go of, replace, restore."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Container, Mapping

import attrs

from flowplan.backends.store import Loaded
from flowplan.errors import FlowplanError, StateError, UsageProblem
from flowplan.files.regular import read_regular
from flowplan.model.address import Address
from flowplan.state.codec import SIZE_LIMIT, load
from flowplan.state.state import Binding, State


def _bound(address: str, bindings: Mapping[Address, Binding]) -> Binding:
    """What `address` is in the state. Raises UsageProblem, FlowplanError with a near one."""
    try:
        wanted = Address.parse(address)
    except ValueError as error:
        raise UsageProblem(str(error)) from None
    if wanted not in bindings:
        near = difflib.get_close_matches(address, [str(one) for one in bindings], n=1)
        raise FlowplanError(
            f"{address} is not in the state",
            hint=f"did you mean {near[0]}?" if near else "`flowplan state list` lists what is",
        )
    return bindings[wanted]


def _hold_certain(addresses: Container[Address], loaded: Loaded) -> None:
    """Raise FlowplanError when an operation on one of them is in doubt: it is about an address, and would lose it."""
    for intent in loaded.pending.values():
        if intent.address in addresses:
            raise FlowplanError(f"{intent.address} is in doubt", hint="`flowplan recover` settles it first")


def _moves(old: Address, new: str, bindings: Mapping[Address, Binding]) -> dict[Address, Address]:
    """What moves where. Raises UsageProblem for a place that cannot be, or is taken."""
    try:
        to = Address.parse(new)
    except ValueError as error:
        raise UsageProblem(str(error)) from None
    if old.kind == "ports" or to.kind != old.kind:
        raise UsageProblem(
            f"{old} cannot become {to}", hint="ports go with their bid" if old.kind == "ports" else "the kind stays"
        )
    moved = {old: to}
    ports = Address("ports", old.name)
    if old.kind == "bid" and ports in bindings:
        moved[ports] = Address("ports", to.name)
    taken = [address for address in moved.values() if address in bindings]
    if taken:
        raise UsageProblem(f"{taken[0]} is in the state already")
    return moved


def _moved(binding: Binding, moved: Mapping[Address, Address]) -> Binding:
    needs = tuple(moved.get(need, need) for need in binding.needs)
    return attrs.evolve(binding, address=moved.get(binding.address, binding.address), needs=needs)


def _pushed(file: str) -> State:
    """The state in `file`. Raises UsageProblem when that cannot be read, StateError when it is none."""
    try:
        data = sys.stdin.buffer.read(SIZE_LIMIT + 1) if file == "-" else read_regular(file, SIZE_LIMIT)
    except OSError as error:
        raise UsageProblem(f"{file} cannot be read: {error.strerror}", hint="`-` reads stdin") from error
    try:
        return load(data, file)
    except StateError as error:
        error.hint = "push what `flowplan state pull` printed; what is here is as it was"
        raise


def _hold_continued(old: State, new: State, name: str) -> None:
    """Raise StateError unless `new` is a later version of `old`."""
    if new.lineage != old.lineage:
        raise StateError(
            f"{name} belongs to another stack", detail=_lineages(old, new), hint="--force puts it here all the same"
        )
    same = (new.bindings, new.released, new.adopted) == (old.bindings, old.released, old.adopted)
    if new.serial < old.serial or (new.serial == old.serial and not same):
        raise StateError(
            f"{name} does not continue the state here: serial {new.serial}, here {old.serial}",
            hint="--force puts it here all the same",
        )


def _lineages(old: State, new: State) -> str:
    return f"lineage here {old.lineage} (serial {old.serial}), in the file {new.lineage} (serial {new.serial})"

"""What the configuration says of addresses that the state knows, and what becomes of the state by it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs
from attrs import frozen

from flowplan.config import Config, Moved
from flowplan.diagnostics import Diagnostic
from flowplan.model.address import Address
from flowplan.state.state import State, readdressed


@frozen
class Readdressed:
    """The state with its new addresses. `previous`: for each of those, the one it had."""

    state: State
    previous: Mapping[Address, Address]


def readdress(state: State, config: Config) -> tuple[Readdressed, list[Diagnostic]]:
    """`state` with the addresses that `moved` blocks give; ports follow their bid. A block whose source the state does
    not know has no effect. The problems: two resources would have one address, or one that is not configured."""
    problems: list[Diagnostic] = []
    new: dict[Address, Address] = {}
    taken = {address: address for address in state.bindings}
    for block in config.moved:
        if block.old not in state.bindings:
            continue
        target, last = _end(block, config.moved)
        other = taken.get(target)
        if other is not None:
            problems.append(_taken(config, last, block.old, target, other, state))
        elif not _is_known(target, config):
            problems.append(_unknown(config, last, block.old, target))
        else:
            new |= with_ports({block.old: target}, state)
            taken[target] = block.old
    found = attrs.evolve(state, bindings=readdressed(state.bindings, new)) if new else state
    return Readdressed(found, {target: old for old, target in new.items()}), problems


def former_addresses(config: Config) -> dict[Address, Address]:
    """Every address that something had before it moved, with the one that it has now; ports with their bids."""
    found = {one.old: _end(one, config.moved)[0] for one in config.moved}
    ports = {Address("ports", old.name): Address("ports", now.name) for old, now in found.items() if old.kind == "bid"}
    return {**found, **ports}


def with_ports(new: Mapping[Address, Address], state: State) -> dict[Address, Address]:
    """`new`, and the same of the ports of bids in it."""
    ports = {
        Address("ports", old.name): Address("ports", target.name) for old, target in new.items() if old.kind == "bid"
    }
    return {**new, **{old: target for old, target in ports.items() if old in state.bindings}}


def removals(config: Config) -> dict[Address, bool]:
    """The addresses that are configured no longer, each with whether it is destroyed; ports with their bids."""
    found = {one.address: one.destroy for one in config.removed}
    ports = {Address("ports", address.name): gone for address, gone in found.items() if address.kind == "bid"}
    return {**found, **ports}


def named(config: Config) -> frozenset[Address]:
    """The addresses of resources whose name in the cloud is written."""
    tasks = (address for address, task in config.tasks.items() if task.named)
    return frozenset((*tasks, *(address for address, volume in config.volumes.items() if volume.named)))


def _end(block: Moved, moved: Iterable[Moved]) -> tuple[Address, Moved]:
    """Where the resource of `block` ends up, and the block that says so: a move may be followed by another."""
    further = {one.old: one for one in moved}
    seen = {block.old}
    while block.new in further and block.new not in seen:
        seen.add(block.new)
        block = further[block.new]
    return block.new, block


def _is_known(address: Address, config: Config) -> bool:
    known = address in config.tasks or address in config.volumes
    return known or any(one.address == address for one in config.removed)


def _taken(config: Config, block: Moved, old: Address, new: Address, other: Address, state: State) -> Diagnostic:
    here, there = state.bindings[old].id, state.bindings[other].id
    second = f"{new} is in the state as {there}" if other == new else f"{other} ({there}) becomes {new} too"
    known = new in config.tasks or new in config.volumes
    return Diagnostic(
        "moved-taken",
        f"{old} ({here}) cannot become {new}: {second}",
        f"keep one: `flowplan state rm {old}` releases {here}, and it keeps costing money; or remove this block, and "
        f"{old} is destroyed as not configured",
        position=block.source,
        source=config.source_line(block.source),
        also=((f"{new} is configured here", config.position_of(new)),) if known else (),
        about=str(new),
    )


def _unknown(config: Config, block: Moved, old: Address, new: Address) -> Diagnostic:
    return Diagnostic(
        "moved-unknown",
        f"{old} is to become {new}, which is not configured here: it would be destroyed",
        "give the file that has it, too; to give the resource up, write a removed block instead",
        position=block.source,
        source=config.source_line(block.source),
        about=str(new),
    )

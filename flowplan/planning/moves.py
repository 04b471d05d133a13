"""What the configuration says of addresses that the state knows, and what becomes of the state by it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from flowplan.classes import frozen
from flowplan.config import Config, Moved
from flowplan.diagnostics import Diagnostic, looks_like
from flowplan.model.address import Address, in_order, instance_name
from flowplan.state.state import State, readdressed


@frozen
class Readdressed:
    """The state with its new addresses. `previous`: for each of those, the one it had."""

    state: State
    previous: Mapping[Address, Address]


def readdress(state: State, config: Config) -> tuple[Readdressed, list[Diagnostic]]:
    """`state` with the addresses that `moved` blocks give; ports follow their bid. A block whose source the state does
    not know has no effect; one of a whole for_each moves every instance. The problems: two resources would have one
    address, or one that is not configured."""
    blocks = {block.old: block for block in config.moved}
    problems: list[Diagnostic] = []
    new: dict[Address, Address] = {}
    taken = {address: address for address in state.bindings}
    for old in sorted(state.bindings, key=in_order) if blocks else ():
        target, last = _end(old, blocks)
        if last is None or old.kind == "ports":
            continue
        other = taken.get(target)
        if other is not None:
            problems.append(_taken(config, last, old, target, other, state))
        elif not _is_known(target, config):
            problems.append(_unknown(config, last, old, target))
        else:
            new |= with_ports({old: target}, state)
            taken[target] = old
    found = attrs.evolve(state, bindings=readdressed(state.bindings, new)) if new else state
    if blocks:  # also those that an earlier run carried out, which did not come to its outputs
        from flowplan.state.outputs import with_addresses

        found = with_addresses(found, lambda one: one if one in found.bindings else _end(one, blocks)[0])
    return Readdressed(found, {target: old for old, target in new.items()}), problems


def former_addresses(config: Config) -> dict[Address, Address]:
    """Every address that something had before it moved, with the one that it has now; ports with their bids."""
    blocks = {block.old: block for block in config.moved}
    found = {old: _end(old, blocks)[0] for old in blocks}
    for old, now in list(found.items()):
        for one in (*config.tasks, *config.volumes):
            if now.key is None and one.key is not None and (one.kind, one.base) == (now.kind, now.name):
                found[Address(old.kind, instance_name(old.name, one.key))] = one
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


def _end(address: Address, blocks: Mapping[Address, Moved]) -> tuple[Address, Moved | None]:
    """Where the resource at `address` ends up, and the last block that says so; None: none does. A move may be followed
    by another; one of a whole for_each moves every instance, and an earlier object goes with its successor."""
    at, last = address.current, None
    seen: set[Address] = set()
    while at not in seen:
        seen.add(at)
        whole = blocks.get(Address(at.kind, at.base)) if at.key is not None else None
        block = blocks.get(at) or (whole if whole is not None and whole.new.key is None else None)
        if block is None:
            break
        name = block.new.name if block.old == at else instance_name(block.new.name, at.key or "")
        at, last = Address(at.kind, name), block
    return at.followed_by(address), last


def _is_known(address: Address, config: Config) -> bool:
    now = address.current
    known = now in config.tasks or now in config.volumes
    return known or any(one.address in (now, Address(now.kind, now.base)) for one in config.removed)


def _taken(config: Config, block: Moved, old: Address, new: Address, other: Address, state: State) -> Diagnostic:
    here, there = state.bindings[old].id, state.bindings[other].id
    second = f"{new} is in the state as {there}" if other == new else f"{other} ({there}) becomes {new} too"
    known = new in config.tasks or new in config.volumes
    return Diagnostic(
        "moved-taken",
        f"{old} ({here}) cannot become {new}: {second}",
        _remedy(old, state),
        position=block.source,
        source=config.source_line(block.source),
        also=((f"{new} is configured here", config.position_of(new)),) if known else (),
        about=str(new),
    )


def _remedy(old: Address, state: State) -> str:
    binding = state.bindings[old]
    if old.kind == "bid" and not binding.source:  # by its marker alone: the state may not have it yet
        return f"if you do not want both: flowplan recover --cancel {binding.id}"
    return (
        f"keep one: `flowplan state rm {old.word}` releases {binding.id}, and it keeps costing money; or remove this "
        f"block, and {old} is destroyed as not configured"
    )


def _unknown(config: Config, block: Moved, old: Address, new: Address) -> Diagnostic:
    near = looks_like(str(new), [str(one) for one in (*config.tasks, *config.volumes) if one.kind == new.kind])
    meant = f"did you mean {near}? " if near else ""
    return Diagnostic(
        "moved-unknown",
        f"{old} is to become {new}, which is not configured here: it would be destroyed",
        f"{meant}give the file that has it, too; to give the resource up, write a removed block instead",
        position=block.source,
        source=config.source_line(block.source),
        about=str(new),
    )

"""Outputs of a stack: which attributes they may name, and what they come to. Pure.

${task.NAME.ATTR}      of a task; of one with for_each, without a key, a mapping of keys to values
${volume.NAME.ATTR}    of a volume
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any, TypeAlias

from flowplan.classes import frozen
from flowplan.model.address import KEYED, Address, spelled
from flowplan.model.resources import Bid, Resource, Volume
from flowplan.patterns import regex

Value: TypeAlias = str | int | dict[str, Any] | None  # None: not known yet
_NAME = rf"[A-Za-z0-9_-]+{KEYED}"
_PIECE = regex(rf"\$\$\{{|\$\{{\s*(task|volume)\.({_NAME})\.([a-z_]+)\s*\}}")


@frozen
class Output:
    """An output as it is shown: `value` None where it is not known yet, or where it is sensitive."""

    value: Value
    sensitive: bool = False


@frozen
class Thing:
    """A resource that an output may name: `id` None until it is made, `ssh` None until it is up."""

    resource: Resource
    id: str | None = None
    ssh: str | None = None


@frozen
class Reference:
    """One `${...}` of a template, as it is written: `address` may be that of several, by for_each."""

    address: Address
    attribute: str


_OF_TASK: Mapping[str, Callable[[Bid], Value]] = {
    "name": lambda bid: bid.name,
    "region": lambda bid: bid.region,
    "instance_type": lambda bid: bid.instance_type_name or bid.instance_type,
    "instance_quantity": lambda bid: bid.instance_quantity,
    "limit_price": lambda bid: f"{bid.limit_price:.2f}",
}
_OF_VOLUME: Mapping[str, Callable[[Volume], Value]] = {
    "name": lambda volume: volume.name,
    "region": lambda volume: volume.region,
    "size_gb": lambda volume: volume.size_gb,
    "interface": lambda volume: volume.interface,
}
# What an output may name, by the kind of its address.
ATTRIBUTES: Mapping[str, tuple[str, ...]] = {"bid": ("id", "ssh", *_OF_TASK), "volume": ("id", *_OF_VOLUME)}


def references(template: str) -> Iterator[Reference]:
    """What `template` names."""
    for found in _PIECE.finditer(template):
        if found[1] is not None:
            yield _reference(found)


def readdressed(template: str, new: Callable[[Address], Address]) -> str:
    """`template` in which each address is the one that `new` gives for it."""

    def one(found: re.Match[str]) -> str:
        if found[1] is None:
            return found[0]
        reference = _reference(found)
        address = new(reference.address)
        return found[0] if address == reference.address else f"${{{found[1]}.{address.name}.{reference.attribute}}}"

    return _PIECE.sub(one, template)


def value_of(template: str, things: Mapping[Address, Thing], none_of: Container[Address] = ()) -> Value:
    """What `template` comes to; None while something in it is not known. A template that is nothing but one reference
    keeps the kind of what it names; within a text everything becomes text. `none_of`: those whose for_each is empty."""
    whole = _PIECE.fullmatch(template)
    if whole is not None and whole[1] is not None:
        reference = _reference(whole)
        return {} if reference.address in none_of else _named(reference, things)
    parts, end = [], 0
    for found in _PIECE.finditer(template):
        value = "${" if found[1] is None else _named(_reference(found), things)
        if value is None:
            return None
        parts += [template[end : found.start()], str(value)]
        end = found.end()
    return "".join([*parts, template[end:]])


def _reference(found: re.Match[str]) -> Reference:
    return Reference(Address("volume" if found[1] == "volume" else "bid", spelled(found[2])), found[3])


def _named(reference: Reference, things: Mapping[Address, Thing]) -> Value:
    address = reference.address
    if address in things:
        return _attribute(things[address], reference.attribute)
    several = {
        one.key: _attribute(thing, reference.attribute)
        for one, thing in things.items()
        if one.kind == address.kind and one.base == address.name and one.key is not None
    }
    return {key: several[key] for key in sorted(several)} or None


def _attribute(thing: Thing, name: str) -> Value:
    if name in ("id", "ssh"):
        return thing.id if name == "id" else thing.ssh
    if name in thing.resource.unreported:  # what it holds there stands for nothing
        return None
    if isinstance(thing.resource, Bid):
        return _OF_TASK[name](thing.resource) if name in _OF_TASK else None
    return _OF_VOLUME[name](thing.resource) if isinstance(thing.resource, Volume) and name in _OF_VOLUME else None

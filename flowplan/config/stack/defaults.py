"""`defaults` under each task: its own keys win, mappings are merged key by key, lists are replaced. Pure."""

from __future__ import annotations

from copy import copy

from flowplan.config.yaml import Also, Node, Scalar, reached
from flowplan.config.yaml import Mapping as MappingNode


def under(defaults: MappingNode, own: MappingNode, used: Also) -> MappingNode:
    """`own` with what `defaults` says of keys that it does not have. Problems of a value that comes from there name the
    place where it is written, and `used`, the place that has it."""
    made = copy(own)
    made.entries = {name: (own.key(name), own.value(name)) for name in own.entries}
    made.through = None
    for name in defaults.entries:
        value = defaults.value(name)
        there = made.entries.get(name)
        if there is None or _empty(there[1]):
            made.entries[name] = (defaults.key(name), reached(value, used))
        elif isinstance(value, MappingNode) and isinstance(there[1], MappingNode):
            made.entries[name] = (there[0], under(value, there[1], used))
    return made


def _empty(node: Node) -> bool:
    """A section that holds nothing is as if it were not there."""
    return isinstance(node, Scalar) and node.is_null

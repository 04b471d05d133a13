"""The resource graph -> Graphviz and Mermaid. An arrow leads from what is needed to what needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from flowplan.model.address import Address, Ref
from flowplan.reports.text.paint import Paint

Needs: TypeAlias = Mapping[Address, Sequence[Ref]]  # what each resource needs


def dot(needs: Needs, _: Paint) -> str:
    """For Graphviz; what flowplan only reads is dashed."""
    edges = _users(needs)
    lines = ["digraph flowplan {", "  rankdir = LR;", "  node [shape = box];"]
    lines += [f'  "{node}"{" [style = dashed]" if node.endswith(")") else ""};' for node in edges]
    lines += [f'  "{needed}" -> "{user}";' for needed, users in edges.items() for user in users]
    return "\n".join([*lines, "}"]) + "\n"


def mermaid(needs: Needs, _: Paint) -> str:
    """For Mermaid."""
    edges = _users(needs)
    ids = {node: f"n{number}" for number, node in enumerate(edges)}
    lines = ["graph LR", *(f'  {ids[node]}["{node}"]' for node in edges)]
    lines += [f"  {ids[needed]} --> {ids[user]}" for needed, users in edges.items() for user in users]
    return "\n".join(lines) + "\n"


def _users(needs: Needs) -> dict[str, list[str]]:
    """Every node with those that need it. Attached volumes end in "(attached)"."""
    users: dict[str, list[str]] = {str(address): [] for address in needs}
    for address, needed in needs.items():
        for one in needed:
            node = str(one) if isinstance(one, Address) else f"volume.{one} (attached)"
            users.setdefault(node, []).append(str(address))
    return {node: sorted(users[node]) for node in sorted(users)}

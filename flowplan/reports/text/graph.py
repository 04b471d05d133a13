"""The resource graph -> Graphviz and Mermaid. An arrow leads from what is needed to what needs it."""

from __future__ import annotations

from flowplan.documents.graph import Graph, waits
from flowplan.reports.text.paint import Paint


def dot(graph: Graph, _: Paint) -> str:
    """For Graphviz; what flowplan only reads is dashed, and so is what only waits."""
    lines = ["digraph flowplan {", "  rankdir = LR;", "  node [shape = box];"]
    lines += [f"  {_dot(node)}{' [style = dashed]' if node.attached else ''};" for node in graph.users]
    lines += [f"  {_dot(needed)} -> {_dot(user)};" for needed, users in graph.users.items() for user in users]
    lines += [f'  {_dot(one)} -> {_dot(to)} [style = dashed, label = "{until}"];' for one, to, until in waits(graph)]
    return "\n".join([*lines, "}"]) + "\n"


def mermaid(graph: Graph, _: Paint) -> str:
    """For Mermaid."""
    ids = {node: f"n{number}" for number, node in enumerate(graph.users)}
    lines = ["graph LR", *(f'  {ids[node]}["{_mermaid(node)}"]' for node in graph.users)]
    lines += [f"  {ids[needed]} --> {ids[user]}" for needed, users in graph.users.items() for user in users]
    lines += [f"  {ids[one]} -. {until} .-> {ids[to]}" for one, to, until in waits(graph)]
    return "\n".join(lines) + "\n"


def _dot(node: object) -> str:
    """A quoted name; the key of a `for_each` has quotes itself."""
    return '"' + str(node).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _mermaid(node: object) -> str:
    return str(node).replace('"', "#quot;")

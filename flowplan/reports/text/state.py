"""The state -> text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowplan.documents.plan import plain
from flowplan.documents.ports import ranges
from flowplan.model.address import in_order
from flowplan.printable import shown
from flowplan.reports.text.paint import Paint
from flowplan.state.journal import Intent
from flowplan.state.state import Binding, State


def whole(found: tuple[State, Sequence[Intent]], _: Paint) -> str:
    """Every resource, and what is in doubt."""
    state, pending = found
    if not state.bindings and not pending:
        return "The state is empty: flowplan has made nothing here.\n"
    head = f"stack {shown(state.stack)}, project {shown(state.project_name)}, serial {state.serial}"
    parts = [head, *(one(state.bindings[address]) for address in sorted(state.bindings, key=in_order))]
    parts += [f"in doubt: {shown(intent.op)} of {shown(str(intent.address))}" for intent in pending]
    return "\n\n".join(parts) + "\n"


def one(binding: Binding) -> str:
    """One resource as it was last applied."""
    lines = [f"{shown(str(binding.address))} ({shown(binding.id)})"]
    rows: list[tuple[str, str]] = []
    data: Any = plain(binding.applied)
    if binding.address.kind == "ports":
        rows = [("", text) for text in ranges(data)]
    else:
        rows = [(name, _value(value)) for name, value in data.items() if value not in (None, [], "")]
    rows += [("needs", ", ".join(shown(str(need)) for need in binding.needs))] if binding.needs else []
    rows += [("source", shown(binding.source.removeprefix("./")))] if binding.source else []
    width = max((len(name) for name, _ in rows), default=0)
    lines += [f"    {name:<{width}} = {value}" if name else f"    {value}" for name, value in rows]
    return "\n".join(lines)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{shown(key)} {shown(str(one))}" for key, one in value.items())
    if isinstance(value, list):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    return str(value).lower() if isinstance(value, bool) else shown(str(value))

"""The outputs of a stack, a line each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from flowplan.printable import shown
from flowplan.reports.text.paint import Paint

if TYPE_CHECKING:
    from flowplan.documents.shapes.outputs import OutputValue, PlannedOutput

UNKNOWN, SENSITIVE = "(not known yet)", "<sensitive>"


def text(outputs: Mapping[str, OutputValue], paint: Paint) -> str:
    """`name = value`, as people read it."""
    if not outputs:
        return paint("There are no outputs.") + "\n"
    width = max(map(len, outputs))
    return "".join(f"{name:<{width}} = {of(one)}\n" for name, one in outputs.items())


def raw(outputs: Mapping[str, OutputValue], _: Paint) -> str:
    """The one value, without quotes and without a line end, for scripts."""
    (one,) = outputs.values()
    value = one["value"]
    return value if isinstance(value, str) else json.dumps(value)


def of(one: OutputValue) -> str:
    """One value."""
    if one["sensitive"]:
        return SENSITIVE
    return UNKNOWN if one["value"] is None else shown(json.dumps(one["value"], ensure_ascii=False), 1000)


def planned(one: PlannedOutput) -> str:
    """The value after a plan is carried out."""
    if one["sensitive"]:
        return SENSITIVE
    return "(known after apply)" if one["value"] is None else json.dumps(one["value"], ensure_ascii=False)

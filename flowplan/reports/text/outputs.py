"""The outputs of a stack, a line each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flowplan.printable import shown
from flowplan.reports.text.paint import Paint
from flowplan.reports.text.rows import beside

if TYPE_CHECKING:
    from flowplan.documents.shapes.outputs import OutputValue, PlannedOutput

_FEW = 3  # so many values that are not known, or that stay, are shown one by one
UNKNOWN, SENSITIVE = "(not known yet)", "<sensitive>"


def text(outputs: Mapping[str, OutputValue], paint: Paint) -> str:
    """`name = value`, as people read it."""
    if not outputs:
        return paint("There are no outputs.") + "\n"
    width = max(map(len, outputs))
    lines = (line for name, one in outputs.items() for line in beside(of(one), f"{name:<{width}} = ", paint.width))
    return "".join(f"{line}\n" for line in lines)


def raw(outputs: Mapping[str, OutputValue], _: Paint) -> str:
    """The one value, without quotes and without a line end, for scripts."""
    (one,) = outputs.values()
    value = one["value"]
    return value if isinstance(value, str) else json.dumps(value)


def of(one: OutputValue) -> str:
    """One value, whole: what is cut off could not be typed."""
    if one["sensitive"]:
        return SENSITIVE
    written = _written(one["value"], UNKNOWN)
    return shown(written, len(written))


def planned(one: PlannedOutput) -> str:
    """The value after a plan is carried out."""
    if one["sensitive"]:
        return SENSITIVE
    return _written(one["value"], "(known after apply)")


def recorded(one: PlannedOutput) -> str:
    """The value before a plan is carried out, as the state has it."""
    return SENSITIVE if one["sensitive"] and one["before"] is None else _written(one["before"], UNKNOWN)


def without_same(one: PlannedOutput) -> tuple[PlannedOutput, int]:
    """`one` without the keys of a mapping whose values stay, where those are more than a few; and how many they are."""
    before, after = one.get("before"), one["value"]
    if not isinstance(before, dict) or not isinstance(after, dict):
        return one, 0
    same = {key for key, value in after.items() if key in before and before[key] == value}
    if len(same) <= _FEW:
        return one, 0
    left = one.copy()
    left["before"], left["value"] = (
        {key: value for key, value in found.items() if key not in same} for found in (before, after)
    )
    return left, len(same)


def _written(value: Any, unknown: str) -> str:
    """`value` as JSON, but for what is null: that is `unknown`; once for many of which nothing is known."""
    if isinstance(value, dict):
        if len(value) > _FEW and all(one is None for one in value.values()):
            return f"{{{len(value):,} keys: {unknown}}}"
        pairs = (f"{json.dumps(key, ensure_ascii=False)}: {_written(one, unknown)}" for key, one in value.items())
        return f"{{{', '.join(pairs)}}}"
    return unknown if value is None else json.dumps(value, ensure_ascii=False)

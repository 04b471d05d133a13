"""The outputs of a stack, as JSON: name -> value, null where it is not known yet or sensitive. And what an apply saves
though nothing live changes: outputs among it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowplan.documents.shapes.common import Said
    from flowplan.documents.shapes.outputs import OutputValue, PlannedOutput, Unknown
    from flowplan.model.outputs import Output

OTHER_PREFIX = "other_environment"  # the word of the warning that the files have another name_prefix than the state


def document(outputs: Mapping[str, Output]) -> dict[str, OutputValue]:
    """Each output under its name."""
    return {name: {"value": one.value, "sensitive": one.sensitive} for name, one in outputs.items()}


def planned(after: Mapping[str, Output], before: Mapping[str, Output]) -> dict[str, PlannedOutput]:
    """Each output as it will be, and as the state has it."""
    made: dict[str, PlannedOutput] = {}
    for name, one in after.items():
        made[name] = {"value": one.value, "sensitive": one.sensitive}
        unknown = _unknown(one)
        if unknown:
            made[name]["after_unknown"] = unknown
        if name in before:
            made[name]["before"] = before[name].value
    return made


def removed(after: Mapping[str, Output], before: Mapping[str, Output]) -> dict[str, PlannedOutput]:
    """Each output that the state has, and will have no longer."""
    return {
        name: {"value": None, "sensitive": one.sensitive, "before": one.value, "removed": True}
        for name, one in before.items()
        if name not in after
    }


def is_changed(one: PlannedOutput) -> bool:
    """Whether it is not in the state yet, has another value there, or is removed from it."""
    return "removed" in one or "before" not in one or one["value"] != one["before"]


def saved_besides(outputs: Mapping[str, PlannedOutput], diagnostics: Iterable[Said]) -> tuple[str, ...]:
    """What a plan with these `outputs`, of which `diagnostics` are said, saves otherwise than the state has it, even if
    nothing that is live changes: in words."""
    other = any(one["detail"] == OTHER_PREFIX for one in diagnostics)
    changed = any(map(is_changed, outputs.values()))
    return (*(["the name_prefix"] if other else []), *(["the outputs"] if changed else []))


def _unknown(one: Output) -> Unknown:
    """What of a planned value only the apply tells."""
    if isinstance(one.value, dict):
        return {key: True for key, value in one.value.items() if value is None}
    return one.value is None and not one.sensitive

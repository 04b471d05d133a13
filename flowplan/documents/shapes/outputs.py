"""The outputs of a stack, as JSON."""

from typing import Any, NotRequired, TypeAlias, TypedDict

Unknown: TypeAlias = bool | dict[str, bool]


class OutputValue(TypedDict):
    """One output: `value` is null where it is not known yet, and where it is sensitive."""

    value: Any
    sensitive: bool


class PlannedOutput(OutputValue):
    """An output as it is once the plan is carried out; `before` as the state has it, where it does. `after_unknown`
    where `value` is null because only the apply tells it: true, or the keys of a mapping of which that holds.
    `removed`: true where the state has it no longer then: the stack file does not declare it, or what it
    names goes."""

    after_unknown: NotRequired[Unknown]
    before: NotRequired[Any]
    removed: NotRequired[bool]

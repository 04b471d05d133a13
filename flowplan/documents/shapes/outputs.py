"""The outputs of a stack, as JSON."""

from typing import Any, NotRequired, TypedDict


class OutputValue(TypedDict):
    """One output: `value` is null where it is not known yet, and where it is sensitive."""

    value: Any
    sensitive: bool


class PlannedOutput(OutputValue):
    """An output as it is once the plan is carried out; `before` as the state has it, where it does."""

    before: NotRequired[Any]

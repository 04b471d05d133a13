"""What the documents of a stack come to. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field

from flowplan.classes import define
from flowplan.config.stack.names import Names

if TYPE_CHECKING:
    from flowplan.config.config import Import, Moved, OutputWanted, Removed, StatePlace, Task, VolumeWanted
    from flowplan.model.budget import Budget
    from flowplan.model.given import GivenValue
    from flowplan.model.hooks import Hook
    from flowplan.model.policy import Policies
    from flowplan.model.watch import Watching


@define
class Stack:
    """What the documents of one stack say together; nothing, where there is none."""

    name: str = ""
    tasks: list[Task] = field(factory=list)
    volumes: list[VolumeWanted] = field(factory=list)
    budgets: list[Budget] = field(factory=list)
    policies: list[Policies] = field(factory=list)
    hooks: list[Hook] = field(factory=list)
    outputs: dict[str, OutputWanted] = field(factory=dict)
    moved: list[Moved] = field(factory=list)
    removed: list[Removed] = field(factory=list)
    imports: list[Import] = field(factory=list)
    variables: dict[str, GivenValue] = field(factory=dict)  # those that were given
    prefix: str = ""
    state: StatePlace | None = None
    watch: Watching | None = None
    sensitive: dict[str, str] = field(factory=dict, repr=False)  # sensitive variables, each as --var takes it
    names: Names = field(factory=Names)

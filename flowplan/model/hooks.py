"""Commands that somebody wants to be run when something has happened. Pure."""

from __future__ import annotations

from typing import Literal, TypeAlias

from flowplan.classes import frozen
from flowplan.diagnostics import Position

Event: TypeAlias = Literal["planned", "applied", "preempted", "drifted"]
EVENTS: tuple[Event, ...] = ("planned", "applied", "preempted", "drifted")
TIMEOUT = 30  # seconds


@frozen
class Hook:
    """`command`: a program and its arguments, which no shell reads. `timeout`: seconds after which it is killed."""

    event: Event
    command: tuple[str, ...]
    timeout: int
    position: Position

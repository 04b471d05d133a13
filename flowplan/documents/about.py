"""What a document is about: which stack, and which moment."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, overload

from flowplan.state.state import State

if TYPE_CHECKING:
    from flowplan.documents.shapes.common import Stack


def stack_of(state: State, recorded: State | None = None) -> Stack:
    """The stack of a state; `lineage` is null before the first apply, which makes it. One that was cut off before it
    saved the state has made it, too: it is in the journal. `recorded`: what is kept of `state` so far, where a plan has
    added what it imports; None: all of it."""
    kept = state if recorded is None else recorded
    return {
        "name": state.stack,
        "project": {"id": state.project, "name": state.project_name},
        "api_url": state.api_url,
        "lineage": state.lineage if kept.serial or kept.bindings else None,
    }


@overload
def moment(at: datetime) -> str: ...
@overload
def moment(at: datetime | None) -> str | None: ...
def moment(at: datetime | None) -> str | None:
    """To the second, in UTC: "2026-11-02T09:00:00Z"."""
    return None if at is None else at.isoformat(timespec="seconds").replace("+00:00", "Z")

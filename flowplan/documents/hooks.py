"""What has happened -> the document that a hook reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from attrs import field

from flowplan import __version__
from flowplan.classes import frozen
from flowplan.documents.about import stack_of
from flowplan.documents.plan import words
from flowplan.model.address import Address
from flowplan.model.hooks import Event
from flowplan.planning.actions import Change
from flowplan.planning.plan import Mode
from flowplan.state.state import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flowplan.documents.shapes import hooks as shape
    from flowplan.documents.shapes.plan import PlanDocument, SealedPlan

FORMAT_VERSION = "1.0"


@frozen
class Happened:
    """`changes`: what it is about; `results` and `errors`: what became of these, by address; `summary`, of an apply:
    how many were added, and so on; `recorded`: as of `stack_of`."""

    event: Event
    mode: Mode
    state: State
    changes: tuple[Change, ...]
    plan: PlanDocument | SealedPlan | None = None
    results: Mapping[Address, shape.Result] = field(factory=dict)
    errors: Mapping[Address, str] = field(factory=dict)
    summary: Mapping[str, int] | None = None
    recorded: State | None = None


def document(found: Happened, timestamp: str) -> shape.HookDocument:
    """What a hook reads on stdin. `timestamp`: RFC 3339. Secrets are not left out here."""
    made: shape.HookDocument = {
        "format_version": FORMAT_VERSION,
        "flowplan_version": __version__,
        "timestamp": timestamp,
        "event": found.event,
        "mode": found.mode,
        "stack": stack_of(found.state, found.recorded),
        "resources": list(_resources(found)),
    }
    if found.plan is not None:
        made["plan"] = found.plan
    if found.summary is not None:
        made["summary"] = dict(found.summary)
    return made


def _resources(found: Happened) -> Iterable[shape.HookResource]:
    for one in found.changes:
        bound = found.state.bindings.get(one.address)
        yield {
            "address": str(one.address),
            "type": one.address.kind,
            "id": one.id if bound is None else bound.id,
            "actions": words(one),
            "status": one.status or None,
            "result": found.results.get(one.address),
            "error": found.errors.get(one.address),
        }

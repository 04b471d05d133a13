"""The state, and what a look into it finds -> documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from attrs import frozen

from flowplan.state.codec import converter
from flowplan.state.journal import Intent
from flowplan.state.state import Binding, State

if TYPE_CHECKING:
    from flowplan.documents.shapes.state import AddressesDocument, Bound, ResourceDocument


@frozen
class Kept:
    """The state as it is now, and the operations in doubt, which stand in its journal."""

    state: State
    pending: Sequence[Intent]


def addresses(found: Sequence[Binding]) -> AddressesDocument:
    """What the state holds, by address and id."""
    return {
        "format_version": "1.0",
        "resources": [{"address": str(one.address), "type": one.address.kind, "id": one.id} for one in found],
    }


def resource(found: Binding) -> ResourceDocument:
    """One resource, as the state file has it."""
    return {"format_version": "1.0", "resource": cast("Bound", converter().unstructure(found))}

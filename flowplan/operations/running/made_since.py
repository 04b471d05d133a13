"""What was made after a plan to destroy everything was saved: the plan does not name it, so it stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowplan.model.address import in_order
from flowplan.names import few
from flowplan.printable import shown

if TYPE_CHECKING:
    from flowplan.documents.shapes.plan import SealedPlan
    from flowplan.operations.opening.session import Session
    from flowplan.state.state import State

_NAMED = 6


def say_made_since(session: Session, saved: SealedPlan, left: State) -> None:
    """Warn of what is `left` once `saved` is carried out, a plan to destroy everything, and was made since: who reads
    that the destroy is complete would else take it that nothing costs money any more."""
    if saved["mode"] != "destroy" or "selection" in saved:
        return
    named = {one["address"] for one in saved["resource_changes"]}
    there = [a for a, one in left.bindings.items() if a.kind != "ports" and not one.ended and str(a) not in named]
    if not there:
        return
    names = [shown(str(one)) for one in sorted(there, key=in_order)]
    session.listener.warn(
        f"{few(names, _NAMED)}: made after this plan was saved, so it does not destroy that, which goes "
        "on costing money; run `flowplan destroy` to end it"
    )

"""What one round of the watch came to, and its document."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from attrs import frozen

from flowplan.diagnostics import Diagnostic
from flowplan.documents.about import moment
from flowplan.documents.amounts import money
from flowplan.documents.diagnostics import of
from flowplan.documents.hooks import Happened
from flowplan.errors import FlowplanError
from flowplan.model.address import Address
from flowplan.model.hooks import Hook
from flowplan.planning.plan import Plan
from flowplan.planning.watching import Finding
from flowplan.pricing.entry import Totals
from flowplan.state.state import State

if TYPE_CHECKING:
    from flowplan.documents.shapes.watch import AnHour, Found, RoundDocument

FORMAT_VERSION = "1.0"


@frozen
class Round:
    """What one round came to. `at`: by the server's clock, None: it did not answer. `findings`: one for each address
    that there is something to say about, as they were decided. `acted`: the addresses of which a step is done. `error`:
    why the round did not do, or not look at, all of it; None: it did. `costs`: dollars an hour, as it was found and as
    the plan of the files would make it; None: not known. `due`: seconds from `at` until the first lifetime is over that
    is not yet, as far as time decides; None: none is, or it is not known.

    `hooks`: those of the files; `applied`: what they are to hear that was done. `plan`: of everything, and `state`,
    both as they were found; None: nothing was."""

    at: datetime | None
    findings: tuple[Finding, ...] = ()
    acted: tuple[Address, ...] = ()
    error: FlowplanError | None = None
    costs: Totals | None = None
    hooks: tuple[Hook, ...] = ()
    applied: tuple[Happened, ...] = ()
    plan: Plan | None = None
    state: State | None = None
    due: float | None = None

    @property
    def differs(self) -> bool:
        """Whether something is not as it is written, and stays so until a person decides."""
        return self.error is not None or any(one.asks for one in self.findings)


def document(found: Round) -> RoundDocument:
    """A round as programs read it."""
    error = found.error
    said = None if error is None else of(Diagnostic("step-failed", str(error), error.hint, detail=error.detail))
    return {
        "format_version": FORMAT_VERSION,
        "as_of": moment(found.at),
        "differs": found.differs,
        "findings": [_finding(one, acted=one.address in found.acted) for one in found.findings],
        "hour": _hour(found.costs),
        "error": said,
    }


def _hour(costs: Totals | None) -> AnHour | None:
    if costs is None:
        return None
    return {"now": money(costs.current.now), "worst": money(costs.current.worst)}


def _finding(one: Finding, *, acted: bool) -> Found:
    return {
        "address": str(one.address),
        "id": one.id,
        "kind": one.kind,
        "said": one.said,
        "act": one.act,
        "acted": acted,
        "asks": one.asks,
        "why_not": one.why_not or None,
        "status": one.status,
        "last_price": money(one.price),
        "to_win": money(one.to_win),
        "limit_price": money(one.limit),
        "new_limit_price": money(one.new_limit),
    }

"""What one round of the watch came to."""

from __future__ import annotations

from datetime import datetime

from flowplan.classes import frozen
from flowplan.documents.hooks import Happened
from flowplan.errors import FlowplanError
from flowplan.model.address import Address
from flowplan.model.hooks import Hook
from flowplan.planning.plan import Plan
from flowplan.planning.watch_findings import Finding
from flowplan.state.state import State

FORMAT_VERSION = "1.0"


@frozen
class Round:
    """What one round came to. `at`: by the server's clock, None: it did not answer. `findings`: one for each address
    that there is something to say about, as they were decided. `acted`: the addresses of which a step is done. `error`:
    why the round did not do, or not look at, all of it; None: it did. `due`: seconds from `at` until the first lifetime
    is over that is not yet, as far as time decides; None: none is, or it is not known.

    `hooks`: those of the files; `applied`: what they are to hear that was done. `plan`: of everything, and `state`,
    both as they were found; None: nothing was."""

    at: datetime | None
    findings: tuple[Finding, ...] = ()
    acted: tuple[Address, ...] = ()
    error: FlowplanError | None = None
    hooks: tuple[Hook, ...] = ()
    applied: tuple[Happened, ...] = ()
    plan: Plan | None = None
    state: State | None = None
    due: float | None = None

    @property
    def differs(self) -> bool:
        """Whether something is not as it is written, and stays so until a person decides."""
        return self.error is not None or any(one.asks for one in self.findings)

"""For whom a state and a saved plan are encrypted, beside what the variables of this run name."""

from __future__ import annotations

from flowplan.diagnostics import Diagnostic
from flowplan.operations.opening.session import Session
from flowplan.state.form import REKEY


def other_recipients(session: Session) -> Diagnostic | None:
    """A warning where an apply would be refused because it would encrypt the state for others than can read it now;
    None: it would not. So who was taken out of the variables, and can still read the state, is noticed."""
    others = session.store.form.other_recipients()
    return None if others is None else Diagnostic("other-recipients", others, REKEY, severity="warning")

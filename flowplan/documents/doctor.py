"""What was found to be in order, and what was not -> a document."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from attrs import evolve

from flowplan import __version__
from flowplan.classes import frozen
from flowplan.clock import AGREE
from flowplan.errors import FlowplanError, StateError

if TYPE_CHECKING:
    from flowplan.documents.shapes.doctor import CheckBody, DoctorDocument, Subject, Verdict

_APART = 30  # seconds that two clocks may differ


@frozen
class Check:
    """One thing that flowplan needs: a sentence on how it is, and what to do about it, if anything."""

    subject: Subject
    verdict: Verdict
    summary: str
    remedy: str | None = None

    def typed(self, commands: Callable[[str], str]) -> Check:
        """This, with the `commands` of its remedy as they are to be typed."""
        return self if self.remedy is None else evolve(self, remedy=commands(self.remedy))


@frozen
class Checkup:
    """All checks. `unreadable`: the state cannot be read."""

    checks: tuple[Check, ...]
    unreadable: bool = False

    def count(self, verdict: Verdict) -> int:
        """How many checks came to `verdict`."""
        return sum(check.verdict == verdict for check in self.checks)

    @property
    def exit_code(self) -> int:
        """0: no check failed."""
        if not self.count("failed"):
            return 0
        return (StateError if self.unreadable else FlowplanError).exit_code


def of_clocks(here: float, there: datetime | None) -> Check:
    """The time of this machine, in seconds since the epoch, beside the API's, which is told in whole seconds; None: it
    is not."""
    if there is None:
        return Check("clock", "skipped", "the API does not say what time it is")
    apart = here - there.timestamp()
    if abs(apart) <= _APART:
        return Check("clock", "ok", "it agrees with the API's")
    how = f"{abs(apart):,.0f} s {'ahead of' if apart > 0 else 'behind'} the API's"
    until = "until they agree, a lifetime ends only if it is over by both"
    why = "lifetimes go by it" if abs(apart) <= AGREE else until
    return Check("clock", "warning", f"this machine's clock is {how}", f"set it, by NTP if you can: {why}")


def document(found: Checkup) -> DoctorDocument:
    """The checks in the order in which they were made; `healthy` is that none failed."""
    return {
        "format_version": "1.0",
        "flowplan_version": __version__,
        "healthy": found.exit_code == 0,
        "checks": [_body(check) for check in found.checks],
    }


def _body(check: Check) -> CheckBody:
    return {
        "subject": check.subject,
        "verdict": check.verdict,
        "summary": check.summary,
        "remedy": check.remedy,
    }

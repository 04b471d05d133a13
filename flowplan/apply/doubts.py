"""What became of creates in doubt, within the run that sent them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from flowplan.apply.interfaces import Surroundings
from flowplan.apply.options import Options
from flowplan.apply.outcome import OutcomeUnknown
from flowplan.apply.scan import Finding, scan_for, unclear_remedy
from flowplan.apply.working_state import WorkingState
from flowplan.errors import Refused
from flowplan.state.records import CreateIntent
from flowplan.state.state import Binding

# What was made; or why nothing was made that is there now; or why that is not known; or that it is to be sent again.
Became: TypeAlias = Binding | Refused | OutcomeUnknown | Literal["send again"]


def find_out(
    intents: Sequence[CreateIntent], working: WorkingState, around: Surroundings, options: Options, *, held: bool
) -> dict[str, Became]:
    """Look for what `intents` made, all together; takes up to the settle window. Every one is answered. `held`: writes
    are held for approval."""
    findings = scan_for(
        intents,
        working.state.lineage,
        around.cloud,
        window=options.settle_window,
        clock=around.clock,
        known=working.bids(),
    )
    resend = options.on_unknown == "retry"
    return {intent: became(finding, working, resend=resend, held=held) for intent, finding in findings.items()}


def became(finding: Finding, working: WorkingState, *, resend: bool, held: bool = False) -> Became:
    """What a finding means. Only what is proved absent is sent again, once, and where `resend` allows it; not where
    writes are `held` for approval: the lost answer may have said so, and somebody would approve it twice. Pure."""
    if finding.verdict == "absent" and held:
        return OutcomeUnknown(
            "flowplan cannot tell whether it was created: it is not listed, but may be held for approval",
            hint="have it approved if it is held, then run the same command again",
        )
    if finding.verdict == "absent" and not finding.intent.resent and resend:
        return "send again"
    if finding.verdict == "found" and finding.binding is not None:
        other = working.elsewhere(finding.binding)
        return OutcomeUnknown(other, hint="run the same command again") if other else finding.binding
    if finding.verdict == "foreign":
        message = f"the name {finding.intent.name} is taken by {finding.ids[0]}, which flowplan did not make"
        return Refused(message, hint="choose another name, or remove the other object")
    if finding.verdict == "ended":
        return Refused(f"{finding.ids[0]} was created and has ended since")
    return _unknown(finding)


def _unknown(finding: Finding) -> OutcomeUnknown:
    """For what is absent after the second sending (or with --on-unknown stop), there several times, or not to be
    known."""
    ids = f": {', '.join(finding.ids)}" if finding.ids else ""
    why = {"several": "several live objects carry its marker", "absent": "it is not listed, but may still appear"}
    text = why.get(finding.verdict, str(finding.error) if finding.error else "the look-up was stopped")
    if finding.verdict == "unclear":
        return OutcomeUnknown(
            f"flowplan cannot tell whether it was created: {finding.ids[0]} has its name, but may be somebody else's",
            hint=unclear_remedy(finding),
        )
    return OutcomeUnknown(
        f"flowplan cannot tell whether it was created: {text}{ids}", hint="run the same command again"
    )

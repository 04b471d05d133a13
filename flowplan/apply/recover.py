"""What became of operations whose outcome is not known: looked up before anything is done again.

A create whose answer was lost may have happened, may happen late, and may show in lists later still. So a
find counts at once, an absence only after the settle window and over two complete scans; and so does that
somebody else has the name, which proves nothing about ours where names may be used twice.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from flowplan.apply.lookup import Reads, _told, hold_provable, look_up
from flowplan.clock import Clock
from flowplan.model.live import Live
from flowplan.state.journal import Closed, Done, Intent, Record, fold
from flowplan.state.ownership import (
    bound_bids,
    known_otherwise,
    strays,
)
from flowplan.state.state import State

# ---- before a run -----------------------------------------------------------------------------------------


@frozen
class Recovered:
    """The state after recovery, what the journal must record, and the creates proved absent, which may be
    sent again under their own key."""

    state: State
    records: tuple[Record, ...]
    absent: Mapping[str, Intent]
    notes: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()  # what was created and has ended since: not to be bought again in this run


def recover(
    state: State,
    pending: Mapping[str, Intent],
    cloud: Reads,
    live: Live,
    *,
    window: float,
    clock: Clock,
    resend: bool = True,
) -> Recovered:
    """Settle what an earlier run left in doubt. Raises OutcomeUnknown when that is impossible now, and for a
    create proved absent unless it may be sent again (`resend`).

    Updates and deletes need no look-up: the plan compares with what is live, and does the rest again.
    """
    creates = [intent for intent in pending.values() if intent.op == "create"]
    now = clock.moment(cloud.now())
    left = max((window - intent.at.age(now) for intent in creates), default=0.0)
    sofar = state
    bids = sorted(bound_bids(state))
    findings = look_up(creates, state.lineage, cloud, window=max(left, 0.0), clock=clock, known=bids) if creates else {}
    hold_provable(findings.values(), resend=resend)
    records: list[Record] = [
        Closed(intent.intent, "planned again") for intent in pending.values() if intent.op != "create"
    ]
    notes = []
    ended = []
    absent = {}
    for finding in findings.values():
        intent = finding.intent
        if finding.verdict == "found" and (known := known_otherwise(finding.ids[0], intent.address, sofar)):
            records.append(Closed(intent.intent, known))
            notes.append(f"{finding.ids[0]}, which an interrupted run created as {intent.address}, {known}")
        elif finding.verdict == "found":
            records.append(Done(intent.intent, intent.address, finding.binding))
            sofar, _ = fold(sofar, records[-1:])
            notes.append(f"{intent.address} was created by an interrupted run ({finding.ids[0]}); it is kept")
        elif finding.verdict == "absent":
            absent[intent.intent] = intent
        else:
            records.append(Closed(intent.intent, finding.verdict))
            notes.append(_told(finding))
            ended += [notes[-1]] if finding.verdict == "ended" else []
    folded, _ = fold(state, records)
    adopted = [Done("", stray.address, stray) for stray in strays(folded, live)]
    notes += [
        f"{done.address} is live ({done.binding.id}) with our marker; it is kept" for done in adopted if done.binding
    ]
    folded, _ = fold(folded, adopted)
    return Recovered(folded, (*records, *adopted), absent, tuple(notes), tuple(ended))


# ---- a state that is lost --------------------------------------------------------------------------------------

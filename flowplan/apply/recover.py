"""What became of operations whose outcome is not known: looked up before anything is done again.

A create whose answer was lost may have happened, may happen late, and may show in lists later still. So a
find counts at once, an absence only after the settle window and over two complete scans; and so does that
somebody else has the name, which proves nothing about ours where names may be used twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flowplan.apply.outcome import OutcomeUnknown
from flowplan.apply.scan import Finding, Reads, scan_for, unclear_remedy
from flowplan.classes import frozen
from flowplan.clock import Clock
from flowplan.model.live import Live
from flowplan.state.doubts import became_of, preceded
from flowplan.state.journal import fold
from flowplan.state.ownership import bound_bids, known_otherwise, new_bids, ports_with, strays
from flowplan.state.records import Closed, CreateIntent, Done, Intent, Record
from flowplan.state.state import State


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

    Updates and deletes need no look-up: what is live tells whether they were done, and the plan does the rest again.
    """
    creates = [intent for intent in pending.values() if isinstance(intent, CreateIntent)]
    now = clock.moment(cloud.now())
    left = max((window - intent.at.age(now) for intent in creates), default=0.0)
    bids = sorted(bound_bids(state))
    findings = (
        scan_for(creates, state.lineage, cloud, window=max(left, 0.0), clock=clock, known=bids) if creates else {}
    )
    _hold_provable(findings.values(), resend=resend)
    records: list[Record] = [
        Done(intent.intent, intent.address, became)
        if (became := became_of(intent, state.bindings, live)) is not None
        else Closed(intent.intent, "planned again")
        for intent in pending.values()
        if not isinstance(intent, CreateIntent)
    ]
    sofar, notes = state, list[str]()
    at = cloud.moment().earliest  # the look-up may have taken long
    new = new_bids((one.made for one in findings.values() if one.made is not None), at)
    for finding in findings.values():
        if finding.verdict == "absent":
            continue
        settled, note = _settled(finding, sofar, live, new)
        sofar, _ = fold(sofar, [finding.intent, *settled])
        records += settled
        notes.append(note)
    absent = {one.intent.intent: one.intent for one in findings.values() if one.verdict == "absent"}
    ended = tuple(_note(one) for one in findings.values() if one.verdict == "ended")
    folded, _ = fold(state, [*pending.values(), *records])
    found = strays(folded, live)
    lately = new_bids((live.bids[stray.id] for stray in found), at)
    ports = [Done("", *one) for stray in found for one in ports_with(stray, folded.bindings).items()]
    adopted = [Done("", stray.address, stray, placed_at=lately.get(stray.id, 0.0)) for stray in found]
    notes += [
        f"{done.address} is live ({done.binding.id}) with our marker; it is kept" for done in adopted if done.binding
    ]
    folded, _ = fold(folded, [*ports, *adopted])
    return Recovered(folded, (*records, *ports, *adopted), absent, tuple(notes), ended)


def _settled(finding: Finding, state: State, live: Live, new: Mapping[str, float]) -> tuple[list[Record], str]:
    """What the journal records of a create that is settled, by the `state` so far, and what is said of it. `new`: the
    bids that were placed a moment ago, with when: that may be long after they were asked for, as where somebody had to
    approve it."""
    intent = finding.intent
    if finding.verdict != "found":
        return [Closed(intent.intent, finding.verdict)], _note(finding)
    id = finding.ids[0]
    if known := known_otherwise(id, intent.address, state):
        said = f"{id}, which an interrupted run created as {intent.address}, {known}"
        return [Closed(intent.intent, known)], said
    earlier = preceded(id, intent, state.bindings.get(intent.address), live)
    aside: list[Record] = [Done("", earlier.address, earlier)] if earlier is not None else []
    if finding.binding is not None:
        aside += [Done("", *one) for one in ports_with(finding.binding, state.bindings).items()]
    said = f"{intent.address} was created by an interrupted run ({id}); it is kept"
    return [*aside, Done(intent.intent, intent.address, finding.binding, placed_at=new.get(id, 0.0))], said


def _hold_provable(findings: Iterable[Finding], *, resend: bool) -> None:
    """Raise OutcomeUnknown for the first finding that leaves the outcome open."""
    for finding in findings:
        if finding.verdict == "absent" and not resend:
            raise OutcomeUnknown(
                f"{finding.intent.address} is not listed; with --on-unknown stop, flowplan does not send it again",
                hint="its intent is kept; --on-unknown retry sends it once more, under the same key",
            )
        if finding.verdict == "several":
            ids = finding.ids
            cancel = "\n".join(f"  flowplan recover --cancel {id}" for id in ids[1:])
            raise OutcomeUnknown(
                f"{finding.intent.address} has {len(ids)} live objects with our marker: {', '.join(ids)}",
                detail=f"keep the oldest, {ids[0]}; cancel the others yourself:\n{cancel}",
            )
        if finding.verdict == "unclear":
            raise OutcomeUnknown(_unclear(finding), hint=unclear_remedy(finding))
        if finding.verdict == "unprovable":
            reason = f": {finding.error}" if finding.error else ""
            raise OutcomeUnknown(
                f"flowplan cannot tell now whether {finding.intent.address} was created{reason}",
                hint="its intent is kept; run the same command again",
            )


def _unclear(finding: Finding) -> str:
    ids = ", ".join(finding.ids)
    return (
        f"{finding.intent.address}: {ids} has its name and may be the result of an earlier attempt, but that is not "
        "certain: the API does not say when it was created, or it has another size, or somebody uses it, or it "
        "cannot be read in full"
    )


def _note(finding: Finding) -> str:
    address, id = finding.intent.address, finding.ids[0]
    if finding.verdict == "ended":
        return f"{address} was created by an interrupted run ({id}) and has ended since"
    return f"{address}: the name {finding.intent.name} belongs to {id}, which flowplan did not make"

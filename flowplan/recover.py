"""What became of operations whose outcome is not known: looked up before anything is done again.

A create whose answer was lost may have happened, may happen late, and may show in lists later still. So a
find counts at once, an absence only after the settle window and over two complete scans; and so does that
somebody else has the name, which proves nothing about ours where names may be used twice.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

import attrs
from attrs import frozen

from flowplan.errors import CloudError, NotFound, OutcomeUnknown
from flowplan.journal import Closed, Done, Intent, Moment, Record, fold
from flowplan.live import Live, LiveBid, LiveVolume
from flowplan.ownership import adopted, binding_of, bound_bids, find_created, known_otherwise, perhaps_created, strays
from flowplan.resources import Address, Resource, Volume
from flowplan.state import Binding, State

SETTLE_WINDOW = 45.0  # seconds: longer than a request may still commit, plus the worst list delay, plus skew
_SCAN_INTERVALS = (0.25, 0.5, 1.0, 2.0, 4.0)  # seconds between scans, the last one repeated

_BY_ABSENCE = ("absent", "foreign", "unclear")  # what nothing that was found proves

Verdict: TypeAlias = Literal["found", "absent", "several", "foreign", "ended", "unclear", "unprovable"]


class Reads(Protocol):
    """What a look-up needs of the cloud. `now`: the server's clock, as its last answer had it."""

    def live(self) -> Live: ...
    def bid(self, id: str) -> LiveBid: ...
    def now(self) -> datetime | None: ...


@frozen
class Finding:
    """What the look-up of one intent came to. `ids`: the live objects it is about."""

    intent: Intent
    verdict: Verdict
    binding: Binding | None = None
    ids: tuple[str, ...] = ()
    error: CloudError | None = None


@frozen
class Clock:
    """Time as a value, so that tests need not wait. `pause` returns early when the run is stopped. `boot_id` names
    the boot that `monotonic` counts from."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    pause: Callable[[float], None] = time.sleep
    stopped: Callable[[], bool] = lambda: False
    boot_id: str = ""

    def moment(self, server: datetime | None) -> Moment:
        """Now; `server` is what the server's clock says."""
        return Moment(self.wall(), self.monotonic(), self.boot_id, server.timestamp() if server else None)


def look_up(
    intents: Sequence[Intent], lineage: str, cloud: Reads, *, window: float, clock: Clock, known: Collection[str] = ()
) -> dict[str, Finding]:
    """Look for what `intents` (creates) made, all together, for up to `window` seconds from now. `known`: the ids of
    bids that are there, as far as it is known: a list without one that is proves no absence.

    Every intent gets a finding. `unclear`: there is something that may be what was made, but the API does not tell
    enough to know. `unprovable`: the cloud could not be listed, or the run was stopped.
    """
    open_ = {intent.intent: intent for intent in intents}
    findings: dict[str, Finding] = {}
    deadline = clock.monotonic() + window
    absences = 0
    for interval in itertools.chain(_SCAN_INTERVALS, itertools.repeat(_SCAN_INTERVALS[-1])):
        late = clock.monotonic() >= deadline
        try:
            live = cloud.live()
            for finding in [_finding(intent, lineage, live) for intent in open_.values()]:
                if finding.verdict not in _BY_ABSENCE:
                    findings[finding.intent.intent] = finding
                    del open_[finding.intent.intent]
            if late and open_:
                _hold_complete(live, known, cloud)
        except CloudError as error:
            if late:
                return findings | {i: Finding(intent, "unprovable", error=error) for i, intent in open_.items()}
        else:
            absences += late
            if absences == 2:
                return findings | {i: _finding(intent, lineage, live) for i, intent in open_.items()}
        if not open_:
            break
        if clock.stopped():
            return findings | {i: Finding(intent, "unprovable") for i, intent in open_.items()}
        left = deadline - clock.monotonic()
        clock.pause(min(interval, left) if left > 0 else interval if window else 0.0)
    return findings


def _hold_complete(live: Live, known: Iterable[str], cloud: Reads) -> None:
    """Raise CloudError when a list does not show one of the bids `known` that is there all the same: it lags, or is
    somebody else's, or lacks a page."""
    for id in known:
        if id in live.bids or id in live.gone:
            continue
        try:
            ended = cloud.bid(id).ended
        except NotFound:
            continue
        if not ended:
            raise CloudError(f"{id} is live, but the list does not show it: nor may it show what else there is")


def _finding(intent: Intent, lineage: str, live: Live) -> Finding:
    found = find_created(intent, lineage, live)
    ids = tuple(one.id for one in sorted(found, key=lambda one: (one.created_at, one.id)))
    if len(found) == 1:
        return Finding(intent, "found", binding_of(intent, ids[0]), ids)
    if found:
        return Finding(intent, "several", ids=ids)
    ended = tuple(b.id for b in live.bids.values() if b.ended and b.marker and b.marker.intent == intent.intent)
    if ended:
        return Finding(intent, "ended", ids=ended)
    if perhaps := tuple(one.id for one in perhaps_created(intent, lineage, live)):
        return Finding(intent, "unclear", ids=perhaps)
    foreign = _foreign(intent, lineage, live)
    return Finding(intent, "foreign", ids=foreign) if foreign else Finding(intent, "absent")


def _foreign(intent: Intent, lineage: str, live: Live) -> tuple[str, ...]:
    """Who else has the name. Our own bid of an earlier generation, which a list still shows, is nobody else."""
    everything: list[LiveBid | LiveVolume] = (
        list(live.volumes_named(intent.name))
        if intent.address.kind == "volume"
        else [
            bid
            for bid in live.bids.values()
            if not bid.ended and bid.bid.name == intent.name and (bid.marker is None or bid.marker.lineage != lineage)
        ]
    )
    return tuple(one.id for one in everything if one.id != intent.id)


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


def hold_provable(findings: Iterable[Finding], *, resend: bool) -> None:
    """Raise OutcomeUnknown for the first finding that leaves the outcome open."""
    for finding in findings:
        if finding.verdict == "absent" and not resend:
            raise OutcomeUnknown(
                f"{finding.intent.address} does not show; with --on-unknown stop it is not sent again",
                hint="its intent is kept; --on-unknown retry sends it once more, under the same key",
            )
        if finding.verdict == "several":
            ids = finding.ids
            cancel = "\n".join(f"  flowplan recover --cancel {id}" for id in ids[1:])
            raise OutcomeUnknown(
                f"{finding.intent.address} has {len(ids)} live objects with our marker: {', '.join(ids)}",
                detail=f"the oldest, {ids[0]}, is the one to keep; nothing is deleted without you:\n{cancel}",
            )
        if finding.verdict == "unclear":
            raise OutcomeUnknown(_unclear(finding), hint=unclear_remedy(finding))
        if finding.verdict == "unprovable":
            reason = f": {finding.error}" if finding.error else ""
            raise OutcomeUnknown(
                f"whether {finding.intent.address} was created cannot be known now{reason}",
                hint="its intent is kept; run the same command again",
            )


def _unclear(finding: Finding) -> str:
    ids = ", ".join(finding.ids)
    return (
        f"{finding.intent.address}: {ids} has its name, and may be what an earlier attempt created, but that is not "
        "certain: the API does not say when it was created, or it has another size, or somebody uses it, or it "
        "cannot be read in full"
    )


def unclear_remedy(finding: Finding) -> str:
    """What to do about something that may or may not be ours."""
    address = finding.intent.address
    return (
        f"if it is yours: flowplan import {address} {finding.ids[0]}; if it is not: the same, then flowplan state rm "
        f"{address}, and another name in the file"
    )


def _told(finding: Finding) -> str:
    address, id = finding.intent.address, finding.ids[0]
    if finding.verdict == "ended":
        return f"{address} was created by an interrupted run ({id}) and has ended since"
    return f"{address}: the name {finding.intent.name} belongs to {id}, which flowplan did not make"


# ---- a state that is lost --------------------------------------------------------------------------------------


@frozen
class Rebuilt:
    """A state made from the markers of live bids, and what has to be said of it."""

    state: State
    notes: tuple[str, ...]


def rebuild(empty: State, live: Live, declared: Mapping[Address, Resource]) -> Rebuilt:
    """What the markers of `empty`'s lineage tell, on top of `empty` (which has what else is known to be ours).

    Of two bids with one address the older one is kept, and the other is named. A volume carries no marker: one is
    taken for ours only if `declared` (what the files ask for) has it, alike, and a bid of ours uses it; an attached
    volume is somebody's.
    """
    found: dict[Address, list[LiveBid]] = {}
    for bid in sorted(live.bids.values(), key=lambda one: (one.created_at, one.id)):
        if bid.marker is not None and not bid.ended and bid.marker.lineage == empty.lineage:
            found.setdefault(bid.marker.address, []).append(bid)
    notes = [
        f"{address} has further live bids, which cost money: flowplan recover --cancel {twin.id}"
        for address, bids in found.items()
        for twin in bids[1:]
    ]
    used = {str(id) for bids in found.values() for id in bids[0].bid.volumes}
    bindings = dict(empty.bindings)
    for address, wanted in declared.items():
        if not isinstance(wanted, Volume) or address in bindings:
            continue
        same = [one for one in live.volumes_named(wanted.name) if one.volume == wanted]
        if len(same) == 1 and same[0].id in used:
            bindings[address] = adopted(address, same[0], {})
        elif live.volumes_named(wanted.name):
            notes.append(f"{address}: a volume of that name is live, but nothing proves that flowplan made it")
    for address, bids in found.items():
        bindings[address] = adopted(address, bids[0], bindings)
    volumes = frozenset(binding.id for address, binding in bindings.items() if address.kind == "volume")
    return Rebuilt(attrs.evolve(empty, bindings=bindings, adopted=empty.adopted | volumes), tuple(notes))

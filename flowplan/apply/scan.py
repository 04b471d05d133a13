"""What became of creates whose outcome is not known: looked for before anything is done again."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

import attrs

from flowplan.classes import frozen
from flowplan.clock import Clock, Moment
from flowplan.errors import CloudError, NotFound
from flowplan.model.live import Live, LiveBid, LiveVolume
from flowplan.state.doubts import binding_of, find_created, perhaps_created
from flowplan.state.records import CreateIntent
from flowplan.state.state import Binding

SETTLE_WINDOW = 45.0  # seconds: longer than a request may still commit, plus the worst list delay, plus skew
_SCAN_INTERVALS = (0.25, 0.5, 1.0, 2.0, 4.0)  # seconds between scans, the last one repeated
_BY_ABSENCE = ("absent", "foreign", "unclear")  # what nothing that was found proves
Verdict: TypeAlias = Literal["found", "absent", "several", "foreign", "ended", "unclear", "unprovable"]


class Reads(Protocol):
    """What a scan needs of the cloud. `now`: the server's clock, as its last answer had it."""

    def live(self) -> Live:
        """What is there now, as listed. Raises CloudError."""

    def bid(self, id: str) -> LiveBid:
        """One bid as it is now. Raises NotFound, CloudError."""

    def now(self) -> datetime | None:
        """The server's clock; None: no answer had one."""

    def moment(self) -> Moment:
        """This moment, by every clock that counts."""


@frozen
class Finding:
    """What the scan for one intent came to. `ids`: the live objects it is about; `made`: what was `found`."""

    intent: CreateIntent
    verdict: Verdict
    binding: Binding | None = None
    ids: tuple[str, ...] = ()
    error: CloudError | None = None
    made: LiveBid | LiveVolume | None = None


def scan_for(
    intents: Sequence[CreateIntent],
    lineage: str,
    cloud: Reads,
    *,
    window: float,
    clock: Clock,
    known: Collection[str] = (),
) -> dict[str, Finding]:
    """Look for what `intents` made, all together, for up to `window` seconds from now. `known`: the ids of
    bids that are there, as far as it is known: a list without one that is proves no absence.

    Every intent gets a finding. `unclear`: there is something that may be what was made, but the API does not say
    enough to know. `unprovable`: the cloud could not be listed, or the run was stopped.
    """
    open_ = {intent.intent: intent for intent in intents}
    findings: dict[str, Finding] = {}
    deadline = clock.monotonic() + window
    absences = 0
    for interval in itertools.chain(_SCAN_INTERVALS, itertools.repeat(_SCAN_INTERVALS[-1])):
        late = clock.monotonic() >= deadline
        try:
            live = _with_scripts(cloud.live(), open_.values(), cloud)
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


def _with_scripts(live: Live, intents: Iterable[CreateIntent], cloud: Reads) -> Live:
    """`live`, in which a bid that `intents` may have made is as its id shows it where the list leaves its script out,
    which carries the marker. Raises CloudError."""
    perhaps = [one for intent in intents for one in perhaps_created(intent, "", live) if isinstance(one, LiveBid)]
    found = {}
    for id in dict.fromkeys(one.id for one in perhaps if one.sent is None and not one.unfit):
        with suppress(NotFound):
            found[id] = cloud.bid(id)
    return attrs.evolve(live, bids={**live.bids, **found}) if found else live


def _hold_complete(live: Live, known: Iterable[str], cloud: Reads) -> None:
    """Raise CloudError when a list does not show one of the bids `known` that is there: it lags, or is
    somebody else's, or lacks a page."""
    for id in known:
        if id in live.bids or id in live.gone:
            continue
        try:
            ended = cloud.bid(id).ended
        except NotFound:
            continue
        if not ended:
            raise CloudError(f"{id} is live, but the list does not show it, so the list may be incomplete")


def _finding(intent: CreateIntent, lineage: str, live: Live) -> Finding:
    found = find_created(intent, lineage, live)
    ids = tuple(one.id for one in sorted(found, key=lambda one: (one.created_at, one.id)))
    if len(found) == 1:
        return Finding(intent, "found", binding_of(intent, ids[0]), ids, made=found[0])
    if found:
        return Finding(intent, "several", ids=ids)
    ended = tuple(b.id for b in live.bids.values() if b.ended and b.marker and b.marker.intent == intent.intent)
    if ended:
        return Finding(intent, "ended", ids=ended)
    if perhaps := tuple(one.id for one in perhaps_created(intent, lineage, live)):
        return Finding(intent, "unclear", ids=perhaps)
    foreign = _foreign(intent, lineage, live)
    return Finding(intent, "foreign", ids=foreign) if foreign else Finding(intent, "absent")


def _foreign(intent: CreateIntent, lineage: str, live: Live) -> tuple[str, ...]:
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


def unclear_remedy(finding: Finding) -> str:
    """What to do about something that may or may not be ours."""
    address = finding.intent.address
    return (
        f"if it is yours: flowplan import {address.word} {finding.ids[0]}; if not: do the same, then flowplan state rm "
        f"{address.word}, and choose another name in the file"
    )

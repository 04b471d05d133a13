"""Operations in doubt: what came of one whose answer nobody has, as far as what is live proves it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import attrs

from flowplan.model.address import Address
from flowplan.model.live import SHOWS_WITHIN, Live, LiveBid, LiveVolume
from flowplan.model.resources import Bid, Volume
from flowplan.state.known import has_ended
from flowplan.state.records import CreateIntent, Intent
from flowplan.state.state import CANCELLED, Binding

SKEW = 5.0  # seconds by which the clocks of one API may differ; its `Date` has whole seconds, too
WRONG = 24 * 3600.0  # seconds that this machine's clock may be wrong: a zone, or a battery


def find_created(intent: CreateIntent, lineage: str, live: Live) -> tuple[LiveBid | LiveVolume, ...]:
    """The live objects that the create of `intent` made: by marker, or (volumes carry none) as `made_by` proves."""
    if intent.address.kind == "volume":
        return tuple(volume for volume in live.volumes_named(intent.name) if made_by(intent, volume))
    return tuple(
        bid
        for bid in live.bids.values()
        if bid.marker is not None and not bid.ended and bid.marker.lineage == lineage
        if bid.marker.address == intent.address and bid.marker.intent == intent.intent
    )


def perhaps_created(intent: CreateIntent, lineage: str, live: Live) -> tuple[LiveBid | LiveVolume, ...]:
    """The same, and what the API says too little of to know whether the create made it."""
    if intent.address.kind == "volume":
        named = (*live.volumes_named(intent.name), *(one for one in live.volumes_named("") if one.unfit))
        return tuple(volume for volume in named if made_by(intent, volume) is not False)
    bids = live.bids.values()
    unread = [one for one in bids if not one.ended and one.marker is None and (one.unfit or _may_carry(one, intent))]
    return (*find_created(intent, lineage, live), *(one for one in unread if one.bid.name in ("", intent.name)))


def _may_carry(bid: LiveBid, intent: CreateIntent) -> bool:
    """Whether a bid may carry the marker of `intent`: its script is not reported, and it is not older."""
    return bid.sent is None and not is_older(bid.created_at, intent)


def made_by(intent: CreateIntent, volume: LiveVolume) -> bool | None:
    """Whether the create of `intent` made `volume`, which has its name. None: that cannot be known.

    No volume had the name before, or the intent would not be; so it is ours if it is as large, of the same kind and
    in the same region, nobody uses it yet, and it was created after the first attempt was about to be sent and not
    later than the last one can have been executed, by the server's clock; where it gave no time, nobody knows that to a
    day. Where this machine's clock says otherwise, one of the two is wrong, and that cannot be known. Nothing tells it
    from one that somebody else made just then.
    """
    wanted, found = intent.resource, volume.volume
    if not isinstance(wanted, Volume):
        return False
    reported = {name for name in ("interface", "region") if name not in found.unreported}
    smaller = "size_gb" not in found.unreported and found.size_gb < wanted.size_gb
    if smaller or any(getattr(found, name) != getattr(wanted, name) for name in reported):
        return False
    created = seconds(volume.created_at)
    first, last = intent.since or intent.at, intent.at
    timely = created is not None and first.by_server - SKEW <= created <= last.by_server + SHOWS_WITHIN
    doubt = 0.0 if first.server is not None and last.server is not None else WRONG
    early, late = first.earliest - SKEW - doubt, last.latest + SHOWS_WITHIN + doubt
    if created is not None and not early <= created <= late:
        return False
    certain = timely and found.size_gb == wanted.size_gb and not found.unreported and not volume.users
    certain = certain and not volume.unfit
    return True if certain else None


def is_older(created_at: str, intent: CreateIntent) -> bool:
    """Whether what was made at `created_at` was there before the first attempt of `intent`, by every clock; False where
    nobody knows."""
    created, first = seconds(created_at), intent.since or intent.at
    doubt = 0.0 if first.server is not None else WRONG
    return created is not None and created < first.earliest - SKEW - doubt


def seconds(created_at: str) -> float | None:
    """Seconds since the epoch of a time as the API writes it; None for what is none. Where nothing was filled in, some
    servers say year 1: what is older than any cloud would be somebody else's, and ours made again."""
    try:
        moment = datetime.fromisoformat(created_at)
    except ValueError:
        return None
    at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return at if at >= 0 else None


def binding_of(intent: CreateIntent, id: str) -> Binding:
    """What the state records once the create of `intent` is known to have made `id`."""
    kept = (intent.address, id, intent.resource, intent.needs, intent.generation, intent.source)
    return Binding(*kept, **_said_of(intent))


def _said_of(intent: Intent) -> dict[str, Any]:
    """What a Binding has of how the files treated the object of `intent`."""
    return {name: getattr(intent, name) for name in ("protected", "protected_by", "lifetime", "raised_from")}


def preceded(id: str, intent: CreateIntent, bound: Binding | None, live: Live) -> Binding | None:
    """What stands aside once `intent` is known to have made the bid `id`: the bid that its address is `bound` to,
    unless that is proved to be over. It was to be taken away after the new one was made; None: there is none."""
    if bound is None or bound.address.kind != "bid" or bound.id == id or has_ended(bound.id, live):
        return None
    return bound.before(intent.generation, intent.source)


def became_of(intent: Intent, bindings: Mapping[Address, Binding], live: Live) -> Binding | None:
    """What became of a bid by a removal or a change in doubt, as far as what is live tells. None: nothing."""
    return cancelled_by(intent, bindings, live) or changed_by(intent, bindings, live)


def cancelled_by(intent: Intent, bindings: Mapping[Address, Binding], live: Live) -> Binding | None:
    """What became of a bid that a removal in doubt was to end: it has ended, and not by itself. None: nothing."""
    known = bindings.get(intent.address)
    if intent.op != "delete" or known is None or known.id != intent.id or known.ended:
        return None
    return attrs.evolve(known, ended=CANCELLED) if has_ended(known.id, live) else None


def changed_by(intent: Intent, bindings: Mapping[Address, Binding], live: Live) -> Binding | None:
    """What a change in doubt has made of a live bid: it is as it was to be, which nobody else has made of it. None: it
    is not, or too little of it is reported."""
    known, wanted, found = bindings.get(intent.address), intent.resource, live.bids.get(intent.id or "")
    if intent.op != "update" or known is None or known.id != intent.id or not isinstance(wanted, Bid):
        return None
    if found is None or found.ended or not {"limit_price", "paused", "volumes"}.isdisjoint(found.bid.unreported):
        return None
    bid = found.bid
    same = (bid.limit_price, bid.paused) == (wanted.limit_price, wanted.paused)
    if not same or set(map(str, bid.volumes)) != set(map(str, wanted.volumes)):
        return None
    return attrs.evolve(known, applied=wanted, needs=intent.needs, source=intent.source, **_said_of(intent))

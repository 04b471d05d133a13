"""Looking at what the state knows, one by one where no list tells: who stops paying needs ids only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import attrs

from flowplan.cloud.fcp import Fcp
from flowplan.cloud.looks import NO_CALL, NO_CALL_STOPS, or_why
from flowplan.errors import CloudError, NotFound
from flowplan.model.address import in_order
from flowplan.model.live import Live, LiveBid
from flowplan.planning.unreported import standing_in

if TYPE_CHECKING:
    from flowplan.backends.store import Loaded
    from flowplan.cloud.looks import Looks
    from flowplan.model.catalogue import Catalogue
    from flowplan.pricing.billing import Bills
    from flowplan.state.state import State


def certain(cloud: Fcp, state: State, live: Live, *, hurried: bool = False, says: bool = True) -> Live:
    """`live` with everything in it that the state knows, or the proof that it is gone: one call a missing bid, one or
    two for all missing volumes, none when all is listed. What cannot be looked at is there as it was applied; so is,
    `hurried` as who is about to cancel whatever a bid shows, one that does not answer soon. `says`: that is noted; who
    may raise it instead, notes it where he does not (`say_assumed`)."""
    ids = {kind: [b.id for a, b in state.bindings.items() if a.kind == kind] for kind in ("bid", "volume")}
    bids = [id for id in ids["bid"] if id not in live.bids and id not in live.gone]
    missing = [id for id in ids["volume"] if id not in live.volumes and id not in live.gone]
    by = cloud.soon() if hurried else None
    raising = NO_CALL_STOPS if hurried else NO_CALL
    calls = [or_why(partial(_asked_for, cloud, live, id, by), raising) for id in bids]
    if missing:
        calls.append(or_why(partial(_looked_for, cloud, live, missing), raising))
    unread: dict[str, CloudError] = {}
    found, volumes, gone = dict(live.bids), dict(live.volumes), set(live.gone)
    for which, one in zip([*([id] for id in bids), missing], cloud.side_by_side(calls), strict=False):
        if isinstance(one, CloudError):
            unread |= dict.fromkeys(which, one)
        else:
            found |= {id: one.bids[id] for id in which if id in one.bids}
            volumes |= {id: one.volumes[id] for id in which if id in one.volumes}
            gone |= one.gone
    live = attrs.evolve(live, bids=found, volumes=volumes, gone=frozenset(gone)) if calls else live
    live = standing_in(state, live, unread) if unread else live
    if says:
        say_assumed(cloud, live)
    return live


def say_assumed(cloud: Fcp, live: Live) -> None:
    """Note what `live` lacks, since it could not be listed, and what it has as it was last applied, since it could not
    be looked at: of many that failed alike in one sentence, with why the first did."""
    for kind, why in live.unlisted.items():
        cloud.note(f"the {kind}s cannot be listed; flowplan knows only those in the state: {why}")
    if live.unread:
        from flowplan.names import alike, few

        for (id, why), *others in alike(live.unread.items(), lambda one: (type(one[1]), one[1].status)):
            ids, each = [id, *(other for other, _ in others)], "each" if others else "it"
            cloud.note(f"{few(ids)} could not be read; flowplan assumes that {each} is as last applied: {why}")


def listed(cloud: Fcp, *, partly: bool = False) -> Looks[Live]:
    """What is there, for who only looks; names of types and keys as far as they are reported. To read it raises
    CloudError; `partly`: only if neither the bids nor the volumes can be listed."""

    def made(found: tuple[Catalogue, Live]) -> Live:
        catalogue, live = found
        for why in live.unlisted.values():
            if not partly or live.unlisted.keys() >= {"bid", "volume"}:
                raise why
        for why in catalogue.unread:
            cloud.note(f"some names cannot be looked up, so ids are shown: {why}")
        return live

    return cloud.everything_as_reported().then(made)


def begun(loaded: Loaded) -> list[str]:
    """The addresses at which a run began to make something and has not recorded what came of it."""
    return [str(one) for one in sorted({i.address for i in loaded.pending.values() if i.op == "create"}, key=in_order)]


def with_ours(cloud: Fcp, loaded: Loaded, live: Live) -> State:
    """The state of `loaded`, in which what a run began to make, and the bids that carry the marker of this stack, count
    as far as `live` shows them, as in a plan: they cost money, too. That is noted."""
    from flowplan.names import Said, few, ranges, together
    from flowplan.state.ownership import presume

    addresses = begun(loaded)
    if addresses:
        cloud.note(
            f"{few(ranges(addresses))}: a run began to make this and has not recorded what came of it; what is listed"
            " counts here. If that run has ended, `flowplan recover` settles it"
        )
    state = presume(loaded.state, loaded.pending if addresses else {}, live.without(cloud.ended))
    known = {binding.id for binding in loaded.state.bindings.values()}
    found = [one for a, one in state.bindings.items() if one.id not in known and str(a) not in addresses]
    live_here = (
        "is live and carries the marker of this stack, but the state does not have it; it counts here. The next "
        "`flowplan apply` takes it into the state"
    )
    ordered = sorted(found, key=lambda one: in_order(one.address))
    for text in together(
        Said(str(one.address), f"{one.address} ({one.id}) {live_here}", f"each {live_here}") for one in ordered
    ):
        cloud.note(text)
    return state


def note_left(cloud: Fcp, loaded: Loaded, live: Live) -> None:
    """Say which volumes that bids of this stack have used are not in its state, and what they cost: a destroy may have
    kept them, and no sum counts them. Or they are somebody else's, which the bids only attached: nothing tells."""
    from flowplan.names import few
    from flowplan.pricing.units import gigabytes, storage_per_month, total, usd
    from flowplan.printable import shown
    from flowplan.state.orphans import orphans

    left = orphans(loaded.state, loaded.pending.values(), live.without(cloud.ended)).volumes
    if left:
        names = few([f"{shown(one.volume.name)} ({shown(one.id)}, {gigabytes(one.volume.held_gb)})" for one in left])
        month = usd(total(storage_per_month(one.volume.held_gb) for one in left))
        many, it, cost = f"{len(left):,} volumes", "them", "together they cost"
        if len(left) == 1:
            many, it, cost = "1 volume", "it", "it costs"
        cloud.note(
            f"bids of this stack used {many} that its state does not have, and no sum here counts {it}: {names}; "
            f"{cost} {month} a month. If no other stack has {it}, `flowplan orphans` shows how to take {it} back"
        )


def note_unread(cloud: Fcp, state: State, bills: Bills) -> None:
    """Say of which bids of `state` what was paid is unknown, since their bills cannot be read."""
    bids = {binding.id: address for address, binding in state.bindings.items() if address.kind == "bid"}
    unread = {bids[id]: why for id, why in bills.unread.items() if id in bids}
    if unread:
        from flowplan.names import few, ranges

        names, why = few(ranges(map(str, unread))), next(iter(unread.values()))
        cloud.note(f"what was paid is unknown for {names}, since the bill cannot be read: {why}")


def with_bids(cloud: Fcp, live: Live, ids: Iterable[str]) -> Live:
    """`live` with the bids `ids`, also where no list shows them. Raises CloudError for one that cannot be looked at."""
    missing = [id for id in dict.fromkeys(ids) if id not in live.bids]
    found = cloud.side_by_side([partial(_if_there, cloud, id) for id in missing])
    return attrs.evolve(live, bids={**live.bids, **{one.id: one for one in found if one is not None}})


def _if_there(cloud: Fcp, id: str) -> LiveBid | None:
    try:
        return cloud.bid_here(id)
    except NotFound:
        return None


def _asked_for(cloud: Fcp, live: Live, id: str, by: float | None) -> Live:
    """A bid that is in no list. Where there is no list, only the bid itself proves anything."""
    if "bid" not in live.unlisted:
        return cloud.look_again(live, [id], [], by)
    try:
        return attrs.evolve(live, bids={id: cloud.bid_here(id, by)})
    except NotFound as error:
        raise CloudError(f"{error}; and no list of bids could be fetched to confirm it") from error


def _looked_for(cloud: Fcp, live: Live, ids: Sequence[str]) -> Live:
    """Volumes that are not in the list. They are in one of now if another run has made them since, or the list was
    late."""
    for why in [live.unlisted[kind] for kind in live.unlisted if kind == "volume"]:
        raise why
    now = cloud.volumes()
    here = {id: now[id] for id in ids if id in now}
    return cloud.look_again(attrs.evolve(live, volumes={**live.volumes, **here}), [], ids)

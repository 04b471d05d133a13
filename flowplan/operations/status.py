"""What flowplan made, and what it is doing."""

from __future__ import annotations

from functools import partial
from shlex import join
from typing import TYPE_CHECKING

import attrs

from flowplan.cloud.looks import or_why, single
from flowplan.cost.paid import paid_in_all
from flowplan.documents.status import GONE, UNKNOWN, BidRow, Life, Status, VolumeRow
from flowplan.errors import CloudError, Unauthorized
from flowplan.model.address import Address, in_order
from flowplan.model.resources import Bid, PortMapping, Volume
from flowplan.operations.looking.live import begun, certain, listed, note_left, note_unread, with_ours
from flowplan.operations.opening.loading import load_state
from flowplan.operations.opening.paths import DEFAULT
from flowplan.operations.opening.session import Session
from flowplan.planning.plan import key_of
from flowplan.pricing.billing import Bills
from flowplan.pricing.lifetime import ENDLESS
from flowplan.state.known import is_live, is_raised
from flowplan.state.ownership import past_bids

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flowplan.cloud.rows import Instance
    from flowplan.model.live import Live
    from flowplan.planning.lifetimes import Seen
    from flowplan.state.state import Binding, State


def status(session: Session) -> Status:
    """A row a bid and a row a volume of the state, and of what else is ours (`with_ours`), from a fixed number of lists
    that are read side by side, and one price per distinct auction. What no list shows is asked for by its id, also
    where the bids or the volumes cannot be listed, which is noted. Raises CloudError if neither can be, or no bid is
    known.
    """
    loaded = load_state(session)
    state = loaded.state
    if loaded.fresh and not begun(loaded):  # of what was never applied nothing is live
        return Status(state, [], [], in_all=paid_in_all(state, {}, None, None))
    cloud = session.cloud()
    in_bills = or_why(partial(cloud.billed, shown_only=True), (Unauthorized,))  # what runs is shown anyway
    lists = listed(cloud, partly=True).beside(single(in_bills)).beside(single(or_why(cloud.instances)))
    _, ((live, billed), instances) = session.enter_and_list(state, None, lists)
    if "bid" in live.unlisted and not any(one.kind == "bid" for one in state.bindings):
        raise live.unlisted["bid"]  # "no bid is live" would be said of what nobody has seen
    live = certain(cloud, loaded.state, live)  # what a list that lags does not show may run, and cost money
    state = with_ours(cloud, loaded, live)
    note_left(cloud, loaded, live)
    bills = None if isinstance(billed, CloudError) else billed
    if isinstance(billed, CloudError):
        cloud.note(f"what was paid is unknown, since the bill could not be fetched: {billed}")
    else:
        note_unread(cloud, state, billed)
    volumes = [
        VolumeRow(address, binding.id, binding.applied, binding.id in live.volumes)
        for address, binding in sorted(state.bindings.items(), key=lambda one: in_order(one[0]))
        if isinstance(binding.applied, Volume)
    ]
    now = cloud.now()
    in_all = paid_in_all(state, past_bids(state, live), bills, now)
    return Status(state, bid_rows(session, state, live, bills, instances), volumes, now, in_all)


def looks(session: Session, every: float) -> Iterator[Status | CloudError]:
    """What `status` finds now, and again each `every` seconds until a signal ends it. Once it was found, what the API
    does not answer is the error, and is asked for again. Raises as `status` does the first time, and Unauthorized."""
    yield status(session)
    while True:
        session.interruption.pause(every)
        try:
            yield status(session)
        except Unauthorized:
            raise
        except CloudError as error:
            yield error


def lives(session: Session, state: State, live: Live, seen: Seen) -> dict[Address, Life]:
    """The lifetimes of live bids, as the run that applied them last read them."""
    from flowplan.planning.lifetimes import left, over, unknown

    bound = {
        address: binding.lifetime
        for address, binding in state.bindings.items()
        if binding.lifetime is not None and binding.id in live.bids and not live.bids[binding.id].ended
    }
    ended, remaining = over(bound, state, live, seen), left(bound, state, live, seen)
    lefts = {address: one.live for address, one in remaining.items()}
    doubtful = unknown(bound, state, live, seen)
    for address, one in lefts.items():
        if address in doubtful:  # nobody knows what is used up
            lefts[address] = attrs.evolve(one, running=None, paid=None)
    return {
        address: Life(
            lifetime,
            lefts.get(address, ENDLESS),
            ended.get(address),
            _command(session, state.bindings[address]),
            state.bindings[address].guard,
        )
        for address, lifetime in bound.items()
    }


def _command(session: Session, binding: Binding) -> str | None:
    """What cancels the bid of `binding` once its lifetime is over; None: something keeps it from that."""
    if binding.guard is not None:
        return None
    source = session.files().for_people(binding.source) if binding.source else DEFAULT
    path = [] if source == DEFAULT else [source]
    return session.settings.typed(join(["flowplan", "apply", *path, "--target", str(binding.address)]))


def bid_rows(
    session: Session,
    state: State,
    live: Live,
    bills: Bills | None,
    there: tuple[Instance, ...] | CloudError,
) -> list[BidRow]:
    """The bids, each with its instances, its price and what `bills` have of it; None: nobody knows. `there`: all
    instances, or why they cannot be listed, which is raised."""
    from flowplan.planning.lifetimes import Machine, Seen
    from flowplan.state.known import as_known

    cloud = session.cloud()
    ours = {a: state.bindings[a] for a in sorted(state.bindings, key=in_order) if a.kind == "bid"}
    bids = {
        a: as_known(live.bids[b.id], b.applied) if b.id in live.bids else b.applied
        for a, b in ours.items()
        if isinstance(b.applied, Bid)
    }
    asked = {key_of(bid) for bid in bids.values() if "region" not in bid.unreported}
    markets = cloud.markets(sorted(asked), shown_only=asked)
    if isinstance(there, CloudError):
        raise there
    instances: dict[str, list[Instance]] = {}
    for one in there:
        instances.setdefault(one.bid or "", []).append(one)
    machines = tuple(Machine(one.id, one.bid, one.status, one.created_at) for one in there)
    here = cloud.doubted_by() if any(one.lifetime is not None for one in ours.values()) else None
    lifetimes = lives(session, state, live, Seen(cloud.time(), bills, machines, here))
    made = []
    for address, bid in bids.items():
        binding = ours[address]
        ports = state.bindings.get(Address("ports", address.name))
        listed_as = live.bids.get(binding.id)
        made.append(
            BidRow(
                address=address,
                id=binding.id,
                status=(listed_as.status or UNKNOWN) if listed_as else GONE,
                is_billed=listed_as.is_billed if listed_as else False,
                bid=bid,
                market=markets.get(key_of(bid)),
                instances=tuple(instances.get(binding.id, ())),
                pairs=ports.applied.pairs if ports and isinstance(ports.applied, PortMapping) else (),
                paid=None if bills is None else bills.paid(binding.id, cloud.now()),
                life=lifetimes.get(address),
                raised_from=binding.raised_from if is_live(binding, live) and is_raised(binding, bid) else None,
            )
        )
    return made

"""What the stack as it is will cost, and how earlier forecasts held."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import attrs

from flowplan.cloud.looks import or_why, single
from flowplan.errors import CloudError, FlowplanError, Unauthorized
from flowplan.model.address import Address, in_order
from flowplan.model.resources import Bid, Resource
from flowplan.operations.looking.live import begun, certain, note_left, note_unread, with_ours
from flowplan.operations.looking.prices import streams_of
from flowplan.operations.opening.loading import load_state
from flowplan.operations.opening.session import Session
from flowplan.pricing.lifetime import ENDLESS

if TYPE_CHECKING:
    from flowplan.backends.store import Loaded
    from flowplan.cloud.fcp import Fcp
    from flowplan.cost.costs import Costs
    from flowplan.cost.priced_plan import PricedPlan
    from flowplan.documents.track_record import Truth
    from flowplan.model.live import Live
    from flowplan.pricing.billing import Bills
    from flowplan.pricing.track_record import Judged, KeptForecast
    from flowplan.state.state import State


def truth(session: Session, hours: float) -> Truth:
    """Look at everything, and keep verdicts that are final and forecasts of the coming day."""
    from flowplan.cost.forecast import forecasted
    from flowplan.cost.paid import paid_in_all
    from flowplan.documents.track_record import Truth
    from flowplan.pricing.units import DAY
    from flowplan.state.ownership import past_bids

    loaded = load_state(session)
    state = loaded.state
    kept = _kept(session, state)
    if not (state.bindings or state.paid or kept or begun(loaded)):
        return Truth(state, hours, judged=None if kept is None else ())
    state, there, live, billed = as_it_is(session, loaded)
    streams = streams_of(session, there)
    cloud = session.cloud()
    note_left(cloud, loaded, live)
    if isinstance(billed, CloudError):  # what it costs is shown anyway
        cloud.note(f"what was paid is unknown, since the bill could not be fetched: {billed}")
        bills = _unread(str(billed), state, live, kept or ())
    else:
        bills = billed
        note_unread(cloud, state, bills)
    now = cloud.time()
    as_ends = _ending(there.costs, state, bills, now)
    _note_overdue(session, state, live, bills, now)
    judged = None if kept is None else judged_by(cloud, kept, bills, now)
    if judged is not None:
        _settle(session, judged, coming_day(state, forecasted(as_ends, streams, DAY), now), now)
    ahead = forecasted(as_ends, streams, hours)
    paid = paid_in_all(state, past_bids(state, live), bills, now)
    return Truth(state, hours, now, ahead, bills, judged, paid)


def _ending(costs: Costs, state: State, bills: Bills, now: datetime) -> Costs:
    """`costs` with what is left of lifetimes, as far as the state knows them."""
    from flowplan.planning.lifetimes import Seen, as_applied, left_as_applied

    bids = {a: state.bindings[a] for one in costs.changes if (a := one.change.address).kind == "bid"}
    lifetimes = {address: bounds for address, one in bids.items() if (bounds := as_applied(one)) is not None}
    left = left_as_applied(lifetimes, state, Seen(now, bills))
    lefts = [left.get(one.change.address, ENDLESS) for one in costs.changes]
    changes = zip(costs.changes, lefts, strict=True)
    return attrs.evolve(costs, changes=tuple(attrs.evolve(one, left_before=its, left=its) for one, its in changes))


def _note_overdue(session: Session, state: State, live: Live, bills: Bills, now: datetime) -> None:
    """That bids which run past their lifetime are in the estimate as if they had none: nothing but a run ends them."""
    from flowplan.names import few
    from flowplan.planning.lifetimes import Seen, as_applied, over

    running = {one.id for one in live.bids.values() if not one.ended and not one.bid.paused}
    bids = {address: one for address, one in state.bindings.items() if one.id in running and address.kind == "bid"}
    lifetimes = {address: bounds for address, one in bids.items() if (bounds := as_applied(one)) is not None}
    seen = Seen(now, bills, here=session.cloud().doubted_by() if lifetimes else None)
    if late := [str(address) for address in sorted(over(lifetimes, state, live, seen), key=in_order)]:
        whose = "the lifetime of each is over, and they are" if len(late) > 1 else "its lifetime is over, and it is"
        session.listener.note(f"{few(late)}: {whose} counted as running on; `flowplan apply` ends that")


def _unread(why: str, state: State, live: Live, kept: Sequence[KeptForecast]) -> Bills:
    """What is known where the bill could not be fetched: nothing of any bid, also of those that only forecasts name."""
    from flowplan.pricing.billing import Bills

    bound = (one.id for one in state.bindings.values())
    return Bills(unread=dict.fromkeys({*bound, *state.paid, *live.bids, *(id for one in kept for id in one.bids)}, why))


def _kept(session: Session, state: State) -> list[KeptForecast] | None:
    """The forecasts kept; None when they cannot be read, which is noted: the estimate needs none."""
    from flowplan.operations.running.track_record import in_a_line, kept_forecasts

    try:
        return kept_forecasts(session.settings.directory).read(state.lineage)
    except FlowplanError as error:
        session.listener.note(f"earlier forecasts cannot be compared: {in_a_line(error)}")
        return None


def as_it_is(session: Session, loaded: Loaded) -> tuple[State, PricedPlan, Live, Bills | CloudError]:
    """The state, with what else is ours; a plan that changes nothing: it holds what there is, with its price
    now; all that is there; and what each bid was billed, or why nobody knows. The project is entered."""
    from flowplan.cost.estimate import auctions_needed, priced
    from flowplan.cost.forecast import auctions_ahead
    from flowplan.cost.priced_plan import PricedPlan
    from flowplan.planning.desired import Desired
    from flowplan.planning.make import make_plan
    from flowplan.planning.plan import Wishes
    from flowplan.pricing.past import Fetched
    from flowplan.state.known import as_known

    cloud = session.cloud()
    lists = cloud.everything().beside(single(or_why(cloud.billed, (Unauthorized,))))
    _, ((_, live), bills) = session.enter_and_list(loaded.state, None, lists)
    live = certain(cloud, loaded.state, live)  # what a list that lags does not show may run, and cost money
    state = with_ours(cloud, loaded, live)
    there: dict[Address, Resource] = {}
    for address, binding in state.bindings.items():
        bid, volume = live.bids.get(binding.id), live.volumes.get(binding.id)
        if address.kind == "bid" and bid is not None and not bid.ended:
            there[address] = as_known(bid, binding.applied)
        elif address.kind == "volume" and volume is not None:
            there[address] = as_known(volume, binding.applied)
    desired = Desired(there)
    plan = make_plan(desired, state, live, Wishes(in_scope=lambda binding: binding.address in there))
    auctions = auctions_ahead(plan.changes)
    needed = auctions_needed(desired, state, live, plan.changes)
    now = cloud.each_market(needed, company=[key for key, is_priced_by in needed.items() if not is_priced_by])
    markets, pasts = cloud.read(now.beside(cloud.each_past(auctions).or_error()))
    past = Fetched(frozenset(auctions), pasts)
    return state, PricedPlan(plan, priced(plan, markets), past=past), live, bills


def judged_by(cloud: Fcp, kept: Sequence[KeptForecast], bills: Bills, now: datetime) -> list[Judged]:
    """What came of each, but of those whose bill cannot be read; one call for each bid that has a forecast without a
    final verdict."""
    from flowplan.pricing.track_record import Account, judge

    kept = [one for one in kept if one.verdict is not None or bills.unread.keys().isdisjoint(one.bids)]
    asked = sorted({bid for one in kept if one.verdict is None for bid in one.bids})
    steered = cloud.steered(asked)
    accounts = {bid: Account(bills.by_bid.get(bid, ()), steered.get(bid)) for bid in asked}
    return [judge(one, accounts, now) for one in kept]


def _settle(session: Session, judged: Sequence[Judged], coming: Sequence[KeptForecast], now: datetime) -> None:
    """Keep what is final, and what is forecast now. What goes wrong is noted: today's answer needs none of it."""
    from flowplan.operations.running.track_record import in_a_line, kept_forecasts
    from flowplan.pricing.track_record import is_final

    final = [one for one in judged if one.kept.verdict is None and is_final(one, now)]
    if not final and not coming:
        return
    try:
        kept_forecasts(session.settings.directory).settle(final, coming)
    except FlowplanError as error:
        session.listener.note(f"the forecast for the coming day could not be saved: {in_a_line(error)}")


def coming_day(state: State, day: Costs, now: datetime) -> list[KeptForecast]:
    """Of each bid that is there, and of all together."""
    from flowplan.cost.forecast import storage_planned
    from flowplan.operations.running.track_record import of_bid, of_stack, shown

    figures = shown(day)
    found = []
    for one in day.changes:
        bid, id, of_it = one.change.after, one.change.id, figures.bids.get(one.change.address)
        if isinstance(bid, Bid) and id is not None and of_it is not None:
            found.append(of_bid(state.lineage, str(one.change.address), id, bid, of_it, now))
    if figures.whole is not None:
        ids = [id for one in found for id in one.bids]
        storage = storage_planned((one.change for one in day.changes), figures.whole.hours)
        found += of_stack(state.lineage, ids, figures.whole, storage, now, now)
    return found

"""What a round of the watch looks at, without the lock, and what it decides by that."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import attrs
from attrs import field

from flowplan.classes import frozen
from flowplan.errors import CloudError, UsageProblem
from flowplan.model.address import Address
from flowplan.model.live import ALLOCATED
from flowplan.model.resources import Bid
from flowplan.model.watch import ONLY_LOOKS, Watching
from flowplan.operations.looking.live import say_assumed
from flowplan.operations.looking.observe import Observed, observe_beside
from flowplan.operations.opening.loading import load_state
from flowplan.operations.opening.session import Session
from flowplan.operations.proposing.request import Request, wanted
from flowplan.planning.actions import Completed, Delete
from flowplan.planning.lifetimes import has_lifetime_as_applied
from flowplan.planning.make import make_plan
from flowplan.planning.plan import Plan, Wishes
from flowplan.planning.policies import highest_limit
from flowplan.planning.watch_findings import Decision, Finding
from flowplan.planning.watch_limits import CALM
from flowplan.planning.watch_looks import Seen
from flowplan.planning.watching import decide
from flowplan.pricing.billing import Ender
from flowplan.pricing.entry import Key, Market
from flowplan.state.known import is_live
from flowplan.state.state import CANCELLED, State

if TYPE_CHECKING:
    from flowplan.config import Config
    from flowplan.model.catalogue import Place
    from flowplan.pricing.lifetime import Left


@frozen
class Looked:
    """What a round looked at, and its plan of everything. `markets`: a price that could not be fetched is unknown;
    `dropped`: the bids that no file names any more, and whose lifetime is over as it was applied, each with why;
    `dropped_left`: what is left of the others'."""

    config: Config
    wishes: Wishes
    seen: Observed
    plan: Plan
    markets: Mapping[Key, Market]
    dropped: Mapping[Address, str] = field(factory=dict)
    dropped_left: Mapping[Address, Left] = field(factory=dict)

    @property
    def ends(self) -> bool:
        """Whether a job is done of which the state does not say so: once it does, no edit of the files makes it one
        that is placed again."""
        bindings = self.seen.state.bindings
        done = (one.address for one in self.plan.changes if isinstance(one, Completed))
        return self.policy.on_preempted == "rebid" and any(not bindings[address].ended for address in done)

    @property
    def due(self) -> float | None:
        """Seconds until the first lifetime is over that is not yet, as far as time decides; None: none is."""
        seen, hours = self.seen, list[Decimal]()
        lefts = {address: lives.live for address, lives in seen.desired.left.items()}
        for address, left in {**lefts, **self.dropped_left}.items():
            known = seen.state.bindings.get(address)
            bid = seen.live.bids.get(known.id) if known is not None else None
            if bid is None or bid.ended or address in seen.desired.over:
                continue
            running = left.running if bid.status == ALLOCATED else None
            hours += [one for one in (running, left.hours) if one is not None]
        return float(min(hours)) * 3600 if hours else None

    @property
    def policy(self) -> Watching:
        """What the files let the watch do."""
        return self.config.watch or ONLY_LOOKS


def look(session: Session, request: Request) -> Looked:
    """Everything, of files that are read again. Raises what a plan of them raises."""
    from flowplan.cost.estimate import auctions_needed

    config, wishes = wanted(session, request)
    if config is None:
        raise UsageProblem("there is nothing to watch: no configuration was given")
    policy = config.watch or ONLY_LOOKS
    with session.looking():
        loaded = load_state(session)
        places = _places(loaded.state, policy)
        _, seen = observe_beside(session, loaded, config, kept=places)
        say_assumed(session.cloud(), seen.live)
        ended = {a: place for a, place in places.items() if not is_live(seen.state.bindings.get(a), seen.live)}
        wishes = attrs.evolve(wishes, places=ended)
        plan = make_plan(seen.desired, seen.state, seen.live, wishes, seen.pending)
        keys = auctions_needed(seen.desired, seen.state, seen.live, plan.changes)
        over, left = _dropped(session, plan, seen)
        markets = session.cloud().markets(keys, shown_only=keys, hurried=bool(seen.desired.over or over))
    return Looked(config, wishes, seen, plan, markets, over, left)


def _dropped(session: Session, plan: Plan, seen: Observed) -> tuple[Mapping[Address, str], Mapping[Address, Left]]:
    """Of the bids that no file names any more, which is not applied: those whose lifetime is over as it was applied,
    each with why, and what is left of the others'."""
    from flowplan.operations.looking.lifetimes import seen_of
    from flowplan.planning.lifetimes import as_applied, left_as_applied, over

    bindings = seen.state.bindings
    gone = [one.address for one in plan.changes if isinstance(one, Delete) and one.address.kind == "bid"]
    gone = [one for one in gone if one not in seen.desired.resources and not one.is_earlier]
    bounds = {one: known for one in gone if (known := as_applied(bindings[one])) is not None}
    if not bounds:
        return {}, {}
    found = seen_of(session, bounds, seen.state, seen.live)
    return over(bounds, seen.state, seen.live, found), left_as_applied(bounds, seen.state, found)


def decided(session: Session, looked: Looked) -> Decision:
    """What the watch finds, and what it does about it if every guard and budget lets it."""
    seen, cloud = looked.seen, session.cloud()
    found = decide(
        Seen(
            looked.plan,
            seen.desired,
            seen.state,
            seen.live,
            looked.policy,
            looked.markets,
            cloud.time(),
            highest=_highest(session, seen, cloud.time()),
            ended_by=_enders(session, looked),
            over={**_over(session, seen), **looked.dropped},
            highest_limit=lambda bid: highest_limit(looked.wishes.policies, bid, seen.catalogue),
            here=cloud.http.clocks.doubted_by(),
        )
    )
    late = {
        one.address: "the list of bids lags behind"
        for one in found.findings
        if one.act == "raise" and not _is_still(session, one)
    }
    return found.only(found.act - late.keys(), late)


def _is_still(session: Session, found: Finding) -> bool:
    """Whether the bid says of itself what the list of bids says. What it does not say is not so."""
    try:
        return found.id is not None and session.cloud().bid(found.id).status == found.status
    except CloudError:
        return False


def _over(session: Session, seen: Observed) -> Mapping[Address, str]:
    """The bids whose lifetime is over as it was applied, each with why, of those whose files have another by now, and
    of those in whose place others were made already."""
    from flowplan.operations.looking.lifetimes import over

    bindings, lifetimes = seen.state.bindings, seen.desired.lifetimes
    applied = {
        address: known.lifetime
        for address in (*seen.desired.over, *(one for one in bindings if one.is_earlier))
        if (known := bindings.get(address)) is not None and known.lifetime is not None
        if not has_lifetime_as_applied(known, lifetimes.get(address))
    }
    return over(session, applied, seen.state, seen.live) if applied else {}


def _enders(session: Session, looked: Looked) -> Mapping[str, Ender]:
    """Who ended the bids that may be placed again. What cannot be read is not known."""
    if looked.policy.on_preempted != "rebid":
        return {}
    state = looked.seen.state
    ended = [
        binding.id
        for change in looked.plan.changes
        if change.reason == "create_because_gone" and change.address.kind == "bid"
        if (binding := state.bindings.get(change.address)) is not None and binding.ended != CANCELLED
    ]
    return session.cloud().enders(ended)


def _highest(session: Session, seen: Observed, now: datetime) -> Mapping[Place, Decimal]:
    """The highest price of the last hour in the auctions of bids whose limit was raised, where it is known."""
    bids = (seen.desired.resources[address] for address in seen.desired.raised)
    places = {(bid.instance_type, bid.region) for bid in bids if isinstance(bid, Bid)}
    if not places:
        return {}
    pasts = session.cloud().pasts(sorted(places), since=now - CALM, shown_only=True)
    return {place: max((price for _, price in past.prices), default=Decimal(0)) for place, past in pasts.items()}


def _places(state: State, policy: Watching) -> dict[Address, Place]:
    """Where bids are placed again: where they were, unless they may be placed elsewhere."""
    if policy.switch_region:
        return {}
    bids = ((address, binding.applied) for address, binding in state.bindings.items())
    return {a: (bid.instance_type, bid.region) for a, bid in bids if isinstance(bid, Bid)}

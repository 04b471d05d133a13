"""What the watch does about a plan: which of its changes are its own to make, and which are a person's. Pure.

A bid is the watch's only while its configuration is the one that was applied, and nobody has changed it outside of
flowplan. Nothing else of a plan is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from functools import cached_property
from types import MappingProxyType
from typing import Literal, TypeAlias

import attrs
from attrs import field

from flowplan.classes import frozen
from flowplan.model.address import Address, in_order
from flowplan.model.catalogue import Place
from flowplan.model.hooks import Event
from flowplan.model.live import ALLOCATED, OPEN, PREEMPTING, Live, LiveBid
from flowplan.model.resources import Bid
from flowplan.model.watch import Watching
from flowplan.planning.actions import Change, Completed, Create, Delete, Expire, LeftOut, NoOp, Read, Replace, Update
from flowplan.planning.as_approved import changed_before_it_ended, is_as_applied, placed_lately
from flowplan.planning.lifetimes import has_lifetime_as_applied
from flowplan.planning.lookup import Desired
from flowplan.planning.plan import Plan, key_of
from flowplan.pricing.billing import Ender
from flowplan.pricing.entry import Key, Market, entry_price, to_win
from flowplan.pricing.stock import compete, stocks
from flowplan.pricing.units import CENT, usd
from flowplan.state.state import CANCELLED, DONE, Binding, State

SPARE = Decimal("0.1")  # by how much a raised limit is above what wins, and a lowered one above the price
CALM = timedelta(hours=1)  # for which the price has been low enough for the written limit before it is lowered
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=10), timedelta(hours=6)  # before a bid is placed yet again

Kind: TypeAlias = Literal[
    "lifetime_over", "ended", "preempted", "outbid", "raised", "moves", "drift", "unapplied", "waits", "runs", "done"
]
Act: TypeAlias = Literal["cancel", "place", "raise", "lower", "move"]
COSTLY: tuple[Act, ...] = ("place", "raise", "move")  # what may make a stack more expensive


_EVENTS: Mapping[str, Event] = MappingProxyType({"preempted": "preempted", "outbid": "preempted", "drift": "drifted"})


def event_of(kind: str, *, to_decide: bool) -> Event | None:
    """The hooks that a finding of this kind sets off when it begins; None: none. A bid that the cloud has ended is
    preempted; one that somebody has, or that nobody knows who has, is changed outside."""
    if kind == "ended":
        return "drifted" if to_decide else "preempted"
    return _EVENTS.get(kind)


@frozen
class Finding:
    """What is the matter with one address. `said`: a sentence for people, without the address. `act`: what the watch
    does about it; None: nothing. `to_decide`: a person is to decide, and `flowplan plan` shows about what. `why_not`:
    why the watch does nothing although its policy is about this; "": that is not so. `refused`: what it would do is, by
    a guard, a budget or the cloud. `price`: of the auction now, `to_win`: the lowest limit that wins now where that of
    the bid does not, `limit`: that of the bid, `new_limit`: what it is set to; each in dollars per instance-hour, None:
    unknown, or there is none. `id`: the live object's, or that of the one that is over; `status`: the API's word."""

    address: Address
    kind: Kind
    said: str
    act: Act | None = field(default=None, kw_only=True)
    to_decide: bool = field(default=False, kw_only=True)
    why_not: str = field(default="", kw_only=True)
    refused: bool = field(default=False, kw_only=True)
    price: Decimal | None = field(default=None, kw_only=True)
    to_win: Decimal | None = field(default=None, kw_only=True)
    limit: Decimal | None = field(default=None, kw_only=True)
    new_limit: Decimal | None = field(default=None, kw_only=True)
    id: str | None = field(default=None, kw_only=True)
    status: str | None = field(default=None, kw_only=True)

    @property
    def event(self) -> Event | None:
        """The hooks that it sets off when it begins; None: none."""
        return event_of(self.kind, to_decide=self.to_decide)

    @property
    def asks(self) -> bool:
        """Whether something is not as it is written, and stays so until a person decides. A bid that waits for a price
        within its bounds is as it is written."""
        return self.to_decide or (self.refused and self.kind not in ("preempted", "outbid"))

    def without_act(self, why: str, *, refused: bool = False) -> Finding:
        """This, about which nothing is done after all."""
        return attrs.evolve(self, act=None, new_limit=None, why_not=why, refused=refused)


@frozen
class Seen:
    """What is decided by. `policy`: of the files; `markets`: the prices of now; `highest`: by (instance type, region),
    the highest price of the last hour, where it is known; `ended_by`: by the id of a bid that is over, who ended it,
    where that is known; `over`: the bids whose lifetime is over as it was applied, each with why, of those whose files
    have another by now, or name them no longer, and of those in whose place others were made; `now`: by the server's
    clock; `highest_limit`: that the policies allow a bid, in dollars per instance-hour; None: they do not say."""

    plan: Plan
    desired: Desired
    state: State
    live: Live
    policy: Watching
    markets: Mapping[Key, Market]
    now: datetime
    highest: Mapping[Place, Decimal] = field(factory=dict)
    ended_by: Mapping[str, Ender] = field(factory=dict)
    over: Mapping[Address, str] = field(factory=dict)
    highest_limit: Callable[[Bid], Decimal | None] = lambda _: None

    @cached_property
    def _stocks(self) -> Mapping[Place, Market]:
        return stocks(self.markets)

    def may_compete(self, bid: Bid, other: Bid) -> bool:
        """Whether two bids are for the same GPUs, as far as the prices tell; where they do not, they may be."""
        return compete(bid, other, self._stocks) is not False


def _is_below(bid: Bid, limit: Decimal, of: Bid) -> bool:
    """Whether the limit of `bid` is below `limit` for an instance as `of` has them: limits compete per GPU."""
    return bid.limit_price * (of.gpus or 1) < limit * (bid.gpus or 1)


@frozen
class Decision:
    """One finding for each address that there is something to say about, in natural order."""

    findings: tuple[Finding, ...]

    @property
    def act(self) -> frozenset[Address]:
        """The addresses that the watch does something about."""
        return frozenset(one.address for one in self.findings if one.act is not None)

    @property
    def limits(self) -> dict[Address, Decimal]:
        """The limit prices that it sets, in dollars per instance-hour."""
        return {one.address: one.new_limit for one in self.findings if one.act and one.new_limit is not None}

    def at(self, limits: Mapping[Address, Decimal]) -> Decision:
        """This, with `limits` for the limit prices that it sets."""
        return Decision(tuple(attrs.evolve(one, new_limit=limits.get(one.address)) for one in self.findings))

    @property
    def moving(self) -> frozenset[Address]:
        """The bids that it places elsewhere."""
        return frozenset(one.address for one in self.findings if one.act == "move")

    def only(self, acts: frozenset[Address], why: Mapping[Address, str], *, refused: bool = False) -> Decision:
        """This, in which nothing is done but about `acts`. `why`: why not, of each other one; `refused`: it is."""
        return Decision(
            tuple(
                one if one.act is None or one.address in acts else one.without_act(why[one.address], refused=refused)
                for one in self.findings
            )
        )


def decide(seen: Seen) -> Decision:
    """What the watch finds, and what it does about it. What that would cost, and what a guard says of it, is judged
    with a plan of nothing else."""
    found = {change.address: one for change in seen.plan.changes if (one := _Finding(seen, change).find()) is not None}
    pending = [one for one in seen.plan.changes if one.imported or one.previous_address is not None]
    if pending:  # what is done would record these, too
        why = f"{pending[0].address} changes hands in the files, which is not applied: run `flowplan apply` first"
        found = {a: one if one.act in (None, "cancel") else one.without_act(why) for a, one in found.items()}
    findings = [found[address] for address in sorted(found, key=in_order)]
    return Decision(tuple(_one_an_auction(findings, seen)))


def _one_an_auction(findings: list[Finding], seen: Seen) -> Iterator[Finding]:
    """Limits are raised one by one in each auction, and for all sizes of a kind of GPU that may be sold from one stock:
    each that wins moves what the next has to bid, and two that were raised at once would pay each other's limits."""
    taken: list[Bid] = []
    for one in findings:
        wanted = seen.desired.resources.get(one.address)
        if one.new_limit is None or one.act == "lower" or not isinstance(wanted, Bid):
            yield one
            continue
        if any(seen.may_compete(wanted, other) for other in taken):
            why = "another bid of yours is raised in this auction first"
            yield attrs.evolve(one, new_limit=None) if one.act == "place" else one.without_act(why)
            continue
        taken.append(wanted)
        yield one


@frozen
class _Finding:
    """The finding about one change of the plan."""

    seen: Seen
    change: Change

    def find(self) -> Finding | None:
        """None: there is nothing to say."""
        change, address = self.change, self.change.address
        if isinstance(change, (Read, LeftOut)) or (address.kind == "ports" and self._goes_with_its_bid()):
            return None
        if isinstance(change, Expire):
            return self._lifetime(change, change.note)
        if isinstance(change, Delete) and address not in self.seen.desired.resources and address in self.seen.over:
            return self._lifetime(change, self.seen.over[address])
        if change.guard is not None and address in self.seen.desired.over and isinstance(change.before, Bid):
            return self._lifetime(change, self.seen.desired.over[address])
        if (said := self._changed_outside()) is not None:
            return self._made("drift", f"{said} outside of flowplan", to_decide=True)
        if isinstance(change, Completed):
            return self._made("done", f"{change.id} {DONE[change.ended]}; a task that is done is not placed again")
        if isinstance(change, Create) and self._binding is not None:
            return self._ended(change, self._binding)
        if isinstance(change, Replace) and self._is_move(change):
            return self._move(change)
        if isinstance(change, Update) and self._is_raise_taken_back(change):
            said = "the files do not allow the limit price any more that the watch has raised it to"
            return self._priced("raised", said, act="lower", new_limit=self.binding.raised_from)
        if change.ways or change.imported or change.previous_address is not None:
            return self._made("unapplied", "the files and what is live differ", to_decide=True)
        return self._standing() if address.kind == "bid" and isinstance(change, NoOp) else None

    # -- what is known

    @property
    def _binding(self) -> Binding | None:
        return self.seen.state.bindings.get(self.change.address)

    @property
    def binding(self) -> Binding:
        """What the state has of it. Only where it has something."""
        found = self._binding
        if found is None:
            raise KeyError(self.change.address)
        return found

    @property
    def _live(self) -> LiveBid | None:
        return self.seen.live.bids.get(self._binding.id) if self._binding is not None else None

    def _goes_with_its_bid(self) -> bool:
        bid = self.seen.plan.by_address().get(Address("bid", self.change.address.name))
        return bid is not None and bool(bid.ways)

    def _changed_outside(self) -> str | None:
        """What somebody changed since it was applied; None: nothing."""
        for one in self.seen.plan.drift:
            if one.address == self.change.address and isinstance(one, Update):
                return f"{' and '.join(field.name for field in one.fields)} was changed"
        return None

    # -- what is found

    def _lifetime(self, change: Change, over: str | None) -> Finding:
        known = self._binding
        why = "" if change.guard is None else f"{change.guard.by} keeps it running"
        why = why or ("" if self.seen.policy.enforce_lifetime else "enforce_lifetime is false")
        if (
            known is not None
            and not has_lifetime_as_applied(known, change.lifetime)
            and change.address not in self.seen.over
        ):
            why = why or "its lifetime was edited, which is not applied"
        said = f"its lifetime is over: {over}"
        return self._made("lifetime_over", said, act=None if why else "cancel", to_decide=bool(why), why_not=why)

    def _ended(self, change: Create, binding: Binding) -> Finding:
        """A bid that the state has is over, and the files still want it."""
        if change.address.kind != "bid":
            return self._made("ended", f"{binding.id} is gone; the watch makes no volume again", to_decide=True)
        own = binding.moving and binding.ended == CANCELLED
        said = f"{binding.id} was being placed elsewhere" if own else f"{binding.id} has ended"
        why = self._why_not_placed(binding, own=own)
        if why is not None:
            return self._made("moves" if own else "ended", f"{said}; {why}", to_decide=True, why_not=why)
        if (pause := self._pause()) is not None:
            until = f"{(self.seen.now + pause):%H:%M} UTC"
            said = f"{said}, as the one before it has; the watch places it again after {until}"
            return self._made("ended", said, why_not="it has ended often")
        unmet = [one for one in change.waits_for if not self._is_met(one.task, one.until)]
        if unmet:
            waits = f"waits until {unmet[0].task} is {unmet[0].until}"
            return self._made("ended", f"{said}; what is placed again {waits}", why_not="waits")
        wanted = change.after
        limit = self._winning(wanted) if isinstance(wanted, Bid) else None
        return self._priced("moves" if own else "ended", said, act="place", new_limit=limit)

    def _why_not_placed(self, binding: Binding, *, own: bool) -> str | None:
        """Why a bid that is over is for a person to place again; None: the watch may."""
        policy = self.seen.policy
        if isinstance(binding.applied, Bid) and binding.applied.inputs is None:
            return "flowplan did not place it, so what it ran is not known"
        if not is_as_applied(self.change, self._binding, self.seen.desired, elsewhere=policy.switch_region):
            return "the files ask for something else by now, or for another place"
        if any(one == self.change.address for one, _ in self.seen.plan.twins):
            return "another live bid carries the marker of this task"
        if (said := changed_before_it_ended(binding, self.seen.state, self.seen.live, self.seen.now)) is not None:
            return said
        if own:
            return None if policy.switch_region else "switch_region is not set"
        if policy.on_preempted != "rebid":
            return "on_preempted is not rebid"
        if binding.ended == CANCELLED:
            return "flowplan cancelled it in a run that did not come to its end"
        ender = self.seen.ended_by.get(binding.id)
        if ender == "user":
            return "somebody cancelled it"
        return None if ender == "cloud" else "its history does not say who ended it"

    def _pause(self) -> timedelta | None:
        """How long it is still to be left alone: it was placed again already within a day, and ended again. None: it
        is not."""
        placed = placed_lately(self.change.address, self.seen.state, self.seen.live, self.seen.now)
        if len(placed) < 2:
            return None
        wait = min(FIRST_PAUSE * 2 ** min(len(placed) - 2, 10), LONGEST_PAUSE)
        left = placed[-1] + wait - self.seen.now
        return left if left > timedelta() else None

    def _is_met(self, task: Address, until: str) -> bool:
        """Whether what is waited for is so far by now, as far as the list tells: nothing is waited for under the
        lock."""
        change = self.seen.plan.by_address().get(task)
        if isinstance(change, Completed):
            return until in ("placed", "terminated")
        known = self.seen.state.bindings.get(task)
        bid = self.seen.live.bids.get(known.id) if known is not None else None
        if bid is None or bid.ended or until == "terminated":
            return False
        return until == "placed" or bid.status == ALLOCATED

    def _is_move(self, change: Replace) -> bool:
        """Whether it is replaced only because there is a better place for it, of those that its task leaves open."""
        before, places = change.before, {one.candidate.place for one in change.candidates}
        if not isinstance(before, Bid) or (before.instance_type, before.region) not in places:
            return False
        return {one.name for one in change.fields if one.forces} <= {"region", "instance_type"} and (
            is_as_applied(self.change, self._binding, self.seen.desired, elsewhere=True)
        )

    def _move(self, change: Replace) -> Finding:
        bid, may = self._live, self.seen.policy.switch_region
        said = f"it would do better elsewhere: {change.note}" if change.note else "it would do better elsewhere"
        if not may or bid is None or bid.status != OPEN or bid.instances:
            why = "it has run" if may else "switch_region is not set"
            return self._priced("moves", said, to_decide=True, why_not=why)
        if self._pause() is not None:
            return self._priced("moves", said, why_not="it was placed often lately")
        least = to_win(self._market(change.after), Decimal(0)) if isinstance(change.after, Bid) else None
        if isinstance(change.after, Bid) and least is not None and (own := self._pushes_out(change.after, least)):
            return self._priced("moves", said, why_not=own)
        return self._priced("moves", said, act="move")

    def _is_raise_taken_back(self, change: Update) -> bool:
        """Whether it only differs because a limit that the watch has raised is above what the files allow by now."""
        known = self._binding
        return (
            known is not None
            and known.raised_from is not None
            and self.seen.policy.raise_limit_up_to is not None
            and isinstance(change.after, Bid)
            and {one.name for one in change.fields} == {"limit_price"}
            and change.after.limit_price == known.raised_from
        )

    def _standing(self) -> Finding:
        """A bid that is as the files want it: how it stands in its auction."""
        bid, live = self.change.after, self._live
        if not isinstance(bid, Bid) or live is None:
            return self._made("waits", "what is live cannot be seen")
        if live.has_strange_status:
            return self._made("waits", f"flowplan does not know its status {live.status}", to_decide=True)
        if bid.paused:
            return self._made("waits", "it is paused, as the files want it")
        if (written := self._written_suffices(bid)) is not None:
            said = f"the limit price in the files, {usd(written)}, wins again"
            return self._priced("raised", said, act="lower", new_limit=written)
        if live.status == ALLOCATED:
            return self._priced("runs", "it runs")
        if live.status == PREEMPTING:
            return self._priced("preempted", "the cloud is taking its instances back")
        least = to_win(self._market(bid), bid.limit_price)
        if least is None:
            return self._priced("waits", "it waits for its auction")
        kind: Kind = "preempted" if live.instances else "outbid"
        said = f"it waits, because winning takes a limit of {usd(least)}"
        if self.seen.policy.raise_limit_up_to is None:
            return self._priced(kind, said)
        why = self._why_not_raised(bid, least)
        if why is not None:
            return self._priced(kind, said, why_not=why)
        return self._priced(kind, said, act="raise", new_limit=self._with_spare(bid, least))

    def _market(self, bid: Bid) -> Market | None:
        return self.seen.markets.get(key_of(bid))

    def _winning(self, bid: Bid) -> Decimal | None:
        """The limit price that a bid is placed again with, where the one that is written does not win; None: that."""
        least = to_win(self._market(bid), bid.limit_price)
        if least is None or self._why_not_raised(bid, least) is not None:
            return None
        return self._with_spare(bid, least)

    def _with_spare(self, bid: Bid, least: Decimal) -> Decimal:
        most, allowed = self.seen.policy.raise_limit_up_to or Decimal(0), self.seen.highest_limit(bid)
        wanted = min((least * (1 + SPARE)).quantize(CENT, ROUND_CEILING), most)
        return wanted if allowed is None else min(wanted, allowed)

    def _why_not_raised(self, bid: Bid, least: Decimal) -> str | None:
        """Why the limit of a bid is not raised to what wins, `least`; None: it is."""
        most = self.seen.policy.raise_limit_up_to
        if most is None:
            return "raise_limit_up_to is not set"
        if least > most:
            return f"that is above raise_limit_up_to, {usd(most)} per instance-hour"
        if (allowed := self.seen.highest_limit(bid)) is not None and least > allowed:
            return f"that is above what a policy allows, {usd(allowed)}"
        if self.change.lifecycle.ignores("limit_price"):
            return "its lifecycle ignores limit_price"
        return self._pushes_out(bid, least)

    def _pushes_out(self, bid: Bid, least: Decimal) -> str | None:
        """That another bid of this project may lose its instances to `bid`, which wins from `least` on; None: none
        does."""
        pushed = next((one.id for one in self._own_beside(bid) if _is_below(one.bid, least, bid)), None)
        return f"it would push out {pushed}, another bid of this project" if pushed is not None else None

    def _own_beside(self, bid: Bid) -> Iterator[LiveBid]:
        """The other bids of this project that may hold some of the GPUs that it is for, by id: who placed them does not
        matter, one project pays."""
        mine = self._binding.id if self._binding is not None else None
        for _, one in sorted(self.seen.live.bids.items()):
            holds = one.id != mine and not one.ended and one.status in (ALLOCATED, PREEMPTING)
            if holds and self.seen.may_compete(bid, one.bid):
                yield one

    def _written_suffices(self, bid: Bid) -> Decimal | None:
        """The limit price in the files, of a bid whose limit the watch has raised: it has been enough for an hour, with
        something to spare. None: it has not, or that is not known."""
        written, market = self.seen.desired.raised.get(self.change.address), self._market(bid)
        highest = self.seen.highest.get((bid.instance_type, bid.region))
        if written is None or market is None or market.spot is None or highest is None:
            return None
        if self.change.lifecycle.ignores("limit_price"):
            return None
        low = max(market.spot, highest, market.minimum or Decimal(0)) * (1 + SPARE) <= written
        holding = self._live is not None and self._live.status == ALLOCATED
        wins = holding or entry_price(market, written / (1 + SPARE), holding=False).point is not None
        return written if low and wins else None

    # -- making it

    def _made(
        self, kind: Kind, said: str, *, act: Act | None = None, to_decide: bool = False, why_not: str = ""
    ) -> Finding:
        return Finding(
            self.change.address,
            kind,
            said,
            act=act,
            to_decide=to_decide,
            why_not=why_not,
            id=self.change.id or (self._binding.id if self._binding is not None else None),
            status=self.change.status,
        )

    def _priced(
        self,
        kind: Kind,
        said: str,
        *,
        act: Act | None = None,
        to_decide: bool = False,
        why_not: str = "",
        new_limit: Decimal | None = None,
    ) -> Finding:
        bid = self.change.before if isinstance(self.change.before, Bid) else self.change.after
        made = attrs.evolve(self._made(kind, said, act=act, to_decide=to_decide, why_not=why_not), new_limit=new_limit)
        if not isinstance(bid, Bid):
            return made
        market = self._market(bid)
        spot = market.spot if market is not None else None
        return attrs.evolve(made, price=spot, to_win=to_win(market, bid.limit_price), limit=bid.limit_price)

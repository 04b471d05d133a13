"""What the watch does about a plan: which of its changes are its own to make, and which are a person's. Pure.

A bid is the watch's only while its configuration is the one that was applied, and nobody has changed it outside of
flowplan. Nothing else of a plan is.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import attrs

from flowplan.model.address import Address, in_order
from flowplan.model.live import ALLOCATED, OPEN, PREEMPTING
from flowplan.model.resources import Bid
from flowplan.planning.actions import Change, Completed, Create, Delete, Expire, LeftOut, NoOp, Read, Replace, Update
from flowplan.planning.lifetimes import Unsure, has_lifetime_as_applied, may_be_over
from flowplan.planning.watch_again import is_met, is_move, pause_left, why_not_placed
from flowplan.planning.watch_findings import Act, Decision, Finding, Kind
from flowplan.planning.watch_limits import (
    is_raise_taken_back,
    pushes_out,
    why_not_raised,
    winning,
    with_spare,
    written_suffices,
)
from flowplan.planning.watch_looks import AtChange, Seen
from flowplan.pricing.entry import to_win
from flowplan.pricing.units import usd
from flowplan.state.state import CANCELLED, DONE, Binding


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


class _Finding(AtChange):
    """The finding about one change of the plan."""

    __slots__ = ()

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
        if isinstance(change, Create) and self.known is not None:
            return self._ended(change, self.known)
        if isinstance(change, Replace) and is_move(self, change):
            return self._move(change)
        if isinstance(change, Update) and is_raise_taken_back(self, change):
            said = "the files do not allow the limit price any more that the watch has raised it to"
            return self._priced("raised", said, act="lower", new_limit=self.binding.raised_from)
        if change.ways or change.imported or change.previous_address is not None:
            return self._made("unapplied", "the files and what is live differ", to_decide=True)
        return self._standing() if address.kind == "bid" and isinstance(change, NoOp) else None

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
        known = self.known
        paused = isinstance(change.before, Bid) and change.before.paused
        why = "" if change.guard is None else f"{change.guard.by} keeps it{'' if paused else ' running'}"
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
        why = why_not_placed(self, binding, own=own)
        if why is not None:
            return self._made("moves" if own else "ended", f"{said}; {why}", to_decide=True, why_not=why)
        if (pause := pause_left(self)) is not None:
            until = f"{(self.seen.now + pause):%H:%M} UTC"
            said = f"{said}, as the one before it has; the watch places it again after {until}"
            return self._made("ended", said, why_not="it has ended often")
        unmet = [one for one in change.waits_for if not is_met(self, one.task, one.until)]
        if unmet:
            waits = f"waits until {unmet[0].task} is {unmet[0].until}"
            return self._made("ended", f"{said}; what is placed again {waits}", why_not="waits")
        wanted = change.after
        limit = winning(self, wanted) if isinstance(wanted, Bid) else None
        return self._priced("moves" if own else "ended", said, act="place", new_limit=limit)

    def _move(self, change: Replace) -> Finding:
        bid, may = self.live, self.seen.policy.switch_region
        said = f"it would do better elsewhere: {change.note}" if change.note else "it would do better elsewhere"
        if not may or bid is None or bid.status != OPEN or bid.instances:
            why = "it has run" if may else "switch_region is not set"
            return self._priced("moves", said, to_decide=True, why_not=why)
        if pause_left(self) is not None:
            return self._priced("moves", said, why_not="it was placed often lately")
        least = to_win(self.market(change.after), Decimal(0)) if isinstance(change.after, Bid) else None
        if isinstance(change.after, Bid) and least is not None and (own := pushes_out(self, change.after, least)):
            return self._priced("moves", said, why_not=own)
        return self._priced("moves", said, act="move")

    def _standing(self) -> Finding:
        """A bid that is as the files want it: how it stands in its auction."""
        bid, live = self.change.after, self.live
        if not isinstance(bid, Bid) or live is None:
            return self._made("waits", "what is live cannot be seen")
        if live.has_strange_status:
            word = f"does not know its status {live.status}" if live.status else "could not read its status"
            return self._made("waits", f"flowplan {word}", to_decide=True)
        if bid.paused:
            return self._made("waits", "it is paused, as the files want it")
        if (written := written_suffices(self, bid)) is not None:
            said = f"the limit price in the files, {usd(written)}, wins again"
            return self._priced("raised", said, act="lower", new_limit=written)
        unchecked = self._unchecked()
        if live.status == ALLOCATED:
            if unchecked is None:
                return self._priced("runs", "it runs")
            return self._priced("lifetime_unknown", f"it {may_be_over(unchecked, bid)}", to_decide=True)
        if live.status == PREEMPTING:
            return self._priced("preempted", "the cloud is taking its instances back")
        least = to_win(self.market(bid), bid.limit_price)
        if least is None:
            return self._priced("waits", "it waits for its auction")
        kind: Kind = "preempted" if live.instances else "outbid"
        said = f"it waits, because winning takes a limit of {usd(least)}"
        if self.seen.policy.raise_limit_up_to is None:
            return self._priced(kind, said)
        why = why_not_raised(self, bid, least)
        if why is None and unchecked is not None:
            why = unchecked.why
        if why is not None:
            return self._priced(kind, said, why_not=why)
        return self._priced(kind, said, act="raise", new_limit=with_spare(self, bid, least))

    def _unchecked(self) -> Unsure | None:
        """Why nobody knows whether its lifetime is over; None: it is known, or the watch ends nothing by it."""
        if self.change.guard is not None or not self.seen.policy.enforce_lifetime:
            return None
        return self.seen.desired.unknown.get(self.change.address)

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
            id=self.change.id or (self.known.id if self.known is not None else None),
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
        market = self.market(bid)
        spot = market.spot if market is not None else None
        return attrs.evolve(made, price=spot, to_win=to_win(market, bid.limit_price), limit=bid.limit_price)

"""Your own bids in one auction: what they do to each other, said once for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from flowplan.classes import frozen
from flowplan.cost.advised import is_far_above_need, risk_of_lowering
from flowplan.cost.costs import Priced
from flowplan.diagnostics import Diagnostic
from flowplan.model.address import Address
from flowplan.model.resources import Bid
from flowplan.planning.actions import NoOp
from flowplan.planning.succession import Succession
from flowplan.pricing.entry import Estimate
from flowplan.pricing.units import usd
from flowplan.printable import natural

_ONE_TASK = "one task with more instances (num_instances) does not bid against itself"
_STALE = "the plan is still valid, but its cost may not be: plan again"


@frozen
class _Bidder:
    """One of your bids in an auction, and what it costs."""

    priced: Priced
    bid: Bid
    cost: Estimate

    @property
    def address(self) -> Address:
        return self.priced.change.address

    @property
    def is_new(self) -> bool:
        """Whether it is placed or changed."""
        return not isinstance(self.priced.change, NoOp)

    @property
    def place(self) -> str:
        return f"{self.bid.instance_type_name or self.bid.instance_type} in {self.bid.region}"

    @property
    def limit_price(self) -> Decimal:
        return self.cost.limit_price

    @property
    def now(self) -> Decimal | None:
        """What an instance of it would pay."""
        return self.cost.entry.point

    @property
    def alone(self) -> Decimal | None:
        """The same without the others; None where they make no difference, and where it is unknown."""
        return self.cost.alone.point if self.cost.alone else None


def of_auctions(changes: Sequence[Priced]) -> Iterator[Diagnostic]:
    """What is said once for all your bids in an auction: that its prices are old, that limits are far above need, and
    that your own bids compete."""
    order = Succession.of(one.change for one in changes)
    for bids in _auctions(changes):
        stale = next((one for one in bids if one.priced.stale), None)
        if stale is not None:
            summary = f"{stale.place}: {stale.priced.stale}"
            yield stale.priced.said("warning", summary, "stale_market", _STALE)
        if far := [one for one in bids if one.is_new and is_far_above_need(one.cost, one.priced.advice)]:
            yield _far_above(far)
        compete = [said for group in order.groups(bids, _address) if (said := _competing(*group)) is not None]
        yield from [one for one in compete if one.severity == "warning"] or compete[:1]


def _address(one: _Bidder) -> Address:
    return one.address


def _auctions(changes: Iterable[Priced]) -> list[list[_Bidder]]:
    """The bids that take part, by auction, where one of them is placed or changed."""
    found: dict[tuple[str, str], list[_Bidder]] = {}
    for one in changes:
        bid = one.change.after
        if isinstance(bid, Bid) and one.cost and one.cost.outlook not in ("paused", "cannot_win"):
            found.setdefault((bid.instance_type, bid.region), []).append(_Bidder(one, bid, one.cost))
    for bids in found.values():
        bids.sort(key=lambda one: natural(str(one.address)))
    return [bids for bids in found.values() if any(one.is_new for one in bids)]


def _competing(bids: Sequence[_Bidder], begin: Sequence[_Bidder]) -> Diagnostic | None:
    """That your own bids compete: what that costs now, or, if it costs nothing yet, what it would cost. `begin`: those
    that were not there before, of which something was said already."""
    hit = [one for one in begin if one.cost.alone is not None]
    first = next((one for one in begin if one.is_new), None)
    if first is None:
        return None
    if hit:
        return first.priced.said("warning", f"{first.place}: {_price_of(hit)}", "self_competition", _ONE_TASK)
    running = sorted((one for one in bids if one.cost.outlook == "runs"), key=lambda one: one.limit_price)
    if len(running) < 2:
        return None
    lowest, others = running[0], running[1:]
    limit, price = lowest.limit_price, others[0].now
    if price is None or limit <= price:
        return None
    more = (limit - price) * sum(one.cost.quantity for one in others)
    summary = (
        f"{first.place}: {_names(running)} bid against each other; if {lowest.address} loses, the "
        f"others pay its limit: {usd(limit)} instead of {usd(price)}, {usd(more)} an hour more together"
    )
    return first.priced.said("note", summary, "self_competition", _ONE_TASK)


def _far_above(bids: Sequence[_Bidder]) -> Diagnostic:
    """Once for an auction: that limits are far above what has been enough, which is right where they are what the work
    is worth, and what a lower one would lose."""
    need = max(
        (one.priced.advice for one in bids if one.priced.advice is not None),
        key=lambda advice: advice.limit_price or Decimal(0),
    )
    limits = sorted({one.limit_price for one in bids})
    amount = usd(limits[0]) if len(limits) == 1 else f"{usd(limits[0])} to {usd(limits[-1])}"
    what = f"limit of {_names(bids)} is" if len(bids) == 1 else f"limits of {_names(bids)} are"
    summary = (
        f"{bids[0].place}: the {what} {amount}, far above the {usd(need.limit_price)} needed; that is right if an "
        "hour is worth that much to you: you are charged the price, not the limit"
    )
    return bids[0].priced.said("note", summary, "limit_far_above_need", risk_of_lowering(need))


def _price_of(hit: Sequence[_Bidder]) -> str:
    """What competing costs, or who does not run because of it."""
    paying = [one for one in hit if one.cost.outlook == "runs"]
    parts = []
    if paying:
        now, alone = paying[0].now, paying[0].alone
        each = [
            (one.now - one.alone) * one.cost.quantity for one in paying if one.now is not None and one.alone is not None
        ]
        parts.append(
            f"{_names(paying)} would pay about {usd(now)} instead of {usd(alone)}, "
            f"{usd(sum(each, Decimal(0)))} an hour more"
        )
    torn = [one for one in hit if one.cost.outlook == "unknown"]
    if torn:
        most = usd(max(one.limit_price for one in torn))
        parts.append(
            f"{_names(torn)} may not all win; those that do pay up to {most}, instead of {usd(torn[0].alone)} alone"
        )
    late = [one for one in hit if one.cost.outlook == "waits"]
    if late:
        parts.append(f"{_names(late)} would wait, although {'it' if len(late) == 1 else 'each'} would run alone")
    return "your own bids compete: " + "; ".join(parts)


def _names(bids: Sequence[_Bidder]) -> str:
    names = [str(one.address) for one in bids]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

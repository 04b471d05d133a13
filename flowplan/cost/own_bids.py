"""Your own bids in one auction: what they do to each other, said once for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from flowplan.classes import frozen
from flowplan.cost.advised import is_far_above_need, risk_of_lowering
from flowplan.cost.competing import pools
from flowplan.cost.costs import Costs, Priced
from flowplan.diagnostics import Diagnostic
from flowplan.model.address import Address
from flowplan.model.resources import Bid
from flowplan.planning.actions import NoOp
from flowplan.planning.succession import Succession
from flowplan.pricing.entry import Estimate
from flowplan.pricing.units import per_gpu, usd
from flowplan.printable import natural

_SHOWN = 3  # names in one sentence
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
    def gpus(self) -> int:
        """Of an instance; 1 for what has none."""
        return self.bid.gpus or 1

    @property
    def limit_per_gpu(self) -> Decimal:
        return self.limit_price / self.gpus

    @property
    def now(self) -> Decimal | None:
        """What an instance of it would pay."""
        return self.cost.entry.point

    @property
    def alone(self) -> Decimal | None:
        """The same without the others; None where they make no difference, and where it is unknown."""
        return self.cost.alone.point if self.cost.alone else None


def of_auctions(costs: Costs) -> Iterator[Diagnostic]:
    """What is said once for all your bids in an auction: that its prices are old, that limits are far above need; and
    for all that bid for the same GPUs, in one size or several: that they compete."""
    order = Succession.of(one.change for one in costs.changes)
    auctions = _auctions(costs.changes)
    together = pools([(one, one.bid) for bids in auctions.values() for one in bids], costs.markets)
    first = {_auction(pool[0][1]): [one for one, _ in pool] for pool in together}
    for auction, bids in auctions.items():
        if any(one.is_new for one in bids):
            yield from _of_auction(bids)
        pool = sorted(first.get(auction, ()), key=lambda one: natural(str(one.address)))
        compete = [said for group in order.groups(pool, _address) if (said := _competing(*group)) is not None]
        yield from [one for one in compete if one.severity == "warning"] or compete[:1]


def _of_auction(bids: Sequence[_Bidder]) -> Iterator[Diagnostic]:
    stale = next((one for one in bids if one.priced.stale), None)
    if stale is not None:
        summary = f"{stale.place}: {stale.priced.stale}"
        yield stale.priced.said("warning", summary, "stale_market", _STALE)
    if far := [one for one in bids if one.is_new and is_far_above_need(one.cost, one.priced.advice)]:
        yield _far_above(far)


def _address(one: _Bidder) -> Address:
    return one.address


def _auction(bid: Bid) -> tuple[str, str]:
    return bid.instance_type, bid.region


def _auctions(changes: Iterable[Priced]) -> dict[tuple[str, str], list[_Bidder]]:
    """The bids that take part, by auction."""
    found: dict[tuple[str, str], list[_Bidder]] = {}
    for one in changes:
        bid = one.change.after
        shares = one.cost and not one.cost.unreported and one.cost.outlook not in ("paused", "cannot_win")
        if isinstance(bid, Bid) and one.cost and shares:
            found.setdefault(_auction(bid), []).append(_Bidder(one, bid, one.cost))
    for bids in found.values():
        bids.sort(key=lambda one: natural(str(one.address)))
    return found


def _competing(bids: Sequence[_Bidder], begin: Sequence[_Bidder]) -> Diagnostic | None:
    """That your own bids compete: what that costs now, or, if it costs nothing yet, what it would cost. `begin`: those
    that were not there before, of which something was said already."""
    hit = [one for one in begin if one.cost.alone is not None]
    first = next((one for one in begin if one.is_new), None)
    if first is None:
        return None
    if hit:
        return first.priced.said("warning", f"{_place(bids)}: {_price_of(hit)}", "self_competition", _ONE_TASK)
    running = sorted((one for one in bids if one.cost.outlook == "runs"), key=lambda one: one.limit_per_gpu)
    if len(running) < 2:
        return None
    lowest, others = running[0], running[1:]
    price = others[0].now
    if price is None or lowest.limit_price * others[0].gpus <= price * lowest.gpus:
        return None
    more = sum(
        ((lowest.limit_price * one.gpus / lowest.gpus - (one.now or price)) * one.cost.quantity for one in others),
        Decimal(0),
    )
    limit = usd(lowest.limit_price)
    instead = f"{limit} instead of {usd(price)}"
    if len({one.bid.instance_type for one in running}) > 1:
        instead = f"{per_gpu(lowest.limit_per_gpu)} instead of {per_gpu(price / others[0].gpus)}"
    who, all_of_them = ("the other pays", "") if len(others) == 1 else ("the others pay", " together")
    summary = (
        f"{_place(bids)}: {_names(running)} bid against each other; if {lowest.address} loses, {who} its limit: "
        f"{instead}, {usd(more)} an hour more{all_of_them}"
    )
    return first.priced.said("note", summary, "self_competition", _ONE_TASK)


def _place(bids: Sequence[_Bidder]) -> str:
    """The auctions of `bids`, which are for the same GPUs: the smallest size first."""
    by_size = sorted(bids, key=_size)
    names = [*dict.fromkeys(one.bid.instance_type_name or one.bid.instance_type for one in by_size)]
    return f"{_listed(names)} in {bids[0].bid.region}"


def _size(one: _Bidder) -> int:
    return one.gpus


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
    by_size: dict[str, list[_Bidder]] = {}
    for one in sorted(hit, key=_size):
        by_size.setdefault(one.bid.instance_type, []).append(one)
    parts = []
    if paying:
        each = [
            (one.now - one.alone) * one.cost.quantity for one in paying if one.now is not None and one.alone is not None
        ]
        sizes = [them for same in by_size.values() if (them := [one for one in same if one in paying])]
        said = ", ".join(
            f"{_names(them)} would pay about {usd(them[0].now)} instead of {usd(them[0].alone)}" for them in sizes
        )
        parts.append(f"{said}, {usd(sum(each, Decimal(0)))} an hour more")
    torn = [one for one in hit if one.cost.outlook == "unknown"]
    if torn and len(by_size) == 1 and torn[0].alone is not None:
        most = usd(max(one.limit_price for one in torn))
        parts.append(
            f"{_names(torn)} may not all win; those that do pay up to {most}, instead of {usd(torn[0].alone)} alone"
        )
    elif torn:
        parts.append(f"nobody can tell whether {_names(torn)} would run beside the others")
    late = [one for one in hit if one.cost.outlook == "waits"]
    if late:
        parts.append(f"{_names(late)} would wait, although {'it' if len(late) == 1 else 'each'} would run alone")
    return "your own bids compete: " + "; ".join(parts)


def _names(bids: Sequence[_Bidder]) -> str:
    names = [str(one.address) for one in bids]
    return _listed(names if len(names) <= _SHOWN else [*names[:_SHOWN], f"{len(names) - _SHOWN} more"])


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))

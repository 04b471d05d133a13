"""Which instance type and region a task gets, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Literal, NamedTuple, TypeAlias

from flowplan.classes import frozen
from flowplan.config import Task
from flowplan.model.catalogue import Auction, InstanceType, Place
from flowplan.pricing.entry import EntryPrice, Market, entry_price
from flowplan.pricing.units import percent, usd

SWITCH_SHARE = Decimal("0.25")  # of the expected cost (or time) that another place must save for a waiting bid to move

SAME_SHARE = Decimal("0.01")  # of the time until the work is done: a smaller difference is none
SAME_TIME = 5  # minutes; so is one that is shorter


Never: TypeAlias = Literal["below_reserve", "too_large"]  # why a bid cannot win somewhere, whatever happens to prices
Reason: TypeAlias = Literal[
    "below_reserve",
    "too_large",
    "cannot_finish",
    "price_unknown",
    "would_wait",
    "later_in_order",
    "costs_more",
    "done_later",
    "no_better",
    "price_no_lower",
    "no_more_room",
]


class WhyNot(NamedTuple):
    """Why a place was not chosen: for programs, and in a few words."""

    reason: Reason
    sentence: str


@frozen
class Prospect:
    """When the work of a task is expected to be done, in hours from now, and what all its instances cost until then.
    `runs`: the share of the time that they are expected to run; None: past prices do not tell."""

    hours: Decimal
    cost: Decimal
    runs: Decimal | None = None


@frozen
class Candidate:
    """One viable place for a task; `rank` is the type's place in the user's list. `prospect`: what it would come to
    there, as past prices tell; None: they do not. `unfinished`: why its work is not expected to be done there within
    its lifetime; None: it is, or nothing tells. `market`: its prices of now for so many instances, where they were
    asked for."""

    kind: InstanceType
    auction: Auction
    rank: int
    limit_price: Decimal
    prospect: Prospect | None = None
    unfinished: str | None = None
    market: Market | None = None

    @property
    def entry(self) -> EntryPrice:
        """What the bid would pay there now, and whether it wins, as far as `market` tells."""
        return entry_price(self.market, self.limit_price, holding=False)

    @property
    def never(self) -> Never | None:
        """Why the bid can never win there; None: it can, or nothing tells."""
        basis = self.entry.basis
        return basis if basis == "below_reserve" or basis == "too_large" else None

    @property
    def place(self) -> Place:
        """The id of its type, and its region."""
        return (self.kind.id, self.auction.region)

    def can_win(self, quantity: int) -> bool:
        """Whether the bid would run now: by the prices of now where they are known, else as far as the list of auctions
        tells."""
        entry = self.entry
        if entry.point is not None or entry.basis in ("losing", "below_reserve", "too_large"):
            return entry.point is not None
        price, lowest = self.auction.last_price, self.auction.lowest_allocated
        if price is None or self.limit_price < price:
            return False
        return self.auction.capacity >= quantity or (lowest is not None and self.limit_price > lowest)


@frozen
class Ranked:
    """A candidate as a plan shows it. `why_not` None: it was chosen."""

    candidate: Candidate
    can_win: bool
    why_not: WhyNot | None


def ranked(task: Task, candidates: Iterable[Candidate]) -> list[Candidate]:
    """The places for a task, the best first: those where it can win at all; where its work is done within its lifetime;
    those that would run now; then as `optimize` says; then by name.

    Absent: the user's order of types, then the lower cost. `budget`: the lower cost. `job_completion_time`: the sooner
    finish, then the lower cost; what is done about as soon as the first is as soon. Costs and times are those expected
    until the work is done, where past prices tell them of all that can win; else the price of now, and the share of the
    limit that it is, are compared.
    """
    candidates = list(candidates)
    foreseen = _foreseen(candidates)
    soonest = _soonest(task, candidates)

    def rank(candidate: Candidate) -> Any:
        price = candidate.auction.last_price
        cost: tuple[Any, ...] = (price is None, price or Decimal(0))
        time: tuple[Any, ...] = (price is None, (price or Decimal(0)) / candidate.limit_price)
        if foreseen and candidate.prospect is not None:
            hours = candidate.prospect.hours
            time = (soonest if _as_soon(hours, soonest) else hours, candidate.prospect.cost)
            cost = (candidate.prospect.cost,)
        wish = {
            "budget": (cost, candidate.rank),
            "job_completion_time": (time, candidate.rank),
            None: (candidate.rank, cost),
        }[task.optimize]
        late, loses = candidate.unfinished is not None, not candidate.can_win(task.instance_quantity)
        return (candidate.never is not None, late, loses, wish, candidate.auction.region, candidate.kind.id)

    return sorted(candidates, key=rank)


def best(task: Task, candidates: Iterable[Candidate]) -> Candidate:
    """The first of `ranked`."""
    return ranked(task, candidates)[0]


def better(task: Task, here: Candidate, candidates: Sequence[Candidate]) -> Candidate | None:
    """Where a bid that waits at `here` should be instead; None: it stays. It moves where its work is done within its
    lifetime, if it is not here. Else what is better by less than SWITCH_SHARE, or what past prices do not tell, moves
    nobody. A type that comes later in the user's order never does."""
    if not _foreseen(candidates):
        return None
    viable = [one for one in candidates if task.optimize is not None or one.rank <= here.rank]
    found = best(task, viable)
    if not found.can_win(task.instance_quantity):
        return None
    if here.unfinished is not None and found.unfinished is None:
        return found
    saves = saving(task, here, found)
    return found if saves is not None and saves > SWITCH_SHARE else None


def saving(task: Task, here: Candidate, other: Candidate) -> Decimal | None:
    """The share by which `other` costs less than `here`, or is done sooner if that is what counts; None: not known."""
    if here.prospect is None or other.prospect is None:
        return None
    by_time = task.optimize == "job_completion_time"
    was, will = (one.hours if by_time else one.cost for one in (here.prospect, other.prospect))
    return (was - will) / was if was else None


def why(task: Task, chosen: Candidate, candidates: Sequence[Candidate]) -> str:
    """One line: what was chosen, and by what."""
    price = chosen.auction.last_price
    shown = f"{usd(price)} now" if price is not None else "price unknown"
    foreseen = _foreseen(candidates)
    lowest, most_room = "the lowest price", "the most room under the limit"
    if foreseen and chosen.prospect is not None:
        lowest = f"the lowest expected cost until it is done, {usd(chosen.prospect.cost)},"
        first = chosen.prospect.hours <= _soonest(task, candidates)
        soon = "first" if first else "as soon as any, and at the lowest cost of those"
        most_room = f"expected to be done {soon}, in {chosen.prospect.hours:.1f} hours,"
    in_order = task.optimize is None and len(task.instance_types) > 1
    if in_order:
        candidates = [one for one in candidates if one.rank == chosen.rank]
    rule = most_room if task.optimize == "job_completion_time" else lowest
    said = _first_type(task, chosen, len(candidates)) if in_order else f"{rule} of {_places(candidates)}"
    in_time = sum(one.unfinished is None for one in candidates)
    if 0 < in_time < len(candidates):
        said = f"{said}, in {in_time} of which its work is done within its lifetime"
    wins = "" if chosen.can_win(task.instance_quantity) else "; none would run now"
    if chosen.never is not None:
        wins = "; the bid can win nowhere"
    late = f"; it cannot finish in any: {chosen.unfinished}" if chosen.unfinished is not None else ""
    return f"{chosen.kind.name} in {chosen.auction.region} ({shown}): {said}{wins}{late}"


def _places(candidates: Sequence[Candidate]) -> str:
    what = "regions" if len({c.kind.id for c in candidates}) == 1 else "places"
    return f"{len(candidates)} {what}"


def _first_type(task: Task, chosen: Candidate, places: int) -> str:
    """`places`: of that type."""
    runs = " that would run now" if chosen.can_win(task.instance_quantity) else ""
    where = f", in the cheapest of its {places} places" if places > 1 else ""
    return f"the first type in your order{runs}{where}"


def why_not(task: Task, chosen: Candidate, other: Candidate) -> WhyNot:
    """Why `other` was not chosen."""
    quantity = task.instance_quantity
    if other.never is not None:
        return _why_never(other.never)
    if chosen.unfinished is None and other.unfinished is not None:
        return WhyNot("cannot_finish", f"it cannot finish: {other.unfinished}")
    if chosen.can_win(quantity) and not other.can_win(quantity):
        if other.auction.last_price is None:
            return WhyNot("price_unknown", "its price is unknown")
        return WhyNot("would_wait", "it would not run now")
    if task.optimize is None and other.rank > chosen.rank:
        return WhyNot("later_in_order", "its type comes later in your order")
    if _foreseen([chosen, other]):
        return _worse(task, chosen, other)
    if task.optimize == "job_completion_time":
        return WhyNot("no_more_room", "no more room under the limit")
    return WhyNot("price_no_lower", "no lower price")


def _why_never(never: Never) -> WhyNot:
    sentences: dict[Never, str] = {
        "below_reserve": "the limit is below its reserve, so the bid can never win",
        "too_large": "it has fewer instances in all than are asked for at once, so the bid can never win",
    }
    return WhyNot(never, sentences[never])


def _worse(task: Task, chosen: Candidate, other: Candidate) -> WhyNot:
    """Why `other` was not chosen, both being foreseen."""
    saves, by_time = saving(task, other, chosen), task.optimize == "job_completion_time"
    if by_time and chosen.prospect is not None and other.prospect is not None:
        more = other.prospect.cost - chosen.prospect.cost
        if more > 0 and _as_soon(other.prospect.hours, chosen.prospect.hours):
            return WhyNot("costs_more", f"done about as soon, and {usd(more)} more expensive")
    if saves is None or saves <= 0:
        return WhyNot("no_better", "no better")
    share = percent(saves)
    if by_time:
        return WhyNot("done_later", f"later: the chosen one saves {share}")
    return WhyNot("costs_more", f"more expensive: the chosen one saves {share}")


def _soonest(task: Task, candidates: Iterable[Candidate]) -> Decimal:
    """In how many hours the work is done where that is expected first: where it would run now, if it would anywhere."""
    known = [one for one in candidates if one.prospect is not None]
    running = [one for one in known if one.can_win(task.instance_quantity) and one.unfinished is None]
    return min((one.prospect.hours for one in running or known if one.prospect is not None), default=Decimal(0))


def _as_soon(hours: Decimal, soonest: Decimal) -> bool:
    return hours - soonest <= max(soonest * SAME_SHARE, Decimal(SAME_TIME) / 60)


def _foreseen(candidates: Iterable[Candidate]) -> bool:
    """Whether past prices tell what each comes to, of those where the bid can win at all."""
    return all(one.prospect is not None for one in candidates if one.never is None)


def same_name_twice(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Different ids of one name with an auction in the same region: nobody can tell which is meant."""
    seen: dict[tuple[str, str], list[Candidate]] = {}
    for candidate in candidates:
        group = seen.setdefault((candidate.kind.name, candidate.auction.region), [])
        if all(candidate.kind.id != other.kind.id for other in group):
            group.append(candidate)
    return next((tuple(group) for group in seen.values() if len(group) > 1), ())

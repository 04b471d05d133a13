"""Which instance type and region a task gets, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from attrs import frozen

from flowplan.config import Task
from flowplan.model.catalogue import Auction, InstanceType, Place


@frozen
class Candidate:
    """One viable place for a task; `rank` is the type's place in the user's list."""

    kind: InstanceType
    auction: Auction
    rank: int
    limit_price: Decimal

    @property
    def place(self) -> Place:
        return (self.kind.id, self.auction.region)

    def can_win(self, quantity: int) -> bool:
        """Whether the bid would run now, as far as the list of auctions tells."""
        price, lowest = self.auction.last_price, self.auction.lowest_allocated
        if price is None or self.limit_price < price:
            return False
        return self.auction.capacity >= quantity or (lowest is not None and self.limit_price > lowest)


def best(task: Task, candidates: Iterable[Candidate]) -> Candidate:
    """The place for a task: one that would run now if there is any; then as `optimize` says; then by name.

    Absent: the user's order of types, then the lower price. `budget`: the lower price.
    `job_completion_time`: the smaller share of the limit, which is the room for prices to rise.
    """

    def rank(candidate: Candidate) -> Any:
        price = candidate.auction.last_price
        known = (price is None, price or Decimal(0))
        share = (price is None, (price or Decimal(0)) / candidate.limit_price)
        wish = {
            "budget": (known, candidate.rank),
            "job_completion_time": (share, candidate.rank),
            None: (candidate.rank, known),
        }[task.optimize]
        return (not candidate.can_win(task.instance_quantity), wish, candidate.auction.region, candidate.kind.id)

    return min(candidates, key=rank)


def why(task: Task, chosen: Candidate, candidates: Sequence[Candidate]) -> str:
    """One line: what was chosen, and by what."""
    price = chosen.auction.last_price
    shown = f"${price:.2f} now" if price is not None else "price unknown"
    rule = {
        "budget": "the lowest price",
        "job_completion_time": "the most room under the limit",
        None: "the first type in your order where it costs least"
        if len(task.instance_types) > 1
        else "the lowest price",
    }[task.optimize]
    what = "regions" if len({c.kind.id for c in candidates}) == 1 else "places"
    wins = "" if chosen.can_win(task.instance_quantity) else "; none would run now"
    return f"{chosen.kind.name} in {chosen.auction.region} ({shown}): {rule} of {len(candidates)} {what}{wins}"


def same_name_twice(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Different ids of one name with an auction in the same region: nobody can tell which is meant."""
    seen: dict[tuple[str, str], list[Candidate]] = {}
    for candidate in candidates:
        group = seen.setdefault((candidate.kind.name, candidate.auction.region), [])
        if all(candidate.kind.id != other.kind.id for other in group):
            group.append(candidate)
    return next((tuple(group) for group in seen.values() if len(group) > 1), ())

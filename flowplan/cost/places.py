"""Which bids of a plan run side by side, and what bids of yours have now that they give up, or that is over by then.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from flowplan.model.live import ALLOCATED
from flowplan.model.resources import Bid
from flowplan.planning.actions import Change, Create, Forget, Replace
from flowplan.planning.succession import Succession


class Phase(NamedTuple):
    """Bids that run side by side, by their places in the changes. `begin`: those that do not run before; `given_up`:
    what those of `group` hold now, and do not keep as it is; `ended`: what others held that are over by then."""

    group: list[int]
    begin: list[int]
    given_up: dict[int, Bid]
    ended: list[Bid]


def phases(changes: Sequence[Change], bids: Sequence[int], places: Sequence[int]) -> Iterator[Phase]:
    """What becomes of the `bids` of a plan, or of those for one stock, one phase after the other. `places`: those of
    its changes whose bids hold something there now (`place_of`): what is none of `bids` ends, or goes elsewhere.
    """
    held = {index: place for index in places if (place := place_of(changes[index])) is not None}
    wanted = set(bids)
    ended = [place for index, place in held.items() if index not in wanted]
    running: set[int] = set()
    for group, begin in Succession.of(changes).groups(bids, lambda index: changes[index].address):
        now = set(group)
        ended += [held[index] for index in running - now if index in held]
        given_up = {index: held[index] for index in group if index in held and not keeps(changes[index])}
        yield Phase(group, begin, given_up, ended)
        running = now


def place_of(change: Change) -> Bid | None:
    """The bid whose place in its auction comes free or is taken again by `change`, or by what waits for its end; None:
    it holds nothing, keeps it, or nobody knows what it is. What is made before the old one goes has its place as well,
    by the end of the apply."""
    before = change.before
    if change.status != ALLOCATED or not isinstance(before, Bid) or isinstance(change, Forget):
        return None
    return None if {"region", "limit_price", "instance_quantity"}.intersection(before.unreported) else before


def stays(change: Change, after: Bid) -> bool:
    """Whether `after` has what is allocated now, as far as that is enough. What a replaced bid holds comes free for its
    successor."""
    before = change.before
    return (
        change.status == ALLOCATED
        and isinstance(before, Bid)
        and (before.instance_type, before.region) == (after.instance_type, after.region)
        and after.instance_quantity <= before.instance_quantity
    )


def keeps(change: Change) -> bool:
    """Whether it has what is allocated now, and nothing about that changes."""
    before, after = change.before, change.after
    return (
        isinstance(before, Bid)
        and isinstance(after, Bid)
        and not after.paused
        and not isinstance(change, Replace)
        and before.limit_price == after.limit_price
    )


def is_older(change: Change) -> bool:
    """Whether its bid is there already, and so is older than those that are placed (docs/ASSUMPTIONS.md, A11)."""
    return isinstance(change.before, Bid) and not isinstance(change, (Create, Replace))

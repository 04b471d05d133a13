"""Bids that run and that a plan interrupts, or may: what winning them back may cost, and the risk of not getting it.
Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from typing import TypeAlias

from flowplan.cost.costs import Priced
from flowplan.diagnostics import Diagnostic
from flowplan.model.address import Address
from flowplan.model.live import ALLOCATED
from flowplan.model.resources import Bid
from flowplan.names import alike, ranges
from flowplan.planning.actions import RESTARTED, Change, CreateFirst, Replace, Update
from flowplan.pricing.entry import Estimate, entry_price
from flowplan.pricing.units import usd

_SHOWN = 6
_HINT = "until it wins again, nothing runs and you pay nothing; a higher limit makes winning more likely"
_REPLACED = "; `lifecycle: {create_before_destroy: true}` places the successor first"
_KEEP = (
    "at that limit others who bid as much may get its instances, and it waits until it wins again; a limit above the "
    "price avoids that for now"
)


def interruptions(changes: Iterable[Priced]) -> Iterator[Diagnostic]:
    """One warning for all bids that run and are stopped by this plan, to run on; and one for all that it may stop."""
    planned = list(changes)
    hit = [(one, _figures(one)) for one in planned if is_interrupted(one)]
    if hit:
        replaced = {one.change.address for one in planned if isinstance(one.change, Replace)}
        hint = _HINT + (_REPLACED if any(_could_be_first(one.change, replaced) for one, _ in hit) else "")
        yield _said("interrupts what runs", hit, hint)
    lowered = [(one, limits) for one in planned if (limits := _lowered(one)) is not None]
    if lowered:
        yield _said("may interrupt what runs", lowered, _KEEP)


_Said: TypeAlias = tuple[str, str]  # what happens to a bid, "" where that is said already; and its figures


def _said(what: str, hit: Sequence[tuple[Priced, _Said]], hint: str) -> Diagnostic:
    first, groups = hit[0][0].change, list(alike(hit, lambda one: one[1]))
    left = sum(map(len, groups[_SHOWN:]))
    more = f"; and {left} more" if left else ""
    summary = f"{what}: {'; '.join(map(_together, groups[:_SHOWN]))}{more}"
    return Diagnostic(
        "interrupts", summary, hint, severity="warning", position=first.position, about=str(first.address)
    )


def _together(hit: Sequence[tuple[Priced, _Said]]) -> str:
    """What is said of one bid, or once of several."""
    names, (how, figures) = [str(one.change.address) for one, _ in hit], hit[0][1]
    if len(hit) > 1:
        beside = f", {how}" if how else ""
        return f"{', '.join(ranges(names, '...'))} ({len(hit):,} alike{beside}): each {figures}"
    return f"{names[0]}{f' ({how})' if how else ''} {figures}"


def _lowered(one: Priced) -> _Said | None:
    """What is said of a bid that runs, where its new limit is not above the price of now, and nobody can tell whether
    it keeps its place; None: of any other. Of one that is known to lose it, its limit says so (`cannot_win_now`)."""
    change, found = one.change, one.cost
    if not isinstance(change, Update) or change.status != ALLOCATED or is_interrupted(one) or found is None:
        return None
    spot, limit = found.market.spot if found.market is not None else None, found.limit_price
    if found.outlook != "unknown" or spot is None or limit > spot:
        return None
    before = one.cost_before.limit_price if one.cost_before is not None else None
    if before is None or before <= limit:
        return None
    return "", f"gets the limit {usd(limit)}, and the price is {usd(spot)} now"


def is_interrupted(one: Priced) -> bool:
    """Whether its instances run now, stop, and are to run again."""
    change = one.change
    restarts = isinstance(change, Update) and change.reason == RESTARTED
    stops = restarts or (isinstance(change, Replace) and not isinstance(change, CreateFirst))
    return stops and change.status == ALLOCATED and isinstance(change.after, Bid) and not change.after.paused


def _could_be_first(change: Change, replaced: Container[Address]) -> bool:
    """Whether its successor could be made first: not if it uses what is replaced too, which waits for its end."""
    return isinstance(change, Replace) and not any(need in replaced for need in change.needs)


def _figures(one: Priced) -> _Said:
    how = "replaced" if isinstance(one.change, Replace) else "restarted"
    return how, f"pays {_paid(one.cost_before)} an hour now, and {_again(one)}"


def _paid(found: Estimate | None) -> str:
    if found is None or found.now is None:
        return "an unknown amount"
    return f"{'at most ' if found.is_most else ''}{usd(found.now)}"


def _again(one: Priced) -> str:
    """What it would pay if somebody else had its place by then: it holds nothing in the gap."""
    found = one.cost
    if found is None:
        return "what it takes to win it back is unknown"
    limit, count = found.limit_price, found.quantity
    entry = entry_price(found.market, limit, holding=False)
    if entry.basis == "unknown" or entry.low is None:
        return "what it takes to win it back is unknown"
    if entry.basis in ("below_reserve", "too_large"):
        return f"its limit {usd(limit)} does not win it back"
    if entry.basis == "losing":
        return (
            f"its limit {usd(limit)} does not win it back if its place is taken meanwhile: that takes a limit of "
            f"{usd(entry.low)}"
        )
    high = entry.point if entry.high is None else entry.high
    if entry.basis == "room":
        again = usd(None if entry.point is None else entry.point * count)
        return f"{'at most ' if entry.is_most else ''}{again} once it has won its place back, if there is still room"
    return f"up to {usd(None if high is None else high * count)} if its place is taken meanwhile"

"""Bids that run and that a plan interrupts: what winning them back may cost, and the risk of not getting it. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator

from flowplan.cost.costs import Priced
from flowplan.diagnostics import Diagnostic
from flowplan.model.address import Address
from flowplan.model.live import ALLOCATED
from flowplan.model.resources import Bid
from flowplan.planning.actions import RESTARTED, Change, CreateFirst, Replace, Update
from flowplan.pricing.entry import Estimate, entry_price
from flowplan.pricing.units import usd

_SHOWN = 6
_HINT = "until it wins again, nothing runs and you pay nothing; a higher limit makes winning more likely"
_REPLACED = "; `lifecycle: {create_before_destroy: true}` places the successor first"


def interruptions(changes: Iterable[Priced]) -> Iterator[Diagnostic]:
    """One warning for all bids that run and are stopped by this plan, to run on."""
    planned = list(changes)
    hit = [one for one in planned if is_interrupted(one)]
    if not hit:
        return
    first = hit[0].change
    more = f"; and {len(hit) - _SHOWN} more" if len(hit) > _SHOWN else ""
    summary = f"interrupts what runs: {'; '.join(map(_figures, hit[:_SHOWN]))}{more}"
    replaced = {one.change.address for one in planned if isinstance(one.change, Replace)}
    hint = _HINT + (_REPLACED if any(_could_be_first(one.change, replaced) for one in hit) else "")
    yield Diagnostic("interrupts", summary, hint, severity="warning", position=first.position, about=str(first.address))


def is_interrupted(one: Priced) -> bool:
    """Whether its instances run now, stop, and are to run again."""
    change = one.change
    restarts = isinstance(change, Update) and change.reason == RESTARTED
    stops = restarts or (isinstance(change, Replace) and not isinstance(change, CreateFirst))
    return stops and change.status == ALLOCATED and isinstance(change.after, Bid) and not change.after.paused


def _could_be_first(change: Change, replaced: Container[Address]) -> bool:
    """Whether its successor could be made first: not if it uses what is replaced too, which waits for its end."""
    return isinstance(change, Replace) and not any(need in replaced for need in change.needs)


def _figures(one: Priced) -> str:
    how = "replaced" if isinstance(one.change, Replace) else "restarted"
    return f"{one.change.address} ({how}) pays {_paid(one.cost_before)} an hour now, and {_again(one)}"


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

"""How far the watch raises the limit of a bid, and when it lowers it again. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal

from flowplan.model.live import ALLOCATED, PREEMPTING, LiveBid
from flowplan.model.resources import Bid
from flowplan.planning.actions import Update
from flowplan.planning.watch_looks import AtChange
from flowplan.pricing.entry import entry_price, to_win
from flowplan.pricing.units import CENT, usd

SPARE = Decimal("0.1")  # by how much a raised limit is above what wins, and a lowered one above the price
CALM = timedelta(hours=1)  # for which the price has been low enough for the written limit before it is lowered


def winning(at: AtChange, bid: Bid) -> Decimal | None:
    """The limit price that a bid is placed again with, where the one that is written does not win; None: that."""
    least = to_win(at.market(bid), bid.limit_price)
    if least is None or why_not_raised(at, bid, least) is not None:
        return None
    return with_spare(at, bid, least)


def with_spare(at: AtChange, bid: Bid, least: Decimal) -> Decimal:
    """What wins, `least`, and something to spare, as far as the files allow. Judging begins there, and holds it to
    policies and budgets once more."""
    most, allowed = at.seen.policy.raise_limit_up_to or Decimal(0), at.seen.highest_limit(bid)
    wanted = min((least * (1 + SPARE)).quantize(CENT, ROUND_CEILING), most)
    return wanted if allowed is None else min(wanted, allowed)


def why_not_raised(at: AtChange, bid: Bid, least: Decimal) -> str | None:
    """Why the limit of a bid is not raised to what wins, `least`; None: it is."""
    most = at.seen.policy.raise_limit_up_to
    if most is None:
        return "raise_limit_up_to is not set"
    if least > most:
        return f"that is above raise_limit_up_to, {usd(most)} per instance-hour"
    if (allowed := at.seen.highest_limit(bid)) is not None and least > allowed:
        return f"that is above what a policy allows, {usd(allowed)}"
    if at.change.lifecycle.ignores("limit_price"):
        return "its lifecycle ignores limit_price"
    return pushes_out(at, bid, least)


def pushes_out(at: AtChange, bid: Bid, least: Decimal) -> str | None:
    """That another bid of this project may lose its instances to `bid`, which wins from `least` on; None: none
    does."""
    pushed = next((one.id for one in _own_beside(at, bid) if _is_below(one.bid, least, bid)), None)
    return f"it would push out {pushed}, another bid of this project" if pushed is not None else None


def _own_beside(at: AtChange, bid: Bid) -> Iterator[LiveBid]:
    """The other bids of this project that may hold some of the GPUs that it is for, by id: who placed them does not
    matter, one project pays."""
    mine = at.known.id if at.known is not None else None
    for _, one in sorted(at.seen.live.bids.items()):
        holds = one.id != mine and not one.ended and one.status in (ALLOCATED, PREEMPTING)
        if holds and at.seen.may_compete(bid, one.bid):
            yield one


def written_suffices(at: AtChange, bid: Bid) -> Decimal | None:
    """The limit price in the files, of a bid whose limit the watch has raised: it has been enough for an hour, with
    something to spare. None: it has not, or that is not known."""
    written, market = at.seen.desired.raised.get(at.change.address), at.market(bid)
    highest = at.seen.highest.get((bid.instance_type, bid.region))
    if written is None or market is None or market.spot is None or highest is None:
        return None
    if at.change.lifecycle.ignores("limit_price"):
        return None
    low = max(market.spot, highest, market.minimum or Decimal(0)) * (1 + SPARE) <= written
    holding = at.live is not None and at.live.status == ALLOCATED
    wins = holding or entry_price(market, written / (1 + SPARE), holding=False).point is not None
    return written if low and wins else None


def is_raise_taken_back(at: AtChange, change: Update) -> bool:
    """Whether it only differs because a limit that the watch has raised is above what the files allow by now."""
    known = at.known
    return (
        known is not None
        and known.raised_from is not None
        and at.seen.policy.raise_limit_up_to is not None
        and isinstance(change.after, Bid)
        and {one.name for one in change.fields} == {"limit_price"}
        and change.after.limit_price == known.raised_from
    )


def _is_below(bid: Bid, limit: Decimal, of: Bid) -> bool:
    """Whether the limit of `bid` is below `limit` for an instance as `of` has them: limits compete per GPU."""
    return bid.limit_price * (of.gpus or 1) < limit * (bid.gpus or 1)

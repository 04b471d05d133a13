"""From which size on a figure of a forecast is worth a word. Documents have every figure; reports ask here."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

_ALWAYS = Decimal("0.99")  # of the time
_SELDOM = Decimal("0.1")  # times a day
_HARDLY = Decimal("0.05")  # times a day
_RAISED = Decimal("0.005")  # of the price
_BESIDE = Decimal("0.01")  # of the largest
_RISEN = Decimal("0.05")  # of what was shown
_CENTS, _SHARE = Decimal("0.05"), Decimal("0.05")  # by so much, or such a share of the most, alike amounts may differ


def runs_always(share: Decimal) -> bool:
    """Whether a bid that runs this share of the time is as good as always running."""
    return share >= _ALWAYS


def is_seldom(times: Decimal) -> bool:
    """Whether so many preemptions a day are too few to mention of a bid that runs."""
    return times < _SELDOM


def is_hardly_ever(times: Decimal) -> bool:
    """Whether so many preemptions a day are as good as none, to somebody who asks for their number."""
    return times < _HARDLY


def lies_apart(expected: Decimal, low: Decimal, high: Decimal) -> bool:
    """Whether what is expected, the mean of all cases, lies outside of the band of 8 in 10 cases, because a few are far
    off: beside the band it would read as a contradiction."""
    return not low <= expected <= high


def raises_the_price(impact: Decimal) -> bool:
    """Whether bids that raise a price by this share of it change what is paid."""
    return impact >= _RAISED


def hardly_moves(by: Decimal, most: Decimal) -> bool:
    """Whether what changes a total by so much is no news beside what changes it by `most`."""
    return abs(by) < abs(most) * _BESIDE


def hardly_differ(amounts: Sequence[Decimal]) -> bool:
    """Whether amounts of dollars are the same, or differ by as little as the seconds between the placing of many bids
    cost."""
    return not amounts or max(amounts) - min(amounts) <= max(_CENTS, max(amounts) * _SHARE)


def has_risen(shown: Decimal, now: Decimal) -> bool:
    """Whether somebody who was shown the one cost should hear of the other before it is paid."""
    return now - shown > shown * _RISEN

"""What a simulated future of a plan says -> its part of the plan document. Money as text, null where unknown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, overload

from flowplan.cost.what_if import AuctionFit, BidOutcome, WhatIf, WorkDone
from flowplan.documents.amounts import band, money

if TYPE_CHECKING:
    from flowplan.documents.shapes import what_if as shape

_ROWS = 8  # of the histogram
_USUAL = 0.95  # the share of futures that its even steps are laid over; what is above is one row


def block(found: WhatIf) -> shape.WhatIf:
    """`what_if` of a plan document: per bid, per auction, and together."""
    return {
        "hours": found.hours,
        "futures": found.futures,
        "bids": [_bid(one) for one in found.bids],
        "auctions": [_auction(one) for one in found.auctions],
        "storage": money(found.storage),
        "cost": {**band(found.cost), "worst": money(found.worst)},
        "histogram": list(_histogram(found.costs)),
    }


def _bid(one: BidOutcome) -> shape.BidIf:
    times = one.preemptions_per_day
    return {
        "address": str(one.address),
        "cost": band(one.cost),
        "runs": _number(one.runs),
        "availability": {
            "p10": _number(one.availability.p10),
            "mean": _number(one.availability.expected),
            "p90": _number(one.availability.p90),
        },
        "preempted": _number(one.preempted),
        "preemptions_per_day": {
            "p50": _number(times.p50, 2),
            "p90": _number(times.p90, 2),
            "expected": _number(times.expected, 2),
        },
        "impact": _number(one.impact),
        "finish": _finish(one.finish),
        "reason": one.reason,
    }


def _finish(found: WorkDone | None) -> shape.Work | None:
    if found is None:
        return None
    return {
        "work_hours": found.work_hours,
        "chance": _number(found.chance),
        "p50": _number(found.p50, 2),
        "p90": _number(found.p90, 2),
    }


def _auction(one: AuctionFit) -> shape.AuctionIf:
    return {
        "instance_type": one.name,
        "region": one.region,
        "gpus": one.gpus,
        "room": one.room,
        "elasticity": _number(one.elasticity, 2),
        "elasticity_from": one.depth_from,
        "basis": one.basis,
        "reason": one.reason,
    }


@overload
def _number(value: Decimal, places: int = ...) -> str: ...
@overload
def _number(value: Decimal | None, places: int = ...) -> str | None: ...
def _number(value: Decimal | None, places: int = 3) -> str | None:
    return None if value is None else f"{value.quantize(Decimal(1).scaleb(-places)).normalize():f}"


def _histogram(costs: Sequence[float]) -> Iterator[shape.Step]:
    """(from, below, futures) in even steps of round dollars; `below` is null in a last row for everything above.
    Nothing where all futures cost the same."""
    if not costs or costs[-1] - costs[0] < 0.01:
        return
    usual = costs[min(len(costs) - 1, int(len(costs) * _USUAL))]
    step = _round_step((usual - costs[0]) / (_ROWS - 1) or (costs[-1] - costs[0]) / (_ROWS - 1))
    first = math.floor(costs[0] / step)
    counts = [0] * _ROWS
    for cost in costs:
        counts[min(int(cost / step + 1e-9) - first, _ROWS - 1)] += 1
    filled = max(index for index, count in enumerate(counts) if count) + 1
    for index, count in enumerate(counts[:filled]):
        below = None if index == _ROWS - 1 and costs[-1] >= (first + _ROWS) * step else (first + index + 1) * step
        yield {
            "from": money(Decimal(str((first + index) * step))),
            "below": None if below is None else money(Decimal(str(below))),
            "futures": count,
        }


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 5, 10, ... (cents, dollars, ...) that is not below `least`."""
    unit = 10.0 ** math.floor(math.log10(max(least, 0.01)))
    return next((unit * times for times in (1, 2, 5) if unit * times >= least * (1 - 1e-9)), unit * 10)

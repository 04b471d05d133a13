"""What a simulated future says."""

from typing import TypedDict

from flowplan.documents.shapes.common import Amount, Band, Share


class Times(TypedDict):
    p50: Amount | None
    p90: Amount | None
    expected: Amount | None


class Work(TypedDict):
    work_hours: float
    chance: Amount
    p50: Amount | None
    p90: Amount | None


class BidIf(TypedDict):
    address: str
    cost: Band
    runs: Amount | None
    availability: Share
    preempted: Amount | None
    preemptions_per_day: Times
    impact: Amount | None
    finish: Work | None
    reason: str | None


class AuctionIf(TypedDict):
    instance_type: str
    region: str
    gpus: int | None
    room: int | None
    elasticity: Amount | None
    elasticity_from: str | None
    basis: str
    reason: str | None


class CostIf(Band):
    worst: Amount | None


Step = TypedDict("Step", {"from": Amount, "below": Amount | None, "futures": int})


class WhatIf(TypedDict):
    hours: float
    futures: int
    bids: list[BidIf]
    auctions: list[AuctionIf]
    storage: Amount
    cost: CostIf
    histogram: list[Step]

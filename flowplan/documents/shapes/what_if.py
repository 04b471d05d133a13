"""What a simulated future says."""

from typing import TypedDict

from flowplan.documents.shapes.common import Amount, Band, Share


class Times(TypedDict):
    """How often something happens; half of the futures are below `p50`."""

    p50: Amount | None
    p90: Amount | None
    expected: Amount | None


class Work(TypedDict):
    """In which share of the futures the work of a task gets done (`chance`), and after how many hours."""

    work_hours: float
    chance: Amount
    p50: Amount | None
    p90: Amount | None


class BidIf(TypedDict):
    """What becomes of a bid in the simulated futures: dollars, the shares of futures in which it runs at all and is
    preempted, and by what share of the price the plan's own bids raise what it pays (`impact`). `reason`: why nothing
    can be said."""

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
    """What an auction was simulated by: its GPUs, how many are free while the price rests on the reserve (`room`), and
    the middle of the elasticity drawn. `reason`: why it could not be."""

    instance_type: str
    region: str
    gpus: int | None
    room: int | None
    elasticity: Amount | None
    elasticity_from: str | None
    basis: str
    reason: str | None


class CostIf(Band):
    """Dollars over the simulated hours, all bids together; `worst`: at every limit price."""

    worst: Amount | None


Step = TypedDict("Step", {"from": Amount, "below": Amount | None, "futures": int})


class WhatIf(TypedDict):
    """The plan in simulated auctions, `futures` times over `hours`. Money is in dollars."""

    hours: float
    futures: int
    bids: list[BidIf]
    auctions: list[AuctionIf]
    storage: Amount | None
    cost: CostIf
    histogram: list[Step]

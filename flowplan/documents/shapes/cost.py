"""What bids, volumes and stacks cost."""

from typing import Literal, NotRequired, TypedDict

from flowplan.documents.shapes.common import Amount, Band, Place, Share
from flowplan.model.budget import BudgetBasis
from flowplan.pricing.entry import Outlook


class Over(Band):
    hours: float
    worst: Amount | None
    basis: str


class Hour(Band):
    now: Amount | None
    if_won: Amount | None
    worst: Amount


class BidCosts(TypedDict):
    hour: Hour
    day: Over | None
    horizon: Over | None
    month: Over | None


class Quantiles(TypedDict):
    p10: Amount | None
    p50: Amount | None
    p90: Amount | None


class EntryPrice(TypedDict):
    point: Amount | None
    low: Amount | None
    high: Amount | None
    basis: str


class PerGpu(TypedDict):
    limit: Amount
    entry_price: Amount | None


class Finish(TypedDict):
    unit: Literal["hours"]
    work: float
    p50: Amount
    p90: Amount | None
    cost: Band
    seen: Amount | None


class Advice(TypedDict):
    limit_for_95: Amount | None
    confidence: Amount | None
    cost_at_that_limit: Amount | None
    expected_more: Amount | None


class BidCost(TypedDict):
    unit: Literal["USD/instance-hour"]
    quantity: int
    gpus_per_instance: int | None
    limit: Amount
    reserve: Amount | None
    last_price: Amount | None
    list_price: Amount | None
    entry_price: EntryPrice
    per_gpu: PerGpu | None
    outlook: Outlook
    price_paid: Quantiles
    availability: Share
    preemptions_per_day: Amount | None
    cost: BidCosts
    savings_vs_limit: Amount | None
    savings_vs_list: Amount | None
    finish_time: Finish | None
    advice: Advice | None
    warnings: list[str]
    confidence: str
    basis: str
    evidence: NotRequired[str | None]
    as_of: str | None
    market_snapshot_id: str | None
    hourlyCost: Amount | None
    monthlyCost: Amount | None


class NowAndWorst(TypedDict):
    now: Amount
    worst: Amount


class VolumeCosts(TypedDict):
    hour: NowAndWorst
    month: NowAndWorst


class VolumeCost(TypedDict):
    unit: Literal["USD/GB-month"]
    quantity: int
    price: Amount
    cost: VolumeCosts
    warnings: list[str]
    basis: str
    hourlyCost: Amount
    monthlyCost: Amount


class Total(TypedDict):
    now: Amount | None
    p50: Amount | None
    p90: Amount | None
    worst: Amount


class Part(Band):
    worst: Amount | None
    basis: str


class SavingPart(Part):
    savings_vs_limit: Amount | None


class Parts(TypedDict):
    current: SavingPart
    planned: SavingPart
    delta: Part


class Mover(TypedDict):
    address: str
    expected: Amount


class Horizon(Parts):
    hours: float
    movers: list[Mover]


class Guard(TypedDict):
    guard: Literal["max_hourly_cost", "max_cost_increase"]
    limit: str
    basis: BudgetBasis
    before: Amount | None
    after: Amount | None
    allowed: Amount | None
    refused: bool
    source: Place | None


class Totals(TypedDict):
    unit: Literal["USD/hour"]
    current: Total
    planned: Total
    delta: Total
    totalHourlyCost: Amount | None
    pastTotalHourlyCost: Amount | None
    diffTotalHourlyCost: Amount | None
    totalMonthlyCost: Amount | None
    pastTotalMonthlyCost: Amount | None
    diffTotalMonthlyCost: Amount | None
    horizon: Horizon | None
    month: Parts | None
    guards: list[Guard]

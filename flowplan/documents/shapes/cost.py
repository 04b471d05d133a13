"""What bids, volumes and stacks cost."""

from typing import Literal, NotRequired, TypedDict

from flowplan.documents.shapes.common import Amount, Band, Place, Share
from flowplan.model.bases import BudgetBasis
from flowplan.pricing.entry import Outlook


class Over(Band):
    """Dollars for all instances of a bid over `hours`; `worst`: at the limit price all the time. `basis`: what tells
    (`history`, `point-only`, ...)."""

    hours: float
    worst: Amount | None
    basis: str


class Hour(Band):
    """Dollars an hour for all instances of a bid. `now`: what is charged now, 0 while it waits; `if_won`: what it would
    be charged if it ran; `worst`: at the limit price."""

    now: Amount | None
    if_won: Amount | None
    worst: Amount | None


class BidCosts(TypedDict):
    """What a bid costs an hour, a day, over the horizon of the plan and a month; null: it is not forecast."""

    hour: Hour
    day: Over | None
    horizon: Over | None
    month: Over | None


class Quantiles(TypedDict):
    """Dollars per instance-hour that a bid pays while it runs; null: past prices do not tell."""

    p10: Amount | None
    p50: Amount | None
    p90: Amount | None


class EntryPrice(TypedDict):
    """Dollars per instance-hour that a bid pays when it enters its auction: exactly `point`, or between `low` and
    `high`. `basis` says by which rule."""

    point: Amount | None
    low: Amount | None
    high: Amount | None
    basis: str


class PerGpu(TypedDict):
    """Dollars per GPU-hour: the limit price and what the bid pays first."""

    limit: Amount
    entry_price: Amount | None


class Finish(TypedDict):
    """When the work of a task is done: hours from now. `work`: hours of running that it needs. `cost`: dollars until
    then, all instances together. `seen`: the share of past paths in which it was done."""

    unit: Literal["hours"]
    work: float
    p50: Amount
    p90: Amount | None
    cost: Band
    seen: Amount | None


class Advice(TypedDict):
    """The limit price, in dollars per instance-hour, with which the bid runs 95% of the time with the stated
    `confidence`; `cost_at_that_limit`: dollars expected over the horizon, all instances together; `expected_more`: how
    much more than at its own limit."""

    limit_for_95: Amount | None
    confidence: Amount | None
    cost_at_that_limit: Amount | None
    expected_more: Amount | None


class BidCost(TypedDict):
    """What a bid costs. Prices are in dollars per instance-hour, costs in dollars for its `quantity` of instances; null
    where the API does not report its `quantity` or `limit`, as is what is made of them;
    `list_price`: what a reservation costs. Savings are shares, from 0 to 1. `hourlyCost` and `monthlyCost` are the
    medians."""

    unit: Literal["USD/instance-hour"]
    quantity: int | None
    gpus_per_instance: int | None
    limit: Amount | None
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
    """Dollars now and at most; of a volume both are the same. Null: the API does not report its size."""

    now: Amount | None
    worst: Amount | None


class VolumeCosts(TypedDict):
    """What a volume costs an hour and a month, in dollars."""

    hour: NowAndWorst
    month: NowAndWorst


class VolumeCost(TypedDict):
    """What a volume costs. `quantity`: GB that are paid for; `price`: dollars per GB-month."""

    unit: Literal["USD/GB-month"]
    quantity: int | None
    price: Amount
    cost: VolumeCosts
    warnings: list[str]
    basis: str
    hourlyCost: Amount | None
    monthlyCost: Amount | None


class Total(TypedDict):
    """Dollars an hour, all resources together: at the prices of now, in half and in 9 of 10 cases, and at every limit
    price. Null: a price is unknown; `worst`: the API does not report a limit price, a quantity or a size."""

    now: Amount | None
    p50: Amount | None
    p90: Amount | None
    worst: Amount | None


class Part(Band):
    """Dollars over a span, all resources together; `worst`: at every limit price. `basis`: what tells."""

    worst: Amount | None
    basis: str


class SavingPart(Part):
    """With the share, from 0 to 1, by which the bids are expected to pay less than their limits while they run."""

    savings_vs_limit: Amount | None


class Parts(TypedDict):
    """Dollars over a span: as it is, as planned, and the difference."""

    current: SavingPart
    planned: SavingPart
    delta: Part


class Mover(TypedDict):
    """A resource that the difference over the horizon comes from: by how many dollars."""

    address: str
    expected: Amount


class Horizon(Parts):
    """Over the `hours` for which the plan is forecast; `movers`: where the difference comes from, the most first."""

    hours: float
    movers: list[Mover]


class Guard(TypedDict):
    """A budget, and what became of it: dollars an hour before and after the plan, and what is allowed. `basis`: which
    case is judged."""

    guard: Literal["max_hourly_cost", "max_cost_increase"]
    limit: str
    basis: BudgetBasis
    before: Amount | None
    after: Amount | None
    allowed: Amount | None
    refused: bool
    source: Place | None


class Totals(TypedDict):
    """What the whole costs, in dollars an hour; with the names of infracost's JSON for programs that read it. `guards`:
    the budgets that it was held to."""

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

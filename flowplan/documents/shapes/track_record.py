"""The stack as it is, and how earlier forecasts held."""

from typing import Literal, NotRequired, TypeAlias, TypedDict

from flowplan.documents.shapes.common import Amount, Band, Stack
from flowplan.documents.shapes.cost import BidCost, SavingPart, VolumeCost
from flowplan.documents.shapes.paid import PaidInAll


class _Resource(TypedDict):
    address: str
    id: str
    status: str | None
    instance_quantity: int | None
    instance_type_name: str | None
    region: str | None
    paid: Amount | None


class Left(TypedDict):
    """What is left of the lifetime of a bid: hours of running, dollars, and hours from now; null: no such end."""

    running_hours: float | None
    cost: Amount | None
    hours: float | None


class BidResource(_Resource):
    """A bid, and what it costs. `raised_from`: from which limit price, in dollars per instance-hour, the watch has
    raised its own; absent: it has not."""

    type: Literal["bid"]
    raised_from: NotRequired[Amount]
    left: NotRequired[Left]  # absent: it runs until somebody cancels it
    cost: BidCost | None


class VolumeResource(_Resource):
    """A volume, and what it costs."""

    type: Literal["volume"]
    cost: VolumeCost | None


Resource: TypeAlias = BidResource | VolumeResource


class HourNow(TypedDict):
    """Dollars an hour: now, and at every limit price. Null: a price is unknown."""

    now: Amount | None
    worst: Amount | None


class Estimate(TypedDict):
    """What the stack costs: `paid` so far, now, and over the next `hours`, in dollars. `paid` null: no bill can be
    read."""

    hours: float
    paid: Amount | None
    resources: list[Resource]
    hour: HourNow
    horizon: SavingPart | None


class ForecastCost(Band):
    """Dollars that were forecast; `worst`: at every limit price."""

    worst: Amount | None


class Judged(TypedDict):
    """A forecast that was made, and what came of it."""

    address: str | None
    bids: list[str]
    made_at: str | None
    starts_at: str | None
    hours: float
    quantity: int | None
    limit: Amount | None
    last_price: Amount | None
    basis: str
    cost: ForecastCost
    market_snapshot_id: str | None
    flowplan_version: str
    course: str
    reason: str | None
    until: str | None
    hours_compared: Amount
    expected_until_then: Amount | None
    paid: Amount | None
    starting: Amount | None
    place: str | None
    counts: bool


class Coverage(TypedDict):
    """How many of the forecasts held."""

    elapsed: int
    held: int
    below: int
    above: int
    share: Amount | None
    apart: int
    apart_held: int
    chance: str | None
    expected: Amount | None
    paid: Amount | None
    paid_over_expected: Amount | None
    excluded: dict[str, int]
    finding: str


class Coverages(TypedDict):
    """The share of forecasts whose band held what was paid, beside the `nominal` one; null: there are none to judge."""

    nominal: Amount
    forecasts: Coverage | None
    totals: Coverage | None


class TrackRecord(TypedDict):
    """What the stack costs and has cost, and how well earlier forecasts held."""

    format_version: str
    flowplan_version: str
    as_of: str | None
    stack: Stack
    estimate: Estimate | None
    paid: PaidInAll
    forecasts: list[Judged] | None
    totals: list[Judged] | None
    coverage: Coverages

"""Where tasks could go: what each place costs, and why it was not chosen."""

from typing import Literal, TypedDict

from flowplan.documents.shapes.common import Amount, Place
from flowplan.planning.candidates import Reason


class Candidate(TypedDict):
    """A place where a bid could go. `expected_cost` of all its instances until its work is done or cut off by
    `max_hours`, `expected_hours` from now until then, `expected_availability`: the share of the time that it runs.
    Null: past prices do not tell. `why_not` for people and `reason` for programs, null: it was chosen."""

    instance_type: str
    instance_type_name: str
    region: str
    limit_price: Amount
    price_now: Amount | None
    can_win: bool
    expected_cost: Amount | None
    expected_hours: float | None
    expected_availability: Amount | None
    why_not: str | None
    reason: Reason | None


class TaskOffers(TypedDict):
    """The places of one task, the best first. `hours`: the work that costs are counted over; `choice`: why the first is
    the best, null where there is only one."""

    address: str
    source: Place | None
    instance_quantity: int
    optimize: str | None
    hours: float
    choice: str | None
    candidates: list[Candidate]


class OffersDocument(TypedDict):
    """Where each task could go, and what it would come to there."""

    format_version: str
    flowplan_version: str
    timestamp: str
    api_url: str
    as_of: str | None
    unit: Literal["USD/instance-hour"]
    tasks: list[TaskOffers]

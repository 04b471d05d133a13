"""The auctions as anybody sees them."""

from typing import Literal, TypedDict

from flowplan.documents.shapes.common import Amount, Band
from flowplan.documents.shapes.cost import Advice, BidCost, EntryPrice


class AdviceAhead(Advice, total=False):
    """Advice, with what can be expected at that limit."""

    cost_over_horizon: Band | None
    preemptions_per_day: Amount | None


class History(TypedDict):
    """The price changes of an auction, the oldest first, in dollars per instance-hour."""

    timestamps: list[str]
    spot_prices: list[Amount]


class Auction(TypedDict):
    """An auction, and what a bid in it would meet. Prices are in dollars per instance-hour unless the name says per
    GPU. `win_price`: from which limit price on a bid wins now; `at_limit`: what a bid with the given limit costs."""

    id: str
    instance_type: str
    instance_type_name: str
    gpu_type: str | None
    gpus_per_instance: int | None
    region: str
    reserve: Amount | None
    last_price: Amount | None
    last_price_per_gpu: Amount | None
    lowest_allocated: Amount | None
    win_price: Amount | None
    available_instances: int | None
    total_instances: int | None
    entry_price: EntryPrice
    price_paid: Band
    confidence: str
    basis: str
    evidence: str | None
    at_limit: BidCost | None
    advice: AdviceAhead | None
    as_of: str | None
    market_snapshot_id: str
    history: History | None


class Note(TypedDict):
    """What could not be fetched, or is odd."""

    severity: Literal["warning"]
    summary: str


class MarketDocument(TypedDict):
    """The auctions that were asked for, as of `as_of` by the server's clock. `limit`: the limit price that was given,
    in dollars per instance-hour."""

    format_version: str
    flowplan_version: str
    timestamp: str
    api_url: str
    as_of: str
    unit: Literal["USD/instance-hour"]
    horizon_hours: float
    limit: Amount | None
    auctions: list[Auction]
    diagnostics: list[Note]

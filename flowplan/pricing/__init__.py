"""The auction rule, what a bid pays by it now, and what it will pay. Pure: prices are given, nothing is fetched.

units.py        dollars and hours: constants, rounding, how people read them
auction.py      the rule: a book -> winners and their price
billing.py      what a bid was billed, and what was done to it
entry.py        the prices of this moment -> what a bid costs per hour
competition.py  the same of several of your own bids in one auction
slices.py       past prices, cut into parts of the time
history.py      the past prices of an auction, prepared once, and what a bid would have met on each past path
forecasting.py  a prepared past, a limit, a horizon -> cost, availability, preemptions, finish, each as a band
sums.py         forecasts -> what a stack costs, before and after
advice.py       the smallest limit that keeps a bid running
offers.py       what the auctions offer: price now, what one instance would pay, what is ahead
track_record.py forecasts that were made, and what was paid -> how well they held
candidates.py   the places a task could go -> a table, the best first
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowplan.pricing.auction import Clearing, Order, clear
from flowplan.pricing.billing import Billed, Steered, Steering, by_bid, paid
from flowplan.pricing.competition import stairs, together
from flowplan.pricing.entry import (
    EntryPrice,
    Estimate,
    Key,
    Market,
    Outlook,
    Total,
    Totals,
    at_any_limit,
    entry_price,
    estimate,
    first_price,
)
from flowplan.pricing.units import (
    CENT,
    DAY,
    HOUR,
    HOURS_PER_MONTH,
    MONTH,
    STORAGE_PER_GB_MONTH,
    cents,
    storage_per_hour,
    usd,
)

if TYPE_CHECKING:
    from flowplan.pricing.advice import AVAILABILITY, CONFIDENCE, Advice, advise, advise_of
    from flowplan.pricing.candidates import Candidate, Scored, because, rank
    from flowplan.pricing.forecasting import Band, Finish, Forecast, forecast, forecast_of, listed, never, nothing
    from flowplan.pricing.history import Basis, Method, Stream
    from flowplan.pricing.sums import StackForecast, Sum, stack_totals
    from flowplan.pricing.track_record import (
        Account,
        Coverage,
        Judged,
        KeptForecast,
        Verdict,
        coverage,
        is_final,
        judge,
    )

__all__ = [
    "AVAILABILITY",
    "CENT",
    "CONFIDENCE",
    "DAY",
    "HOUR",
    "HOURS_PER_MONTH",
    "MONTH",
    "STORAGE_PER_GB_MONTH",
    "Account",
    "Advice",
    "Band",
    "Basis",
    "Billed",
    "Candidate",
    "Clearing",
    "Coverage",
    "EntryPrice",
    "Estimate",
    "Finish",
    "Forecast",
    "Judged",
    "KeptForecast",
    "Key",
    "Market",
    "Method",
    "Order",
    "Outlook",
    "Scored",
    "StackForecast",
    "Steered",
    "Steering",
    "Stream",
    "Sum",
    "Total",
    "Totals",
    "Verdict",
    "advise",
    "advise_of",
    "at_any_limit",
    "because",
    "by_bid",
    "cents",
    "clear",
    "coverage",
    "entry_price",
    "estimate",
    "first_price",
    "forecast",
    "forecast_of",
    "is_final",
    "judge",
    "listed",
    "never",
    "nothing",
    "paid",
    "rank",
    "stack_totals",
    "stairs",
    "storage_per_hour",
    "together",
    "usd",
]

# Imported when first asked for: what looks ahead is not needed to see that nothing changes.
_LATER = {
    "advice": ("AVAILABILITY", "CONFIDENCE", "Advice", "advise", "advise_of"),
    "candidates": ("Candidate", "Scored", "because", "rank"),
    "forecasting": ("Band", "Finish", "Forecast", "forecast", "forecast_of", "listed", "never", "nothing"),
    "sums": ("StackForecast", "Sum", "stack_totals"),
    "history": ("Basis", "Method", "Stream"),
    "track_record": ("Account", "Coverage", "Judged", "KeptForecast", "Verdict", "coverage", "is_final", "judge"),
}
_HOMES = {name: module for module, names in _LATER.items() for name in names}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

"""The auction rule, what a bid pays by it now, and what it will pay. Pure: prices are given, nothing is fetched.

auction.py     the rule: a book -> winners and their price
entry.py       the prices of this moment -> what a bid costs per hour
stream.py      the past prices of an auction, prepared once, and what a bid would have met on each past path
forecasting.py a prepared past, a limit, a horizon -> cost, availability, preemptions, finish, each as a band
stack.py       forecasts -> what a stack costs, before and after
advice.py      the smallest limit that keeps a bid running
candidates.py  the places a task could go -> a table, the best first
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowplan.pricing.auction import Clearing, Order, clear
from flowplan.pricing.entry import (
    CENT,
    HOURS_PER_MONTH,
    STORAGE_PER_GB_MONTH,
    EntryPrice,
    Estimate,
    Key,
    Market,
    Outlook,
    Total,
    Totals,
    cents,
    entry_price,
    estimate,
    storage_per_hour,
)

if TYPE_CHECKING:
    from flowplan.pricing.advice import AVAILABILITY, CONFIDENCE, Advice, advise, advise_of
    from flowplan.pricing.candidates import Candidate, Scored, because, rank
    from flowplan.pricing.forecasting import Band, Finish, Forecast, forecast, forecast_of, listed, nothing
    from flowplan.pricing.stack import StackForecast, Sum, stack_totals
    from flowplan.pricing.stream import Basis, Method, Stream

__all__ = [
    "AVAILABILITY",
    "CENT",
    "CONFIDENCE",
    "HOURS_PER_MONTH",
    "STORAGE_PER_GB_MONTH",
    "Advice",
    "Band",
    "Basis",
    "Candidate",
    "Clearing",
    "EntryPrice",
    "Estimate",
    "Finish",
    "Forecast",
    "Key",
    "Market",
    "Method",
    "Order",
    "Outlook",
    "Scored",
    "StackForecast",
    "Stream",
    "Sum",
    "Total",
    "Totals",
    "advise",
    "advise_of",
    "because",
    "cents",
    "clear",
    "entry_price",
    "estimate",
    "forecast",
    "forecast_of",
    "listed",
    "nothing",
    "rank",
    "stack_totals",
    "storage_per_hour",
]

# Imported when first asked for: what looks ahead is not needed to see that nothing changes.
_LATER = {
    "advice": ("AVAILABILITY", "CONFIDENCE", "Advice", "advise", "advise_of"),
    "candidates": ("Candidate", "Scored", "because", "rank"),
    "forecasting": ("Band", "Finish", "Forecast", "forecast", "forecast_of", "listed", "nothing"),
    "stack": ("StackForecast", "Sum", "stack_totals"),
    "stream": ("Basis", "Method", "Stream"),
}
_HOMES = {name: module for module, names in _LATER.items() for name in names}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

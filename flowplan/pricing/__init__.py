"""The auction rule, what a bid pays by it now, and what it will pay. Pure: prices are given, nothing is fetched.

auction.py     the rule: a book -> winners and their price
entry.py       the prices of this moment -> what a bid costs per hour
"""

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

__all__ = [
    "CENT",
    "HOURS_PER_MONTH",
    "STORAGE_PER_GB_MONTH",
    "Clearing",
    "EntryPrice",
    "Estimate",
    "Key",
    "Market",
    "Order",
    "Outlook",
    "Total",
    "Totals",
    "cents",
    "clear",
    "entry_price",
    "estimate",
    "storage_per_hour",
]

"""What if: a plan's bids taking part, as bids, in auctions as they may go over the next hours. Pure and repeatable.

pools.py    a plan and its prices -> the auctions it bids in, with what is known and what is assumed of each
rivals.py   how deep a book is; the limits of others around the price, drawn
book.py     the plan's bids among those of others -> who wins at what price (pricing.clear)
futures.py  past price paths and drawn books -> what each bid costs and runs in each future
results.py  many futures -> one answer

docs/what-if.md says what it is worth beside a forecast, and how well it holds.
"""

from __future__ import annotations

from flowplan.cost.what_if.futures import FUTURES, Tell, simulate
from flowplan.cost.what_if.pools import Own, Pool, pools_of
from flowplan.cost.what_if.results import AuctionFit, BidOutcome, WhatIf, WorkDone, what_if

__all__ = [
    "FUTURES",
    "AuctionFit",
    "BidOutcome",
    "Own",
    "Pool",
    "Tell",
    "WhatIf",
    "WorkDone",
    "pools_of",
    "simulate",
    "what_if",
]

"""Which bids are for the same GPUs: several sizes of one kind of GPU in one region may be sold from one stock, where
limits compete per GPU (docs/ASSUMPTIONS.md, A7). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from flowplan.model.resources import Bid
from flowplan.pricing.entry import Key, Market
from flowplan.pricing.units import CENT


def family(name: str, gpus: int | None) -> str:
    """The name of a type without how many GPUs it has: a100-80gb.sxm.8x -> a100-80gb.sxm, v6e-4 -> v6e."""
    return re.sub(rf"[.-]{gpus}x?$", "", name)


def kind_of(bid: Bid) -> tuple[str, str]:
    """The kind of GPU that a bid asks for, and where. A type whose name nobody knows is a kind of its own."""
    known = bid.instance_type_name and bid.gpus
    return family(bid.instance_type_name, bid.gpus) if known else bid.instance_type, bid.region


def stocks(markets: Mapping[Key, Market]) -> dict[tuple[str, str], Market]:
    """By instance type and region, prices that tell how much is there, where they are known."""
    found: dict[tuple[str, str], Market] = {}
    for (kind, region, _), market in markets.items():
        if market.spot is not None and market.total is not None:
            found.setdefault((kind, region), market)
    return found


def compete(bid: Bid, other: Bid, known: Mapping[tuple[str, str], Market]) -> bool | None:
    """Whether two bids are for the same GPUs: in one auction, or for two sizes of a kind where as many GPUs are sold
    and free, at one price each. `known`: `stocks`; None: these do not tell whether the sizes are sold apart."""
    auction, auction_b = (bid.instance_type, bid.region), (other.instance_type, other.region)
    a, b = bid.gpus or 1, other.gpus or 1
    if auction[0] == auction_b[0] or kind_of(bid) != kind_of(other) or a == b:
        return auction == auction_b  # two types of one size are other machines
    market, market_b = known.get(auction), known.get(auction_b)
    return None if market is None or market_b is None else _is_one_stock(market, a, market_b, b)


def _is_one_stock(one: Market, a: int, other: Market, b: int) -> bool:
    """Whether as many GPUs are there and free, at one price each, by auctions of instances of `a` and of `b` GPUs: they
    look like two sizes of one stock. What is rounded to whole instances and to whole cents of each may differ by as
    much."""
    for these, those in ((one.total, other.total), (one.available, other.available)):
        if (
            these is not None
            and those is not None
            and not (these * a < (those + 1) * b and those * b < (these + 1) * a)
        ):
            return False
    price, price_b = one.spot or Decimal(0), other.spot or Decimal(0)
    return (price - CENT) * b < price_b * a and (price_b - CENT) * a < price * b

"""The past prices of the auctions in which bids of a plan are, as its document has them where they are to be drawn."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from flowplan.cost.costs import Costs
from flowplan.documents.about import moment
from flowplan.documents.amounts import money
from flowplan.model.resources import Bid
from flowplan.pricing.slices import Prices

if TYPE_CHECKING:
    from flowplan.documents.shapes import plan as shape


def price_history(
    costs: Costs, pasts: Mapping[tuple[str, str], tuple[Prices, bool]], now: datetime
) -> list[shape.PastPrices]:
    """An entry for each of `pasts`: (instance type, region) -> its price changes, and whether none is left out."""
    bids = [bid for one in costs.changes for bid in (one.change.before, one.change.after) if isinstance(bid, Bid)]
    names = {bid.instance_type: bid.instance_type_name for bid in bids}
    reserves = {(one.instance_type, one.region): one.minimum for one in costs.markets.values()}
    return [
        {
            "instance_type": auction[0],
            "instance_type_name": names.get(auction[0]) or auction[0],
            "region": auction[1],
            "reserve": money(reserves.get(auction)),
            "complete": complete,
            "until": moment(now),
            "timestamps": [moment(at) for at, _ in prices],
            "spot_prices": [money(price) for _, price in prices],
        }
        for auction, (prices, complete) in sorted(pasts.items())
    ]

"""What the market shows of itself: instance types, availability, prices now and the last 14 days.

The 14 days before a simulator began are made when first read and never stored (past.py); what happened since is in
`price_events`.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from typing import Any

from flowplan.simulator.api.bid_views import money
from flowplan.simulator.api.messages import Call, Response, reply
from flowplan.simulator.api.validation import Field, integer, moment, nullable, read_query, text
from flowplan.simulator.auctions import catalogue, market
from flowplan.simulator.auctions.past import PAST, Stream, seeded_past
from flowplan.simulator.auctions.rivals import pools
from flowplan.simulator.clock import iso


def list_instance_types(call: Call) -> Response:
    """Those that have an auction."""
    sold = {row[0] for row in call.db.execute("SELECT DISTINCT instance_type FROM auctions")}
    return reply(200, [kind.json() for kind in catalogue.INSTANCE_TYPES if kind.fid in sold])


def list_image_versions(call: Call) -> Response:
    """GET /v2/image-versions."""
    return reply(200, list(catalogue.IMAGE_VERSIONS))


def list_availability(call: Call) -> Response:
    """`capacity` is the whole stock in instances of this size: in an auction, what is taken can still be won."""
    return reply(200, [_availability(auction) for auction in market.auctions(call.db)])


def _availability(auction: market.Auction) -> dict[str, Any]:
    return {
        "fid": auction.fid,
        "instance_type": auction.instance_type,
        "region": auction.region,
        "capacity": auction.capacity,
        "last_instance_price": money(auction.price_cents),
        "lowest_allocated_price": None if auction.lowest_cents is None else money(auction.lowest_cents),
        "adjustable_memory": bool(auction.adjustable_memory),
        "default_image_version": catalogue.DEFAULT_IMAGE,
    }


_CURRENT = {
    "instance_type": Field(text()),
    "region": Field(nullable(text()), None),
    "instance_quantity": Field(integer(least=1, most=256), 1),
}


def current_prices(call: Call) -> Response:
    """Without a region: the auction of the type that is cheapest now. Of what is not sold, everything is null."""
    query = read_query(call.request.query, _CURRENT)
    found = market.auctions(call.db, query["instance_type"], query["region"])
    auction = min(found, key=lambda one: (one.price_cents, one.seq), default=None)
    win = market.win_price(call.db, auction, query["instance_quantity"]) if auction else None
    return reply(
        200,
        {
            "spot_price_cents": auction and auction.price_cents,
            "reserved_price_cents": auction and reserved_cents(auction.instance_type),
            "minimum_price_cents": auction and auction.reserve_cents,
            "lowest_allocated_bid_cents": auction and auction.lowest_cents,
            "dynamic_win_price_cents": win,
            "available_capacity": auction and auction.available,
            "total_capacity": auction and auction.capacity,
        },
    )


def reserved_cents(instance_type: str) -> int:
    """The price of reserved capacity, cents per instance-hour."""
    return round(catalogue.TYPE_BY_FID[instance_type].hourly_price * 100)


_HISTORY = {
    "instance_types": Field(nullable(text()), None),
    "region": Field(nullable(text()), None),
    "num_samples": Field(integer(least=-1, most=1000), 100),
    "start_time": Field(nullable(moment), None),
    "end_time": Field(nullable(moment), None),
}


def price_history(call: Call) -> Response:
    """Series of price changes; with `num_samples` other than -1 and fewer than the changes, evenly thinned out."""
    query = read_query(call.request.query, _HISTORY)
    wanted = set(query["instance_types"].split(",")) if query["instance_types"] else None
    start = max(query["start_time"] or 0, call.now - PAST)
    end = min(query["end_time"] if query["end_time"] is not None else call.now, call.now)
    samples = query["num_samples"]
    series, complete = [], True
    for auction in market.auctions(call.db, None, query["region"]):
        if wanted is None or auction.instance_type in wanted:
            moments, cents = _window(price_stream(call.db, call.seed, auction, call.now), start, end)
            if 0 <= samples < len(moments):
                kept = [index * len(moments) // samples for index in range(samples)]
                moments, cents, complete = [moments[i] for i in kept], [cents[i] for i in kept], False
            series.append(_series(auction, moments, cents))
    return reply(200, {"series": series, "complete": complete, "show_disabled_regions": False})


def _series(auction: market.Auction, moments: list[int], cents: list[int]) -> dict[str, Any]:
    return {
        "instance_type": auction.instance_type,
        "region": auction.region,
        "timestamps": [iso(at) for at in moments],
        "spot_prices": [money(price) for price in cents],
        "reserved_prices": [money(reserved_cents(auction.instance_type))] * len(moments),
        "region_disabled": False,
    }


def price_stream(db: sqlite3.Connection, seed: int, auction: market.Auction, now: int) -> Stream:
    """The stream of the last 14 days, and what was in force before: the seeded past, then what happened."""
    started: int = db.execute("SELECT started FROM clock").fetchone()[0]
    rows = db.execute(
        "SELECT at, price_cents FROM price_events WHERE auction = :auction AND at >="
        " (SELECT max(at) FROM price_events WHERE auction = :auction AND at <= :start) ORDER BY at",
        {"auction": auction.seq, "start": max(now - PAST, started)},
    ).fetchall()
    moments, cents = [row[0] for row in rows], [row[1] for row in rows]
    if now - PAST >= started:
        return moments, cents
    before = _past_of(db, seed, auction, started)
    past = [market.cents(per_unit, auction.weight) for per_unit in before[1]]
    return _changes([*before[0], *moments], [*past, *cents])


def _changes(moments: list[int], cents: list[int]) -> Stream:
    """Without the moments at which the price stayed."""
    kept = [index for index, price in enumerate(cents) if not index or price != cents[index - 1]]
    return [moments[index] for index in kept], [cents[index] for index in kept]


def _past_of(db: sqlite3.Connection, seed: int, auction: market.Auction, started: int) -> Stream:
    """The pool's seeded past: its sizes share their stock, so their prices move together."""
    weight, began_with = db.execute(
        "SELECT a.weight, e.price_cents FROM auctions a JOIN price_events e ON e.auction = a.seq AND e.at = ?"
        " WHERE a.pool = ? ORDER BY a.weight DESC LIMIT 1",
        (started, auction.pool),
    ).fetchone()
    (pool,) = pools(db, [auction.pool])
    return seeded_past(seed, pool, started, began_with * market.EIGHTHS // weight)


def _window(stream: Stream, start: int, end: int) -> Stream:
    """The part from `start` to `end`, beginning with the price in force at `start`."""
    moments, cents = stream
    first, last = bisect_right(moments, start) - 1, bisect_right(moments, end)
    if first < 0:
        return moments[:last], cents[:last]
    if first >= last:
        return [], []
    return [max(start, moments[first]), *moments[first + 1 : last]], cents[first:last]

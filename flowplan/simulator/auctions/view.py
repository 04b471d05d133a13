"""What no client of the API can see: the books. For `flowplan simulator market`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from flowplan.simulator.api.prices import price_stream
from flowplan.simulator.auctions import catalogue, market
from flowplan.simulator.clock import to_datetime


class Line(NamedTuple):
    """One order of a book. `limit_price` in dollars per instance-hour, `gpus` per instance; `bid`: its id and name when
    it is your own."""

    limit_price: Decimal
    gpus: int
    quantity: int
    instance_type: str
    winning: bool
    bid: tuple[str, str] | None


class AuctionView(NamedTuple):
    """One auction. Prices in dollars per instance-hour; `lowest_allocated` is None while nobody wins.

    `book`: the orders of the whole pool, the highest limit per GPU first: all sizes share its stock, so an order of
    another size counts too. `history`: price changes of the last 14 days, the oldest first.
    """

    id: str
    instance_type: str
    name: str
    region: str
    capacity: int
    available: int
    minimum: Decimal
    price: Decimal
    lowest_allocated: Decimal | None
    book: tuple[Line, ...]
    history: tuple[tuple[datetime, Decimal], ...]


def auction_views(
    db: sqlite3.Connection, seed: int, now: int, instance_type: str | None, region: str | None
) -> Iterator[AuctionView]:
    """The auctions of a type (id or name) in a region; None: of all."""
    for auction in market.auctions(db, None, region):
        name = catalogue.TYPE_BY_FID[auction.instance_type].name
        if instance_type in (None, auction.instance_type, name):
            moments, prices = price_stream(db, seed, auction, now)
            yield AuctionView(
                id=auction.fid,
                instance_type=auction.instance_type,
                name=name,
                region=auction.region,
                capacity=auction.capacity,
                available=auction.available,
                minimum=_dollars(auction.reserve_cents),
                price=_dollars(auction.price_cents),
                lowest_allocated=None if auction.lowest_cents is None else _dollars(auction.lowest_cents),
                book=tuple(_book(db, auction.pool)),
                history=tuple((to_datetime(at), _dollars(price)) for at, price in zip(moments, prices, strict=True)),
            )


def _book(db: sqlite3.Connection, pool: int) -> Iterator[Line]:
    rows = db.execute(
        "SELECT o.rank, o.units, o.winning, a.weight, a.instance_type, b.fid, b.name FROM orders o"
        " JOIN auctions a ON a.seq = o.auction LEFT JOIN bids b ON o.own AND b.seq = o.seq"
        " WHERE o.pool = ? ORDER BY o.rank, o.seq",
        (pool,),
    )
    for rank, units, winning, weight, kind, fid, name in rows:
        limit = _dollars(-rank * weight // market.EIGHTHS)
        bid = (fid, name) if fid else None
        of = catalogue.TYPE_BY_FID[kind]
        yield Line(limit, of.num_gpus, units // weight, of.name, bool(winning), bid)


def _dollars(cents: int) -> Decimal:
    return Decimal(cents) / 100

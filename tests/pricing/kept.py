"""Forecasts that were kept, and what came of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import attrs

from flowplan.pricing.forecasting import Band
from flowplan.pricing.track_record import Judged, KeptForecast, Verdict

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def hours(count: float) -> datetime:
    return NOON + timedelta(hours=count)


def forecast(low: str = "180", high: str = "240", *, start: float = 0, **more: object) -> KeptForecast:
    kept = KeptForecast(
        lineage="l",
        address="bid.a",
        bids=("bid_a",),
        made_at=hours(start),
        starts_at=hours(start),
        hours=24.0,
        basis="high",
        cost=Band(Decimal(low), Decimal(200), Decimal(high), Decimal(204)),
        worst=Decimal(480),
        auction=("it_h100", "here"),
        quantity=1,
        limit=Decimal(20),
    )
    return attrs.evolve(kept, **more)


def outcomes(*places: str, **more: object) -> list[Judged]:
    """A forecast a day, with what came of each."""
    dollars = {"inside": "200", "below": "100", "above": "300"}
    return [
        Judged(
            attrs.evolve(forecast(start=24.0 * day), **more),
            Verdict("elapsed", hours(24.0 * day + 24), Decimal(dollars[place])),
        )
        for day, place in enumerate(places)
    ]

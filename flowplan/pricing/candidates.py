"""Where a task with several viable types or regions goes: each is scored by what the whole task would cost there, or
by when it would be finished."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Literal

from attrs import frozen

from flowplan.pricing.forecasting import Forecast, forecast_of, never
from flowplan.pricing.history import METHOD, Method, Stream

Optimize = Literal["budget", "job_completion_time"]


@frozen
class Candidate:
    """A type in a region, by `name`. `limit`: dollars per instance-hour there; `entry`: what it would pay first, None
    if that is the last price. `pace`: how much work an hour there does; 1: as much as the task's hours are given in.
    """

    name: str
    stream: Stream
    limit: Decimal | None
    quantity: int
    entry: Decimal | None = None
    pace: float = 1.0


@frozen
class Scored:
    """A row of the table. `cost`: expected dollars until the work is done, restarts included; `hours`: expected until
    then. None where not known: such a row is behind all others."""

    candidate: Candidate
    cost: Decimal | None
    hours: Decimal | None
    forecast: Forecast


def rank(
    candidates: Iterable[Candidate],
    optimize: Optimize,
    work_hours: float,
    *,
    restart_hours: float = 0.0,
    method: Method = METHOD,
) -> tuple[Scored, ...]:
    """The table, the best first: for `budget` by expected cost to finish, then by finish; for `job_completion_time` by
    expected finish, then by cost. Equal rows keep the order they came in."""
    rows = [_score(each, work_hours, restart_hours, method) for each in candidates]

    def key(row: Scored) -> Any:
        first, second = (row.cost, row.hours) if optimize == "budget" else (row.hours, row.cost)
        return first is None, first or 0, second is None, second or 0

    return tuple(sorted(rows, key=key))


def because(table: tuple[Scored, ...], optimize: Optimize) -> str:
    """One line: why the first row is the first."""
    best = table[0]
    known = [row for row in table if row.cost is not None]
    if best.cost is None or best.hours is None:
        return "nothing is known of any candidate: the first given"
    what = "least expected cost to finish" if optimize == "budget" else "soonest expected finish"
    figures = f"${best.cost:.2f}, {best.hours:.1f} h"
    unknown = f", {len(table) - len(known)} unknown" if len(known) < len(table) else ""
    return f"{what} of {len(table)}{unknown}: {figures}"


def _score(candidate: Candidate, work_hours: float, restart_hours: float, method: Method) -> Scored:
    wanted = work_hours / candidate.pace
    stream, limit = candidate.stream, candidate.limit
    if stream.times and stream.reserve is not None and limit is not None and limit < stream.reserve:
        below = never(wanted, candidate.quantity, limit, "the limit is below the reserve", stream.basis(wanted))
        return Scored(candidate, None, None, below)
    found = forecast_of(
        stream,
        limit,
        candidate.quantity,
        wanted,
        candidate.entry,
        work_hours=wanted,
        restart_hours=restart_hours,
        method=method,
    )
    if found.finish is not None:
        return Scored(candidate, found.finish.cost.expected, found.finish.hours.expected, found)
    if found.basis == "point-only" and found.availability.p50:
        return Scored(candidate, found.cost.p50, Decimal(wanted), found)  # as if it ran on at this price
    return Scored(candidate, None, None, found)

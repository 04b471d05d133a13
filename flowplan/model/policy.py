"""What an organisation allows a plan to do: rules that somebody wrote beside the tasks, or for all of them. Pure.

planning/policies.py holds plans to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Literal, TypeAlias

from attrs import field

from flowplan.classes import frozen
from flowplan.diagnostics import Position

PriceBasis: TypeAlias = Literal["limit", "now"]
PRICE_BASES: tuple[PriceBasis, ...] = ("limit", "now")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ANYTHING = "*"  # as the name of a type or a project: all that no other name means


@frozen
class Allowed:
    """A rule that lists texts: patterns, names of types, or addresses. `position`: where the rule is written; `places`:
    where each text is."""

    values: tuple[str, ...]
    position: Position
    places: Mapping[str, Position] = field(factory=dict)

    def at(self, value: str) -> Position:
        """Where `value` of it is written."""
        return self.places.get(value, self.position)

    def __str__(self) -> str:
        return ", ".join(self.values)


@frozen
class Cap:
    """At most so many dollars, for what `name` means (ANYTHING: all the rest)."""

    name: str
    amount: Decimal
    position: Position


@frozen
class MaxPrice:
    """At most so many dollars per GPU-hour, by type. `basis`: of the limit price, or of what is paid at the prices of
    now."""

    caps: tuple[Cap, ...]
    basis: PriceBasis


@frozen
class Hours:
    """When something may be placed: from `start` to before `end`, as the clocks of `zone` show, on `days` (0: Monday).
    Where `end` is earlier than `start`, it is that of the next day, and the day on which it began counts.
    `zone_position`: where the zone is written."""

    start: time
    end: time
    days: frozenset[int]
    zone: str
    position: Position
    zone_position: Position | None = None

    def allow(self, moment: datetime) -> bool:
        """Whether `moment`, which is in `zone`, is within them."""
        now = moment.time()
        if self.start < self.end:
            return self.start <= now < self.end and moment.weekday() in self.days
        began = moment if now >= self.start else moment - timedelta(days=1)
        return (now >= self.start or now < self.end) and began.weekday() in self.days

    def __str__(self) -> str:
        days = ", ".join(name for number, name in enumerate(DAYS) if number in self.days)
        end = f"{self.end:%H:%M}" if self.end > time() else "24:00"
        return f"{self.start:%H:%M} to {end} on {days} in {self.zone}"


@frozen
class Policies:
    """The rules of one place: a document of a stack file, or a policy file. None and (): no such rule."""

    max_price: MaxPrice | None = None
    regions: Allowed | None = None
    types: Allowed | None = None
    protected: Allowed | None = None
    names: Allowed | None = None
    hours: Hours | None = None
    budgets: tuple[Cap, ...] = ()

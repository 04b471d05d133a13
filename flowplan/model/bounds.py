"""What an amount, a count and a moment from outside may be: nothing that is computed with them overflows. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from flowplan.patterns import regex

HIGHEST = Decimal(1_000_000)  # dollars an hour: as high as a limit may be in a task file
MOST = 1_000_000_000  # of anything that is counted: GB, GPUs, instances
_SMALLEST = Decimal("1e-12")  # dollars: what is below is rounded off
# A comma separates thousands: that of a decimal, "17,92", would be read as a hundred times as much.
_WRITTEN = regex(r"\$? ?((?:[0-9]{1,16}|[1-9][0-9]{0,2}(?:,[0-9]{3}){1,4})(?:\.[0-9]{1,20})?|\.[0-9]{1,20})", re.ASCII)
_PLAIN = regex(r"[0-9]{1,7}(?:\.[0-9]{1,20})?", re.ASCII)
_NAME = regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}", re.ASCII)
_YEARS = (2000, 2100)


def amount(value: Any) -> Decimal | None:
    """Dollars from "$1,234.50" or a number; None for what is no amount: not finite, below zero, above HIGHEST."""
    if isinstance(value, str):
        written = _WRITTEN.fullmatch(value.strip()) if len(value) < 64 else None
        value = Decimal(written[1].replace(",", "")) if written else None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    if isinstance(value, int):
        return Decimal(value) if 0 <= value <= HIGHEST else None
    if not value.is_finite() or not 0 <= value <= HIGHEST:
        return None
    exponent = value.as_tuple().exponent
    return value.quantize(_SMALLEST) if isinstance(exponent, int) and exponent < -12 else value


def cents(value: Any) -> Decimal | None:
    """Dollars from a whole number of cents; None for what is none."""
    return Decimal(value) / 100 if type(value) is int and 0 <= value <= 100 * HIGHEST else None


def plain(value: Any) -> Decimal | None:
    """Dollars from a text that flowplan wrote itself: "17.92"; None for what is none."""
    return amount(value) if isinstance(value, str) and _PLAIN.fullmatch(value) else None


def count(value: Any) -> int | None:
    """A whole number from 0 to MOST; None for anything else."""
    return value if type(value) is int and 0 <= value <= MOST else None


def is_name(value: Any) -> bool:
    """Whether `value` is a name as flowplan makes them, which may be part of a path."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def name(value: Any) -> str:
    """Raises ValueError unless `is_name`."""
    if not is_name(value):
        raise ValueError(f"expected a plain name, got {value!r}")
    return str(value)


def moment(value: Any) -> datetime | None:
    """A moment in RFC 3339, in UTC (which is meant where no zone is given); None for what is none of our time."""
    if value is None:  # most objects of a list have not ended
        return None
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return of_our_time(found)


def of_our_time(found: datetime) -> datetime | None:
    """`found` in UTC, if it is in one of the years in which clouds are used."""
    if not _YEARS[0] < found.year < _YEARS[1]:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)

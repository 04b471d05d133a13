"""Virtual time: integer milliseconds since 1970 UTC, inside; RFC 3339 and HTTP dates, outside."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from flowplan.errors import UsageProblem
from flowplan.patterns import regex

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NEVER = 1 << 60
ROUND = 2 * MINUTE  # between two rounds of an auction

# Where a simulator's clock starts when nobody asks for a time. Fixed, so that the same calls make the same data.
EPOCH = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
_FIRST, _LAST = datetime(2001, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)

_ZERO = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE = regex(r"\d{4}-\d\d-\d\d", re.ASCII)
_RFC3339 = r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:?\d\d)?"


def to_ms(moment: datetime) -> int:
    """`moment` in milliseconds since 1970 UTC. A moment without a zone is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _ZERO) // timedelta(milliseconds=1)


def to_datetime(ms: int) -> datetime:
    """A moment in ms as UTC."""
    return _ZERO + timedelta(milliseconds=ms)


@lru_cache(maxsize=4096)
def iso(ms: int) -> str:
    """RFC 3339 in UTC: `2026-11-02T09:00:00Z`, with milliseconds where there are any."""
    precision = "milliseconds" if ms % SECOND else "seconds"
    return to_datetime(ms).replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def from_iso(text: str) -> int:
    """The moment written as `text` (RFC 3339), in milliseconds. Raises ValueError."""
    if not re.fullmatch(_RFC3339, text, re.ASCII):
        raise ValueError(f"not an RFC 3339 time: {text!r}")
    return to_ms(datetime.fromisoformat(text.upper()))


def start_of(text: str, given_by: str) -> datetime:
    """Where a new simulator's clock starts: at `text`, a date (midnight UTC) or a time (RFC 3339); at the full hour
    that has begun, if it is empty, so that the prices of the past end today. `given_by`: what the text is the value of.
    Raises UsageProblem for any other text."""
    if not text:
        return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    with contextlib.suppress(ValueError, OverflowError):
        start = to_datetime(from_iso(f"{text}T00:00Z" if _DATE.fullmatch(text) else text))
        if _FIRST <= start < _LAST:
            return start
    raise UsageProblem(
        f"{given_by} must be a date or a time in the years 2001 to 2099",
        hint="write 2026-11-02 (midnight UTC) or 2026-11-02T09:00:00Z",
    )


@lru_cache(maxsize=64)
def http_date(second: int) -> str:
    """The `Date` header of the second `second` since 1970 UTC, whatever the locale."""
    moment = to_datetime(second * SECOND)
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{day}, {moment.day:02d} {month} {moment.year} {moment:%H:%M:%S} GMT"

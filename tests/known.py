"""Forecasts of the same past are worked out once in a process of the tests: most stacks of theirs are planned at the
first moment of the same market."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

import attrs

from flowplan.pricing.history import Stream

make = Stream.of.__func__  # type: ignore[attr-defined]
MOST = 200  # pasts that are kept, the latest
ASKING = "flowplan.operations"  # whose streams have answers in common; who tests a forecast itself has one of its own
_ANSWERS: dict[tuple[object, ...], dict[Any, Any]] = {}


@cache
def install() -> None:
    """From now on in this process, and in those that are forked off it."""
    Stream.of = classmethod(_of)  # type: ignore[method-assign, assignment]


def _of(cls: type[Stream], events: Iterable[tuple[datetime, Decimal]], now: datetime, **given: Any) -> Stream:
    made: Stream = make(cls, events, now, **given)
    if not sys._getframe(1).f_globals["__name__"].startswith(ASKING):
        return made
    past = (made.times, made.prices, made.last, made.reserve, made.complete)
    known = _ANSWERS.pop(past, made.answers)
    _ANSWERS[past] = known
    if len(_ANSWERS) > MOST:
        del _ANSWERS[next(iter(_ANSWERS))]
    return attrs.evolve(made, answers=known)

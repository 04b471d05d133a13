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
OFFERS = "flowplan.pricing.offers"  # makes the streams of `market`
_ANSWERS: dict[tuple[object, ...], dict[Any, Any]] = {}


@cache
def install() -> None:
    """From now on in this process, and in those that are forked off it."""
    Stream.of = classmethod(_of)  # type: ignore[method-assign, assignment]


def _of(cls: type[Stream], events: Iterable[tuple[datetime, Decimal]], now: datetime, **given: Any) -> Stream:
    made: Stream = make(cls, events, now, **given)
    if not _is_asked():
        return made
    past = (made.times, made.prices, made.last, made.reserve, made.complete)
    known = _ANSWERS.pop(past, made.answers)
    _ANSWERS[past] = known
    if len(_ANSWERS) > MOST:
        del _ANSWERS[next(iter(_ANSWERS))]
    return attrs.evolve(made, answers=known)


def _is_asked() -> bool:
    """Whether who calls the caller of this is an operation, or makes an offer for one."""
    frame = sys._getframe(2)
    if frame.f_globals["__name__"] == OFFERS and frame.f_back is not None:
        frame = frame.f_back
    name: str = frame.f_globals["__name__"]
    return name.startswith(ASKING)

"""Names and addresses as people read them: in natural order, consecutive ones as a range, and those together of which
the same is said."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from flowplan.patterns import regex
from flowplan.printable import natural

_LAST_NUMBER = regex(r"(.*?)([0-9]{1,18})([^0-9]*)", re.DOTALL)
_FEW = 2  # consecutive names that are no range yet
_SHOWN = 5  # so many of a longer list are taken in at a glance
_ALONE = 3  # so many of which the same is said stand one by one
_DOTS = "\N{HORIZONTAL ELLIPSIS}"


T = TypeVar("T")


class Said(NamedTuple):
    """A sentence on the one called `name`; `of_many`: the rest of it where it is said of many at one time."""

    name: str
    alone: str
    of_many: str


def runs(names: Iterable[str]) -> list[list[str]]:
    """`names` in natural order, those together that are numbered consecutively."""
    found: list[list[str]] = []
    for name in sorted(names, key=natural):
        if found and _is_next(found[-1][-1], name):
            found[-1].append(name)
        else:
            found.append([name])
    return found


def ranges(names: Iterable[str], dots: str = _DOTS) -> list[str]:
    """`names` in natural order, three and more that are numbered consecutively as the first and how the last ends: from
    its number on, or its key (`a-000 ... 119`, `a["1"] ... ["9"]`)."""
    return [text for run in runs(names) for text in spelled(run, dots)]


def spelled(run: list[str], dots: str) -> list[str]:
    """One of `runs` as a range, or name by name."""
    before, number, after = _numbered(run[-1])
    _, bracket, key = before.partition("[")
    return run if len(run) <= _FEW else [f"{run[0]} {dots} {bracket}{key}{number}{after}"]


def few(names: Sequence[str], most: int = _SHOWN) -> str:
    """The first `most` of `names`, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def alike(found: Iterable[T], same: Callable[[T], object], *, each: bool = False) -> Iterator[list[T]]:
    """Those together of which `same` is the same, where they are more than a few; every other alone. They are in the
    order of the first of each kind. `each`: all are alone."""
    kinds: dict[object, list[T]] = {}
    for index, one in enumerate(found):
        kinds.setdefault(index if each else same(one), []).append(one)
    for these in kinds.values():
        if len(these) <= _ALONE:
            yield from ([one] for one in these)
        else:
            yield these


def together(sentences: Iterable[Said], dots: str = _DOTS, *, each: bool = False) -> Iterator[str]:
    """The sentences, one for all of which the same is said, where they are `alike`."""
    for first, *others in alike(sentences, lambda one: one.of_many, each=each):
        if others:
            names = ", ".join(ranges((one.name for one in (first, *others)), dots))
            yield f"{names} ({len(others) + 1:,} alike): {first.of_many}"
        else:
            yield first.alone


def _is_next(name: str, other: str) -> bool:
    before, number, after = _numbered(name)
    other_before, other_number, other_after = _numbered(other)
    if not number or not other_number or (before, after) != (other_before, other_after):
        return False
    plain = number == str(int(number)) and other_number == str(int(other_number))
    return int(other_number) == int(number) + 1 and (plain or len(number) == len(other_number))


def _numbered(name: str) -> tuple[str, str, str]:
    """`name` before its last number, that, and the rest; where it has none, or one that is too long, "" for both."""
    found = _LAST_NUMBER.fullmatch(name)
    if found is None or found[1][-1:].isdigit():
        return name, "", ""
    return found[1], found[2], found[3]

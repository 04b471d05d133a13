"""Fields of the API's rows, read strictly: each is of its kind, or the row is unfit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

from flowplan.errors import CloudError
from flowplan.model import bounds
from flowplan.printable import shown

Note = Callable[[str], object]  # takes a sentence for the user
Read = Callable[[Any], Any]  # a value of JSON -> what it means, or None


class Unfit(CloudError):
    """A field of an answer is not as it must be; which answer, `answer_of` adds."""


@contextmanager
def answer_of(path: str) -> Iterator[None]:
    """Inside, the answer to `GET path` is read: what is wrong with it is said with its place."""
    try:
        yield
    except Unfit as error:
        raise CloudError(f"GET {path}: invalid response: {error}", detail=error.detail) from None


def moment(text: Any, where: str) -> datetime:
    """A point in time, in `where`. Raises Unfit."""
    found = bounds.moment(text)
    if found is None:
        raise Unfit(f"{where} has no valid timestamp")
    return found


def listed_texts(row: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A list of texts that has to be there. Raises Unfit."""
    value = row.get(name)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Unfit(f"it lacks the list {name!r}")
    return tuple(value)


def money(value: Any, name: str) -> Decimal:
    """Dollars from "$1,234.50". Raises CloudError naming the field."""
    amount = bounds.amount(value)
    if amount is None:
        raise Unfit(f"the API gives {quoted(value)} as {name}, which is not an amount")
    return amount


def reported(row: Mapping[str, Any], name: str, note: Note, read: Read = bounds.amount) -> Any:
    """A field that a command can do without, by default dollars, as `read` has it. None where there is none, and, with
    a note, where it is nothing that can be: below zero, not finite, beyond what anything costs."""
    value = row.get(name)
    if value is None or value == "":
        return None
    found = read(value)
    if found is None:
        note(f"the API gives {quoted(value)} as {name}: that is impossible, so it counts as unknown")
    return found


def quoted(value: Any) -> str:
    """A value of an answer as messages show it: in quotes, on one line, cut at 40 characters."""
    return repr(shown(str(value), 40))


def text(row: Mapping[str, Any], name: str) -> str:
    """A text; raises Unfit for anything else, also where it is missing."""
    value = row.get(name)
    if type(value) is not str:
        raise Unfit(f"it lacks the text {name!r}", detail=f"it has: {', '.join(sorted(row))}")
    return value


def text_or_none(row: Mapping[str, Any], name: str) -> str | None:
    """A text; None where it is missing or null."""
    return None if row.get(name) is None else text(row, name)


def text_or_empty(row: Mapping[str, Any], name: str) -> str:
    """A text; empty where it is missing or null."""
    return text_or_none(row, name) or ""


def texts(row: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A list of texts; null is none."""
    value = row.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(type(one) is str for one in value):
        raise Unfit(f"it has no list of texts as {name!r}", detail=f"it has: {', '.join(sorted(row))}")
    return tuple(value)


def amount(row: Mapping[str, Any], name: str) -> Decimal:
    """Dollars, from a text. Raises Unfit."""
    return money(text(row, name), name)


def positive(row: Mapping[str, Any], name: str) -> int:
    """A whole number of at least 1. Raises Unfit."""
    value = integer(row, name)
    if value < 1:
        raise Unfit(f"it has {value} as {name!r}")
    return value


def integer(row: Mapping[str, Any], name: str) -> int:
    """A whole number of at least 0. Raises Unfit."""
    value = bounds.count(row.get(name))
    if value is None:
        raise Unfit(f"it lacks the integer {name!r}", detail=f"it has: {', '.join(sorted(row))}")
    return value


def integer_or_none(row: Mapping[str, Any], name: str) -> int | None:
    """A whole number of at least 0; None where it is missing or null."""
    return None if row.get(name) is None else integer(row, name)


def mapping_or_empty(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object; empty where it is missing or null. Raises Unfit."""
    value = row.get(name)
    if value is not None and not isinstance(value, dict):
        raise Unfit(f"it has no object as {name!r}", detail=f"it has: {', '.join(sorted(row))}")
    return value or {}


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    """`value`, an object of the answer from `where`. Raises CloudError."""
    if not isinstance(value, dict):
        raise CloudError(f"{where}: expected an object")
    return value

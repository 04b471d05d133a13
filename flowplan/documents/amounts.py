"""Dollars in documents and in lines for people: rounded once, at output; unknown is null, or the word."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, overload

from flowplan.pricing.units import CENT, cents, usd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flowplan.documents.shapes.common import Band as BandShape
    from flowplan.pricing.forecasting import Band


@overload
def money(amount: Decimal) -> str: ...
@overload
def money(amount: Decimal | None) -> str | None: ...
def money(amount: Decimal | None) -> str | None:
    """As documents have it: to the cent, less than a cent to six decimals."""
    if amount is None:
        return None
    if -CENT < amount < CENT and amount:  # a small volume is cheap, not free
        return f"{amount:.6f}"
    return str(cents(amount))


@overload
def plain(number: Decimal, unit: Decimal = ...) -> str: ...
@overload
def plain(number: Decimal | None, unit: Decimal = ...) -> str | None: ...
def plain(number: Decimal | None, unit: Decimal = Decimal("0.001")) -> str | None:
    """Of a document: a number that is no money, as text."""
    return None if number is None else f"{number.quantize(unit).normalize():f}"


def hours_left(number: Decimal | None) -> float | None:
    """Of a document: hours that are left of something."""
    return None if number is None else round(float(number), 4)


def band(found: Band) -> BandShape:
    """Of a document: money that is not certain."""
    return {
        "p10": money(found.p10),
        "p50": money(found.p50),
        "p90": money(found.p90),
        "expected": money(found.expected),
    }


def price(amount: str | None) -> str:
    """An amount of a document for people."""
    return usd(None if amount is None else Decimal(amount))


def from_to(amounts: Sequence[Decimal]) -> str:
    """The least to the most of several, or what all of them are; of none it is unknown."""
    if not amounts:
        return usd(None)
    least, most = usd(min(amounts)), usd(max(amounts))
    return least if least == most else f"{least} to {most}"


def an_amount(amount: str | None) -> str:
    """The same within a sentence."""
    return "an unknown amount" if amount is None else price(amount)


def signed(amount: str | None) -> str:
    """A difference."""
    if amount is None:
        return "unknown"
    value = Decimal(amount)
    return f"{'+' if value > 0 else ''}{usd(value or Decimal(0))}"


def number(amount: str | None) -> Decimal:
    """An amount of a document that has to be known. Raises ValueError where it is not."""
    if amount is None:
        raise ValueError("an amount that has to be known is not")
    return Decimal(amount)

"""Dollars in documents and in lines for people: rounded once, at output; unknown is null, or the word."""

from __future__ import annotations

from decimal import Decimal

from flowplan.pricing import cents, usd


def money(amount: Decimal | None) -> str | None:
    """As documents have it: to the cent, less than a cent to six decimals."""
    if amount is None:
        return None
    if amount and abs(amount) < Decimal("0.01"):  # a small volume is cheap, not free
        return f"{amount:.6f}"
    return f"{cents(amount):.2f}"


def price(amount: str | None) -> str:
    """An amount of a document for people."""
    return usd(None if amount is None else Decimal(amount))


def signed(amount: str | None) -> str:
    """A difference."""
    if amount is None:
        return "unknown"
    value = Decimal(amount)
    return f"{'+' if value > 0 else ''}{usd(value or Decimal(0))}"

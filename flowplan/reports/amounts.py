"""Dollars in documents and in lines for people: rounded once, at output; unknown is null, or the word."""

from __future__ import annotations

from decimal import Decimal

from flowplan.pricing import cents


def money(amount: Decimal | None) -> str | None:
    """As documents have it: to the cent, less than a cent to six decimals."""
    if amount is None:
        return None
    if amount and abs(amount) < Decimal("0.01"):  # a small volume is cheap, not free
        return f"{amount:.6f}"
    return f"{cents(amount):.2f}"


def price(amount: str | None) -> str:
    """An amount of a document for people."""
    return "unknown" if amount is None else f"${_short(amount)}"


def signed(amount: str | None) -> str:
    """A difference."""
    if amount is None:
        return "unknown"
    if not Decimal(amount):
        return "$0.00"
    sign = "-" if amount.startswith("-") else "+"
    return f"{sign}${_short(amount.removeprefix('-'))}"


def _short(amount: str) -> str:
    """Amounts under a cent to four decimals: a small volume is cheap, not free."""
    value = Decimal(amount)
    return f"{value:,.2f}" if not value or abs(value) >= Decimal("0.01") else f"{value:.4f}"

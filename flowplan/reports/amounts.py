"""Money, shares and lengths of time, as documents carry them and as people read them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from flowplan.pricing import cents

if TYPE_CHECKING:
    from flowplan.pricing import Band


def money(amount: Decimal | None) -> str | None:
    """Of a document: dollars as text, null where it is unknown."""
    if amount is None:
        return None
    if amount and abs(amount) < Decimal("0.01"):  # a small volume is cheap, not free
        return f"{amount:.6f}"
    return f"{cents(amount):.2f}"


def plain(number: Decimal | None, unit: Decimal = Decimal("0.001")) -> str | None:
    """Of a document: a number that is no money, as text."""
    return None if number is None else f"{number.quantize(unit).normalize():f}"


def band(found: Band) -> dict[str, str | None]:
    """Of a document: money that is not certain."""
    parts = {"p10": found.p10, "p50": found.p50, "p90": found.p90, "expected": found.expected}
    return {name: money(part) for name, part in parts.items()}


def usd(amount: Decimal | None) -> str:
    """For people. Under a cent, four decimals: cheap is not free."""
    if amount is None:
        return "unknown"
    return f"${amount:,.4f}" if amount and abs(amount) < Decimal("0.01") else f"${cents(amount):,.2f}"


def length(hours: float) -> str:
    """How long something is, for people: "24 h", "14 days"."""
    return f"{hours / 24:g} days" if hours > 24 and hours % 24 == 0 else f"{hours:g} h"

"""Dollars and hours: the units of everything here, how they are rounded, and how people read them."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
HOURS_PER_MONTH = 730
HOUR, DAY, MONTH = 1.0, 24.0, float(HOURS_PER_MONTH)
STORAGE_PER_GB_MONTH = Decimal("0.08")  # FCP: volumes of either interface, from the moment they exist


def storage_per_month(size_gb: int) -> Decimal:
    """Dollars per month of a volume."""
    return STORAGE_PER_GB_MONTH * size_gb


def storage_per_hour(size_gb: int) -> Decimal:
    """Dollars per hour of a volume."""
    return storage_per_month(size_gb) / HOURS_PER_MONTH


def cents(amount: Decimal) -> Decimal:
    """`amount` rounded once, at output: half up to the cent."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def usd(amount: Decimal | None) -> str:
    """`amount` as people read it: to the cent, with thousands separators; below one cent, that it is (a small volume is
    cheap, not free)."""
    if amount is None:
        return "unknown"
    sign, size = ("-" if amount < 0 else ""), abs(amount)
    return f"{sign}under $0.01" if 0 < size < CENT else f"{sign}${cents(size):,.2f}"


def span(hours: float) -> str:
    """How long a horizon is, in words."""
    return {24.0: "a day", 1.0: "an hour"}.get(hours) or lasting(hours)


def lasting(hours: float) -> str:
    """A number of minutes, hours or days."""
    amount, unit = (hours * 60, "minutes") if hours < 1 else (hours, "hours") if hours < 48 else (hours / 24, "days")
    number = f"{amount:.1f}".removesuffix(".0")
    return f"{number} {unit.removesuffix('s') if number == '1' else unit}"


def length(hours: float) -> str:
    """How long something is, where there is little room: "24 h", "14 days"."""
    return f"{hours / 24:g} days" if hours > 24 and hours % 24 == 0 else f"{hours:g} h"

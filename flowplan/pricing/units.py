"""Dollars and hours: the units of everything here, how they are rounded, and how people read them.

This is the one place that writes an amount, a price with its unit, or a share for people.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from typing import overload

CENT = Decimal("0.01")
HOURS_PER_MONTH = 730
HOUR, DAY, MONTH = 1.0, 24.0, float(HOURS_PER_MONTH)
STORAGE_PER_GB_MONTH = Decimal("0.08")  # FCP: volumes of either interface, from the moment they exist


@overload
def storage_per_month(size_gb: int) -> Decimal: ...
@overload
def storage_per_month(size_gb: int | None) -> Decimal | None: ...
def storage_per_month(size_gb: int | None) -> Decimal | None:
    """Dollars per month of a volume; None where its size is unknown."""
    return None if size_gb is None else STORAGE_PER_GB_MONTH * size_gb


@overload
def storage_per_hour(size_gb: int) -> Decimal: ...
@overload
def storage_per_hour(size_gb: int | None) -> Decimal | None: ...
def storage_per_hour(size_gb: int | None) -> Decimal | None:
    """Dollars per hour of a volume; None where its size is unknown."""
    return None if size_gb is None else storage_per_month(size_gb) / HOURS_PER_MONTH


def total(parts: Iterable[Decimal | None]) -> Decimal | None:
    """The sum of `parts`; None as soon as one of them is unknown."""
    made = Decimal(0)
    for part in parts:
        if part is None:
            return None
        made += part
    return made


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


def an_hour_at_most(amount: Decimal | None) -> str:
    """What something costs an hour at the most, as people read it."""
    return "an unknown amount an hour" if amount is None else f"at most {usd(amount)} an hour"


def counted(quantity: int | None, kind: str) -> str:
    """The instances that a bid is for, as people read it: how many of what `kind`."""
    return f"an unknown number of {kind}" if quantity is None else f"{quantity} x {kind}"


def gigabytes(size_gb: int | None) -> str:
    """How large a volume is, as people read it."""
    return "unknown size" if size_gb is None else f"{size_gb:,} GB"


def beside_cents(amount: Decimal) -> str:
    """`amount` with as many decimals as it takes to tell it from whole cents that it is compared with."""
    return usd(amount) if amount == amount.quantize(CENT) else f"${amount:,.4f}"


def per_instance(price: Decimal | None, gpus: int | None = None) -> str:
    """A price as people read it, with its unit, and what it is of one of several GPUs: `$17.92 per instance-hour ($2.24
    per GPU-hour)`."""
    if price is None:
        return usd(price)
    said = f"{usd(price)} per instance-hour"
    return f"{said} ({per_gpu(price / gpus)})" if gpus is not None and gpus > 1 else said


def per_gpu(price: Decimal) -> str:
    """A price of one GPU, with its unit."""
    return f"{usd(price)} per GPU-hour"


def on_axis(price: Decimal, step: Decimal) -> str:
    """A price beside a picture whose labels are `step` apart: all with as many places as tell them apart."""
    places = max(2, -int(step.normalize().as_tuple().exponent)) if step % 1 else 0
    return f"${price:,.{places}f}"


def percent(share: Decimal | float) -> str:
    """A share as people read it: whole percents, rounded down, so that only all of it is 100%; what is less than one
    percent is not said to be none."""
    return "under 1%" if 0 < share < CENT else f"{int(share * 100)}%"


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

"""By which prices a limit is checked. Pure.

They stand apart from what the limits are, for the help of a command names them and needs no more.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

BudgetBasis: TypeAlias = Literal["worst", "p90", "p50"]  # every limit price paid, or a forecast
BASES: tuple[BudgetBasis, ...] = ("worst", "p90", "p50")

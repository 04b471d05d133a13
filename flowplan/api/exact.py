"""Money is computed as flowplan computes it, whatever a program has set `decimal` to for itself."""

from __future__ import annotations

from contextlib import AbstractContextManager
from decimal import ROUND_HALF_EVEN, Context, DivisionByZero, InvalidOperation, Overflow, localcontext

_EXACT = Context(
    prec=28,
    rounding=ROUND_HALF_EVEN,
    Emin=-999999,
    Emax=999999,
    capitals=1,
    clamp=0,
    flags=[],
    traps=[InvalidOperation, DivisionByZero, Overflow],
)


def exactly() -> AbstractContextManager[Context]:
    """Within, this thread computes as the command line does; after it, as the program has set it."""
    return localcontext(_EXACT)

"""Money is computed as flowplan computes it, whatever a program has set `decimal` to for itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import ROUND_HALF_EVEN, Context, DivisionByZero, InvalidOperation, Overflow, localcontext
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
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


def exact(compute: Callable[P, T]) -> Callable[P, T]:
    """What is computed `exactly` in any program: a figure, or a document, of what a call has returned."""

    @wraps(compute)
    def computed(*args: P.args, **kwargs: P.kwargs) -> T:
        with exactly():
            return compute(*args, **kwargs)

    return computed

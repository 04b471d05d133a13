"""What somebody else misspells, as `mypy --strict` sees it: each marked line is an error. An `except` of a name that is
not there would else fail when it is needed first, in the middle of what went wrong."""

from __future__ import annotations

import flowplan


def misspelt(stack: flowplan.Stack) -> int:
    try:
        stack.apply(stack.plan(tarjet="bid.a"), wait="placd")  # type: ignore[call-arg, arg-type]
    except flowplan.Lokced:  # type: ignore[attr-defined]
        return 4
    return 0

"""How much work a call is, by counting: no other process, and no load of the machine, changes the count."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def lines_of(call: Callable[[], object]) -> int:
    """How many lines of Python `call` runs through in this thread; each round of a loop in one line counts, too. What
    C code does by itself does not."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        del frame
        count += event == "line"
        return trace

    before, collecting = sys.gettrace(), gc.isenabled()
    gc.disable()  # it calls back into Python, when and how often depends on what ran before
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
        if collecting:
            gc.enable()
    return count


def grows_linearly(call: Callable[[int], Callable[[], object]], count: int = 50) -> bool:
    """Whether twice as much, and four times, is no more than twice the work, what is always done aside. `call` gives
    for each size what is counted; what it does before does not count."""
    call(count)()  # what is done once only
    one, two, four = (lines_of(call(count * n)) for n in (1, 2, 4))
    return four - two <= 2.1 * (two - one)

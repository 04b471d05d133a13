"""Where a report goes that is made while a run is under way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from flowplan.reports.text.paint import Paint


class Outlet(NamedTuple):
    """Two streams of lines, each with its paint: `out` takes the result, `say` the rest. `now`: the time, as text.
    `below` keeps lines below all else, asked for again with the columns and rows that there are; None takes them away,
    and is all that it may get where `say` is no terminal. `is_saved`: a saved plan is carried out, which is not shown
    again."""

    out: Callable[[str], None]
    say: Callable[[str], None]
    paint_out: Paint
    paint_say: Paint
    now: Callable[[], str]
    below: Callable[[Callable[[int, int], Sequence[str]] | None], None]
    is_saved: bool = False

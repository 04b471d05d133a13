"""How a plan is carried out, as a command line or a program says it."""

from __future__ import annotations

from flowplan.apply.options import OnUnknown
from flowplan.apply.scan import SETTLE_WINDOW
from flowplan.apply.waits import Until
from flowplan.classes import frozen


@frozen
class RunOptions:
    """`timeout`: seconds for a removal, and for what `wait` waits for. `settle_window`: seconds in which a create whose
    answer was lost may still show up. `for_machines`: forecast every span. `show_scripts`: show startup scripts with
    the plan. `init`: start a new state although there are traces of an earlier one."""

    parallelism: int = 10
    wait: Until = "placed"
    timeout: float = 1800.0
    settle_window: float = SETTLE_WINDOW
    on_unknown: OnUnknown = "retry"
    for_machines: bool = False
    show_scripts: bool = False
    init: bool = False

"""What `flowplan watch` may do to a stack without asking anybody: the key `watch` of a stack file. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, TypeAlias

from attrs import field

from flowplan.classes import frozen
from flowplan.diagnostics import Position

OnPreempted: TypeAlias = Literal["report", "rebid"]
ON_PREEMPTED: tuple[OnPreempted, ...] = ("report", "rebid")


@frozen
class Watching:
    """The policy of one stack. `on_preempted`: whether a bid that the cloud has ended is placed again (`rebid`), or
    only reported. `raise_limit_up_to`: how far a limit price may be raised, in dollars per instance-hour; None: it
    never is. `switch_region`: whether a bid that waits and holds nothing may be placed where it is much better.
    `max_hourly_cost`: what the stack may cost with every limit paid, in dollars an hour, by anything that the watch
    does; None: only the guards of the files limit it. `enforce_lifetime`: whether a bid is cancelled once its lifetime
    is over. `position`: where it is written; None: the files say nothing, and all but lifetimes is only reported."""

    on_preempted: OnPreempted = "report"
    raise_limit_up_to: Decimal | None = None
    switch_region: bool = False
    max_hourly_cost: Decimal | None = None
    enforce_lifetime: bool = True
    position: Position | None = field(default=None, eq=False)


ONLY_LOOKS = Watching()  # of files that say nothing of it

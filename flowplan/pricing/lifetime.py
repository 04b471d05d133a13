"""What is left of a bid's lifetime, as far as it bounds what the bid can still cost. Pure."""

from __future__ import annotations

import math
from decimal import Decimal

from flowplan.classes import frozen


@frozen
class Left:
    """`running`: hours of running, `paid`: dollars of all its instances, `hours`: hours from now; whichever is used up
    first ends the bid. None: no such bound."""

    running: Decimal | None = None
    paid: Decimal | None = None
    hours: Decimal | None = None

    @property
    def most_running(self) -> float:
        """Hours of running at most, infinity without a bound."""
        return math.inf if self.running is None else max(float(self.running), 0.0)

    def within(self, hours: float) -> float:
        """Of the next `hours`, those before the lifetime ends if nothing but the clock ends it."""
        return hours if self.hours is None else min(hours, max(float(self.hours), 0.0))

    def running_within(self, hours: float) -> float:
        """Of the next `hours`, those that it can run at most."""
        return min(self.within(hours), self.most_running)

    def most(self, amount: Decimal | None) -> Decimal | None:
        """`amount` of dollars, or what may still be paid if that is less; None: neither is known."""
        if amount is None or self.paid is None:
            return amount if self.paid is None else self.paid
        return min(amount, self.paid)

    def ends_before(self, running: float, hours: Decimal | None, cost: Decimal | None) -> bool:
        """Whether it is used up before something is done that takes `running` hours of running, is expected in `hours`
        from now and costs `cost` dollars; None: not known."""
        late = self.hours is not None and hours is not None and hours > self.hours
        dear = self.paid is not None and cost is not None and cost > self.paid
        return late or dear or running > self.most_running


ENDLESS = Left()  # of a bid that runs until somebody cancels it

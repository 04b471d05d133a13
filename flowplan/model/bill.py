"""What a bill says of one bid."""

from __future__ import annotations

from decimal import Decimal

from flowplan.classes import frozen


@frozen
class Bill:
    """`amount`: dollars; `hours`: the instance-hours that they are for, to the millionth. A bill that lags, or of which
    a part is missing, is for fewer hours."""

    amount: Decimal
    hours: Decimal

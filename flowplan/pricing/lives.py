"""What a bid costs on each past path until its lifetime ends, or the horizon does."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from flowplan.pricing.history import Met, Stream
from flowplan.pricing.lifetime import Left


class Life(NamedTuple):
    """`cost`: dollars of all instances; `met`: what one instance meets; `share`: of the `hours` until its end, the part
    in which it runs."""

    cost: float
    met: Met
    share: float
    hours: float


def lives(
    stream: Stream, limit: Decimal | None, quantity: int, hours: float, reach: float, level: float, left: Left
) -> list[Life]:
    """On each path of `reach` hours, the latest first, taken for `hours`."""
    met = stream.replay(limit, reach, level)
    if left.running_within(hours) >= hours:
        scale = hours / reach * quantity
        found = [Life(one.cost * scale, one, one.running / reach, reach) for one in met]
    else:
        found = list(_ending(stream, limit, quantity, hours, reach, level, left))
    if left.paid is None:
        return found
    most = max(float(left.paid), 0.0)
    return [one._replace(cost=min(one.cost, most)) for one in found]


def _ending(
    stream: Stream, limit: Decimal | None, quantity: int, hours: float, reach: float, level: float, left: Left
) -> Iterator[Life]:
    until = left.within(hours)
    end = min(until, reach)
    wanted = min(left.most_running, end)
    done = stream.until(limit, reach, level, wanted, end)
    for one, met in zip(done, stream.replay(limit, reach, level), strict=True):
        ran = wanted - one.left
        if ran <= 0:
            yield Life(0.0, Met(0.0, 0.0, met.preemptions), 0.0, end)
            continue
        grown = min(left.most_running, ran * until / end) / ran  # beyond its end a path goes on as it was
        met = Met(one.cost, ran, met.preemptions)
        yield Life(one.cost * grown * quantity, met, min(ran / one.hours, 1.0), one.hours)

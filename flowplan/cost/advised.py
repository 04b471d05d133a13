"""The limit advised beside the one that a bid has: what it keeps and may lose, and when a limit is far above it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowplan.cost.costs import Priced
from flowplan.model.catalogue import PRIORITIES
from flowplan.pricing.entry import Estimate
from flowplan.pricing.units import percent, span, usd

if TYPE_CHECKING:
    from flowplan.pricing.advice import Advice

_FAR = 3  # times what is needed


def is_far_above_need(found: Estimate, advice: Advice | None) -> bool:
    """Whether a bid that would run has a limit far above the one advised. Not said of a limit that is one of FCP's
    priorities: nobody chose that figure."""
    if advice is None or advice.limit_price is None or found.outlook not in ("runs", "unknown"):
        return False
    limit = found.limit_price
    if found.gpus and limit / found.gpus in PRIORITIES.values():
        return False
    return limit > advice.limit_price * _FAR


def advised(one: Priced) -> str | None:
    """The limit that keeps a bid running, what is promised of it, and what it is expected to cost more."""
    advice, found = one.advice, one.forecast
    if advice is None or advice.limit_price is None or advice.confidence is None:
        return None
    text = kept_by(advice)
    more = advice.extra_cost_over(found, one.left) if found is not None else None
    return text if more is None or more <= 0 else f"{text}, for about {usd(more)} more"


def kept_by(advice: Advice) -> str:
    """What the limit advised does, and how surely. Of advice that is none: "unknown"."""
    if advice.limit_price is None or advice.confidence is None:
        return "unknown"
    return (
        f"a limit of {usd(advice.limit_price)} keeps it running {percent(advice.availability)} of {span(advice.hours)}"
        f" in {percent(advice.confidence)} of cases"
    )


def risk_of_lowering(advice: Advice) -> str:
    """What the limit advised may lose, and how surely."""
    lost = 1 - advice.availability
    sure = f" in {percent(advice.confidence)} of cases, longer in the others" if advice.confidence is not None else ""
    return (
        f"with a limit of {usd(advice.limit_price)} it is down for up to {percent(lost)} of {span(advice.hours)}{sure}"
    )

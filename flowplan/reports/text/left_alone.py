"""What a plan leaves alone -> lines: each address with what it costs and why, and what is paid in all."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flowplan.documents.amounts import an_amount, price
from flowplan.names import Said, together
from flowplan.printable import shown
from flowplan.reports.text.cost import bidding, stored
from flowplan.reports.text.paint import Paint, wrapped

if TYPE_CHECKING:
    from flowplan.documents.shapes.cost import BidCost, VolumeCost
    from flowplan.documents.shapes.plan import HourOf, LeftAlone, PlanBody, ResourceLeftAlone


def left_alone(found: LeftAlone, paint: Paint) -> str:
    """The resources, those of one file that cost the same in one line."""

    def sentence(one: ResourceLeftAlone) -> Said:
        name, said = shown(one["address"]), f"{_cost(one)} ({_why(one)})"
        return Said(name, f"{paint(name, 'bold')}: {said}", f"each {said}")

    said = together(map(sentence, found["resources"]), paint.dots, each=paint.verbose)
    lines = [line for one in said for line in wrapped(one, "  ", "    ", paint.width)]
    return "\n".join(["Left alone by this plan, and still paid for:", *lines])


def _cost(one: ResourceLeftAlone) -> str:
    cost = one["cost"]
    if cost is None:
        return "cost unknown"
    return stored(cast("VolumeCost", cost)) if one["type"] == "volume" else bidding(cast("BidCost", cost))


def _why(one: ResourceLeftAlone) -> str:
    if one["file"] is None:
        return "no known file names it"
    return f"{shown(one['file'])} {'was not given' if one['file_exists'] else 'no longer exists'}"


def _paid(hour: HourOf, when: str) -> str:
    if hour["worst"] is None:
        return f"an unknown amount {when}"
    return f"{an_amount(hour['now'])} {when}, at most {price(hour['worst'])}"


def in_all(body: PlanBody, width: int) -> list[str]:
    """What is paid an hour, with what is left alone."""
    if "left_alone" not in body:
        return []
    before, after = body["left_alone"]["current"], body["left_alone"]["planned"]
    said = _paid(before, "an hour now")
    if before != after:
        said = f"{_paid(before, 'an hour before')}; {_paid(after, 'after')}"
    return wrapped(f"with what is left alone, you pay {said}", "  ", "    ", width)

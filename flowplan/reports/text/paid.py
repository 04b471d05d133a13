"""What was paid over the life of a stack -> lines for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flowplan.documents.amounts import number, price
from flowplan.documents.totals import rows_make
from flowplan.pricing.units import usd
from flowplan.printable import shown
from flowplan.reports.text.paint import Paint, wrapped
from flowplan.reports.text.tables import lined

if TYPE_CHECKING:
    from flowplan.documents.shapes import paid as shape

# Without a state nothing was asked, so nobody knows what is live: who is to stop what costs money, and has not named
# the state, must not hear that there is nothing.
NOT_LOOKED = (
    "There is no state here, so flowplan did not look for bids and volumes. If this stack was applied from somewhere "
    "else, give --state of the place that has it; `flowplan orphans` lists live bids that no state here has."
)


def paid_over_life(found: shape.PaidInAll, paint: Paint) -> str:
    """By task and in all."""
    head = f"{paint('Paid for instances over the life of this stack', 'bold')}, storage not included"
    lines = [*wrapped(head, "", "  ", paint.width), *_rows(found["tasks"], paint.width)]
    whole = " ".join(
        [f"In all {in_all(found)}.", *rounded([one["at_least"] for one in found["tasks"]], found["at_least"])]
    )
    lines += wrapped(whole, "  ", "  ", paint.width)
    for one in found["released"]:
        said = f"Not counted: {amount(one)} of {shown(one['address'])}, which was released and is not this stack's."
        lines += wrapped(said, "  ", "  ", paint.width)
    return "\n".join(lines)


def in_all(found: shape.PaidInAll) -> str:
    """The sum, and why it is not known in full."""
    if found["paid"] is not None:
        return price(found["paid"])
    missing = sum(one["paid"] is None for one in found["tasks"])
    if missing:
        why = "the bill of a bid could not be read"
    else:
        why = "the state was lost and rebuilt, and earlier bids may be missing"
    return f"at least {price(found['at_least'])}, because {why}"


def rounded(rows: Sequence[str | None], total: str | None) -> list[str]:
    """That rows, amounts of a document, do not add up to the total beside them, because each is rounded; nothing where
    they do, or where one is unknown."""
    known = [number(one) for one in rows if one is not None]
    made = rows_make(known, number(total)) if total is not None and len(known) == len(rows) else None
    return [] if made is None else [f"The amounts paid are each rounded to the cent; they add up to {usd(made)}."]


def amount(one: shape.PaidFor) -> str:
    """What one task was paid."""
    return price(one["paid"]) if one["paid"] is not None else f"at least {price(one['at_least'])}"


def _rows(tasks: Sequence[shape.PaidFor], width: int) -> list[str]:
    rows = [[shown(one["address"]), amount(one), _count(one)] for one in tasks]
    return [line for lines in lined(rows, width, last_left=True) for line in lines] if rows else []


def _count(one: shape.PaidFor) -> str:
    return f"{len(one['bids'])} bids" if len(one["bids"]) > 1 else ""

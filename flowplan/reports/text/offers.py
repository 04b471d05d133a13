"""Where tasks could go, and what was chosen -> a table for each task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowplan.documents.offers import document
from flowplan.pricing.units import span
from flowplan.printable import shown
from flowplan.reports.text.candidates import table
from flowplan.reports.text.paint import Paint, wrapped

if TYPE_CHECKING:
    from flowplan.documents.offers import Offers
    from flowplan.documents.shapes.offers import TaskOffers


def text(found: Offers, paint: Paint) -> str:
    """A table for each task, under what is asked for."""
    body = document(found)
    if not body["tasks"]:
        return "No task is configured, so no place is needed.\n"
    return "\n\n".join("\n".join(_task(one, paint)) for one in body["tasks"]) + "\n"


def _task(one: TaskOffers, paint: Paint) -> list[str]:
    many = one["instance_quantity"]
    instances = "1 instance" if many == 1 else f"{many} instances"
    said = f"{paint(shown(one['address']), 'bold')}: {instances}, for {span(one['hours'])} of work"
    lines = wrapped(said, "", "  ", paint.width)
    lines += wrapped(shown(one["choice"], 400), "  # ", "  # ", paint.width) if one["choice"] else []
    return [*lines, *table(one["candidates"], "  ", paint)]

"""Where tasks could go -> a document: in a plan, and of task files without one. Unknown is null."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from flowplan import __version__
from flowplan.classes import frozen
from flowplan.diagnostics import Position
from flowplan.documents.about import moment
from flowplan.documents.amounts import money, plain
from flowplan.documents.diagnostics import source
from flowplan.exact import exact
from flowplan.model.address import Address
from flowplan.names import few
from flowplan.planning.candidates import Ranked

if TYPE_CHECKING:
    from flowplan.documents.shapes import offers as shape

FORMAT_VERSION = "1.0"


@frozen
class TaskOffers:
    """The places of one task, the best first. `hours`: the work that costs are counted over; `choice`: why the first
    is the best; None: it is the only one."""

    address: Address
    position: Position
    quantity: int
    optimize: str | None
    hours: float
    places: Sequence[Ranked]
    choice: str | None


@frozen
class Offers:
    """Where tasks could go: `at`, the server's time; None: it does not tell."""

    tasks: Sequence[TaskOffers]
    timestamp: str
    api_url: str
    at: datetime | None

    def __repr__(self) -> str:
        """The best place of each task; a notebook shows it, and a log."""
        best = [(one.address, one.places[0].candidate) for one in self.tasks if one.places]
        places = [f"{address} on {one.kind.name} in {one.auction.region}" for address, one in best]
        return f"<Offers: {few(places) or 'none'}>"


@exact
def document(found: Offers) -> shape.OffersDocument:
    """The tasks in the order of their files."""
    return {
        "format_version": FORMAT_VERSION,
        "flowplan_version": __version__,
        "timestamp": found.timestamp,
        "api_url": found.api_url,
        "as_of": moment(found.at),
        "unit": "USD/instance-hour",
        "tasks": [_task(one) for one in found.tasks],
    }


def _task(one: TaskOffers) -> shape.TaskOffers:
    return {
        "address": str(one.address),
        "source": source(one.position),
        "instance_quantity": one.quantity,
        "optimize": one.optimize,
        "hours": one.hours,
        "choice": one.choice,
        "candidates": [candidate(place) for place in one.places],
    }


def candidate(one: Ranked) -> shape.Candidate:
    """One place."""
    there, ahead, why = one.candidate, one.candidate.prospect, one.why_not
    return {
        "instance_type": there.kind.id,
        "instance_type_name": there.kind.name,
        "region": there.auction.region,
        "limit_price": money(there.limit_price),
        "price_now": money(there.auction.last_price),
        "can_win": one.can_win,
        "expected_cost": None if ahead is None else money(ahead.cost),
        "expected_hours": None if ahead is None else float(ahead.hours),
        "expected_availability": None if ahead is None else plain(ahead.runs),
        "why_not": None if why is None else why.sentence,
        "reason": None if why is None else why.reason,
    }

"""What the bids of a stack are doing -> a page for a browser, as that of a plan is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flowplan.classes import frozen
from flowplan.documents.about import moment
from flowplan.documents.ports import listed, ranges
from flowplan.documents.status import BidRow, Status, VolumeRow
from flowplan.pricing.units import counted, gigabytes, usd
from flowplan.reports.html.filling import filled, framed
from flowplan.reports.html.notices import typed
from flowplan.reports.text.paint import Paint
from flowplan.reports.text.status import present, said_in_all, said_of, said_of_nothing, said_over_life

# What is charged -> the name of a style
_TONES = {"charged": "create", "waits": "update", "paused": "update", "ended": "forget", "unknown": "delete"}


@frozen
class Bid:
    """One bid: `said`, a sentence each about charges, a raised limit and lifetime, in parts (`typed`); `instances`:
    name, status, and how to reach it."""

    address: str
    id: str
    status: str
    tone: str
    what: str
    hour: str
    said: Sequence[Sequence[str]]
    instances: Sequence[tuple[str, str, str]]
    ports: str


def page(found: Status, paint: Paint) -> str:
    """The whole page, ending in a newline."""
    body = filled(
        "status.html.j2",
        stack=found.state.stack,
        project=found.state.project_name,
        api=found.state.api_url,
        as_of=moment(found.as_of) or "",
        paid=usd(found.paid),
        running=sum(row.charge == "charged" for row in found.bids),
        waiting=sum(row.charge == "waits" for row in found.bids),
        said=_parts(
            said_in_all(found) if found.bids or found.volumes else [said_of_nothing(found), *said_over_life(found)],
            paint,
        ),
        bids=[_bid(row, paint) for row in found.bids],
        volumes=[_volume(row) for row in found.volumes],
    )
    return framed(f"flowplan status: {found.state.stack}", body)


def _parts(said: Iterable[str], paint: Paint) -> list[list[str]]:
    return [typed(paint.typed(one)) for one in said]


def _bid(row: BidRow, paint: Paint) -> Bid:
    kind = row.bid.instance_type_name or row.bid.instance_type
    return Bid(
        address=str(row.address),
        id=row.id,
        status=row.status,
        tone=_TONES[row.charge],
        what=f"{counted(row.bid.quantity, kind)} in {row.bid.region}",
        hour=f"{usd(row.hour)} an hour",
        said=_parts(said_of(row), paint),
        instances=present(row),
        ports=", ".join(ranges(listed(row.pairs))),
    )


def _volume(row: VolumeRow) -> tuple[str, str, str, str]:
    """Its address, id, what it is, and what it costs a month."""
    volume = row.volume
    if not row.there:
        return str(row.address), row.id, "gone", usd(None)
    return (
        str(row.address),
        row.id,
        f"{gigabytes(volume.held_gb)} {volume.interface} in {volume.region}",
        usd(row.month),
    )

"""flowplan orphans."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from flowplan.cli import Command
from flowplan.operations.looking import listed
from flowplan.operations.settings import Session

if TYPE_CHECKING:
    from flowplan.model.live import LiveBid
    from flowplan.state.ownership import Orphans


@click.command(cls=Command)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_context
def orphans(ctx: click.Context, form: str) -> int:
    """List what is live with flowplan's marker although no state here knows it. Nothing is changed.

    Bids of this stack cost money that no plan shows; of other stacks, this directory cannot know whether their
    state is in another place.
    """
    from flowplan.reports.text.orphans import text
    from flowplan.state.ownership import orphans as find

    session = Session.of(ctx)
    with session.locked(reading=True):
        loaded = session.load()
        session.enter_project(loaded.state, None)
        live = listed(session.cloud())
        found = find(loaded.state, loaded.pending.values(), live)
    if form == "json":
        session.terminal.out(json.dumps(_document(found), indent=2))
    else:
        session.terminal.out(text(found, session.terminal.paint), end="")
    return 0


def _document(found: Orphans) -> dict[str, Any]:
    return {
        "format_version": "1.0",
        "bids": [_bid(bid) for bid in found.ours],
        "released": [_bid(bid) for bid in found.released],
        "volumes": [{"id": one.id, "name": one.volume.name, "size_gb": one.volume.size_gb} for one in found.volumes],
        "other_stacks": [_bid(bid) for bid in found.elsewhere],
    }


def _bid(bid: LiveBid) -> dict[str, Any]:
    assert bid.marker is not None  # noqa: S101 - orphans are found by it
    return {
        "id": bid.id,
        "name": bid.bid.name,
        "address": str(bid.marker.address),
        "status": bid.status,
        "stack": bid.marker.stack,
        "lineage": bid.marker.lineage,
        "limit_price": f"{bid.bid.limit_price:.2f}",
        "instance_quantity": bid.bid.instance_quantity,
        "created_at": bid.created_at,
    }

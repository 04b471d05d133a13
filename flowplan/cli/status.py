"""flowplan status."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import click

from flowplan.cli import Command
from flowplan.cli.session import Session
from flowplan.plan import key_of

if TYPE_CHECKING:
    from flowplan.reports.status_text import Row


@click.command(cls=Command)
@click.pass_context
def status(ctx: click.Context) -> int:
    """Show what flowplan's bids are doing: status, instances, ssh, ports, price now, paid so far."""
    from flowplan.reports.status_text import text

    session = Session.of(ctx)
    session.terminal.out(text(rows(session), session.terminal.paint), end="")
    return 0


def rows(session: Session) -> list[Row]:
    """One row a bid of the state, from a fixed number of lists and one price per distinct auction."""
    from flowplan.reports.status_text import Row, paid_by_bid
    from flowplan.resources import Address, Bid, PortMapping, in_order

    state = session.load().state
    ours = {address: binding for address, binding in state.bindings.items() if address.kind == "bid"}
    if not ours:
        return []
    session.enter_project(state, None)
    cloud = session.cloud()
    _, live = cloud.observe()
    instances = cloud.instances()
    found = [live.bids[binding.id].bid for binding in ours.values() if binding.id in live.bids]
    markets = cloud.markets(sorted({key_of(bid) for bid in found}))
    paid = paid_by_bid(cloud.paid(), cloud.now())
    made = []
    for address in sorted(ours, key=in_order):
        id = ours[address].id
        ports = state.bindings.get(Address("ports", address.name))
        bid = live.bids[id].bid if id in live.bids else ours[address].applied
        assert isinstance(bid, Bid)  # noqa: S101 - bid addresses hold bids
        made.append(
            Row(
                address=str(address),
                id=id,
                status=live.bids[id].status if id in live.bids else "gone",
                bid=bid,
                market=markets.get(key_of(bid)),
                instances=tuple(one for one in instances if one.bid == id),
                pairs=ports.applied.pairs if ports and isinstance(ports.applied, PortMapping) else (),
                paid=paid.get(id, Decimal(0)),  # the API lists what was billed: nothing listed, nothing billed
            )
        )
    return made

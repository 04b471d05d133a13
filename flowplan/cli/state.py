"""flowplan state list, flowplan state show."""

from __future__ import annotations

import difflib

import click

from flowplan.cli import Command, Group
from flowplan.cli.session import Session
from flowplan.errors import FlowplanError, UsageProblem
from flowplan.resources import Address, in_order


@click.group(cls=Group)
def state() -> None:
    """Look into the state: what flowplan made, by address."""


@state.command("list", cls=Command)
@click.pass_context
def list_(ctx: click.Context) -> int:
    """List the addresses, one a line."""
    session = Session.of(ctx)
    for address in sorted(session.store.read().state.bindings, key=in_order):
        session.terminal.out(str(address))
    return 0


@state.command("show", cls=Command)
@click.argument("address")
@click.pass_context
def show(ctx: click.Context, address: str) -> int:
    """Show one resource as it was last applied."""
    from flowplan.reports import state_text

    session = Session.of(ctx)
    try:
        wanted = Address.parse(address)
    except ValueError as error:
        raise UsageProblem(str(error)) from None
    bindings = session.store.read().state.bindings
    if wanted not in bindings:
        near = difflib.get_close_matches(address, [str(one) for one in bindings], n=1)
        raise FlowplanError(
            f"{address} is not in the state",
            hint=f"did you mean {near[0]}?" if near else "`flowplan state list` lists what is",
        )
    session.terminal.out(state_text.one(bindings[wanted]))
    return 0

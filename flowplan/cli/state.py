"""flowplan state list, show, rm, restore."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

import attrs
import click

from flowplan.cli import Command, Group
from flowplan.cli.session import Session
from flowplan.errors import FlowplanError, UsageProblem
from flowplan.resources import Address, in_order
from flowplan.state import Binding, consistent


@click.group(cls=Group)
def state() -> None:
    """Look into the state, by address; forget one address; put the last good version back."""


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
    session.terminal.out(state_text.one(_bound(address, session.store.read().state.bindings)))
    return 0


def _bound(address: str, bindings: Mapping[Address, Binding]) -> Binding:
    """What `address` is in the state. Raises UsageProblem, FlowplanError with a near one."""
    try:
        wanted = Address.parse(address)
    except ValueError as error:
        raise UsageProblem(str(error)) from None
    if wanted not in bindings:
        near = difflib.get_close_matches(address, [str(one) for one in bindings], n=1)
        raise FlowplanError(
            f"{address} is not in the state",
            hint=f"did you mean {near[0]}?" if near else "`flowplan state list` lists what is",
        )
    return bindings[wanted]


@state.command("rm", cls=Command)
@click.argument("address")
@click.pass_context
def rm(ctx: click.Context, address: str) -> int:
    """Forget one address: the object itself is not touched, and costs what it costs."""
    session = Session.of(ctx)
    with session.locked():
        store = session.store
        loaded = store.read()
        binding = _bound(address, loaded.state.bindings)
        kept = {one: b for one, b in loaded.state.bindings.items() if one != binding.address}
        store.save(attrs.evolve(loaded.state, bindings=consistent(kept)), loaded.pending.values())
    session.terminal.out(f"{binding.address} ({binding.id}) is forgotten; it still exists.")
    return 0


@state.command("restore", cls=Command)
@click.pass_context
def restore(ctx: click.Context) -> int:
    """Put the last good version of the state back, and what the journal holds since.

    The damaged file is kept beside it, under a name that ends in .damaged.
    """
    session = Session.of(ctx)
    with session.locked():
        state, damaged = session.store.restore()
    session.terminal.out(f"The state is that of the backup, now with serial {state.serial}.")
    if damaged is not None:
        session.terminal.note(f"the damaged file is kept as {damaged}")
    session.terminal.note("flowplan plan shows what differs; bids placed since are found by their marker")
    return 0

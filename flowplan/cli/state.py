"""flowplan state list, show, mv, rm, pull, push, restore."""

from __future__ import annotations

import attrs
import click

from flowplan.cli import Command, Group
from flowplan.errors import StateError
from flowplan.model.address import Address, in_order
from flowplan.operations.settings import Session
from flowplan.operations.state import _bound, _hold_certain, _hold_continued, _lineages, _moved, _moves, _pushed
from flowplan.state.codec import dump
from flowplan.state.state import consistent


@click.group(cls=Group)
def state() -> None:
    """Look into the state, by address; mend it; copy it; put the last good version back."""


@state.command("list", cls=Command)
@click.pass_context
def list_(ctx: click.Context) -> int:
    """List the addresses, one a line."""
    session = Session.of(ctx)
    for address in sorted(session.store.read().state.bindings, key=in_order):
        session.terminal.line(str(address))
    return 0


@state.command("show", cls=Command)
@click.argument("address")
@click.pass_context
def show(ctx: click.Context, address: str) -> int:
    """Show one resource as it was last applied."""
    from flowplan.reports.text import state as state_text

    session = Session.of(ctx)
    session.terminal.out(state_text.one(_bound(address, session.store.read().state.bindings)))
    return 0


@state.command("rm", cls=Command)
@click.argument("address")
@click.pass_context
def rm(ctx: click.Context, address: str) -> int:
    """Let go of one address: the object itself is not touched, and costs what it costs.

    A bid's ports go with it. No later run adopts the bid by its marker, or cancels it; `flowplan import` takes it
    back.
    """
    session = Session.of(ctx)
    with session.locked():
        store = session.store
        loaded = store.read()
        binding = _bound(address, loaded.state.bindings)
        left = {binding.address}
        released = loaded.state.released
        if binding.address.kind == "bid":
            left.add(Address("ports", binding.address.name))
            released |= {binding.id}
        _hold_certain(left, loaded)
        kept = {one: b for one, b in loaded.state.bindings.items() if one not in left}
        new = attrs.evolve(loaded.state, bindings=consistent(kept), released=released)
        store.save(new, loaded.pending.values(), told=True)
    session.terminal.line(f"{binding.address} ({binding.id}) is let go of; it still exists, and costs what it costs.")
    return 0


@state.command("mv", cls=Command)
@click.argument("old", metavar="ADDR")
@click.argument("new", metavar="NEW")
@click.pass_context
def mv(ctx: click.Context, old: str, new: str) -> int:
    """Let a resource have another address. The object itself, and its name in the cloud, stay as they are.

    The ports of a bid go with it.
    """
    session = Session.of(ctx)
    with session.locked():
        store = session.store
        loaded = store.read()
        moved = _moves(_bound(old, loaded.state.bindings).address, new, loaded.state.bindings)
        _hold_certain([*moved, *moved.values()], loaded)
        kept = {moved.get(one, one): _moved(b, moved) for one, b in loaded.state.bindings.items()}
        store.save(attrs.evolve(loaded.state, bindings=kept), loaded.pending.values(), told=True)
    for one, other in moved.items():
        session.terminal.line(f"{one} is now {other}.")
    return 0


@state.command("pull", cls=Command)
@click.pass_context
def pull(ctx: click.Context) -> int:
    """Print the state, with what its journal holds, as a state file."""
    session = Session.of(ctx)
    session.terminal.out(dump(session.store.read().state).decode(), end="")
    return 0


@state.command("push", cls=Command)
@click.argument("file", metavar="FILE")
@click.option("--force", is_flag=True, help="Also over a newer state, or one of another lineage.")
@click.pass_context
def push(ctx: click.Context, file: str, force: bool) -> int:
    """Make FILE ('-': stdin) the state. It must continue the state that is here.

    \b
    Exit codes: 0 done; 4 locked; 5 FILE is no state, or does not continue the one here.
    """
    session = Session.of(ctx)
    new, name = _pushed(file), "stdin" if file == "-" else file
    with session.locked():
        store = session.store
        loaded = store.read()
        if loaded.pending:
            raise StateError(
                "an operation of an earlier run is in doubt; its intent would be lost",
                hint="`flowplan recover` settles it first",
            )
        if loaded.journaled and not force:
            raise StateError(
                "the journal holds what an interrupted run did; it would be lost",
                hint="`flowplan recover` takes it into the state first; --force goes without",
            )
        if not loaded.fresh and not force:
            _hold_continued(loaded.state, new, name)
        if not loaded.fresh and new.lineage != loaded.state.lineage:
            session.terminal.note(_lineages(loaded.state, new))
        saved = store.save(attrs.evolve(new, serial=max(new.serial, loaded.state.serial)))
    session.terminal.line(f"The state is that of {name}, now with serial {saved.serial}.")
    return 0


@state.command("restore", cls=Command)
@click.pass_context
def restore(ctx: click.Context) -> int:
    """Put the last good version of the state back, and what the journal holds since.

    That is the state itself where only its journal is damaged, else the backup. The damaged file is kept beside it,
    under a name that ends in .damaged.
    """
    session = Session.of(ctx)
    with session.locked():
        store = session.store
        restored = store.restore()
    what = "that of the backup" if restored.of_backup else f"the one in {session.state_path.name}"
    session.terminal.line(f"The state is {what}, now with serial {restored.state.serial}.")
    for path in restored.damaged:
        session.terminal.note(f"the damaged file is kept as {path}")
    for id, addresses in restored.doubled.items():
        take = " or ".join(f"flowplan import {address} {id}" for address in addresses)
        session.terminal.note(
            f"{id} was recorded as {' and as '.join(map(str, addresses))}, which cannot be: it is left out. A bid is "
            f"found by its marker; a volume is taken in with {take}"
        )
    session.terminal.note("flowplan plan shows what differs; bids placed since are found by their marker")
    return 0

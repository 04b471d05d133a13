"""flowplan state list, show, mv, rm, pull, push, restore."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Container, Mapping

import attrs
import click

from flowplan.backends.local import Loaded
from flowplan.cli import Command, Group
from flowplan.errors import FlowplanError, StateError, UsageProblem
from flowplan.files.regular import read_regular
from flowplan.model.address import Address, in_order
from flowplan.operations.settings import Session
from flowplan.state.codec import SIZE_LIMIT, dump, load
from flowplan.state.state import Binding, State, consistent


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


def _hold_certain(addresses: Container[Address], loaded: Loaded) -> None:
    """Raise FlowplanError when an operation on one of them is in doubt: it is about an address, and would lose it."""
    for intent in loaded.pending.values():
        if intent.address in addresses:
            raise FlowplanError(f"{intent.address} is in doubt", hint="`flowplan recover` settles it first")


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


def _moves(old: Address, new: str, bindings: Mapping[Address, Binding]) -> dict[Address, Address]:
    """What moves where. Raises UsageProblem for a place that cannot be, or is taken."""
    try:
        to = Address.parse(new)
    except ValueError as error:
        raise UsageProblem(str(error)) from None
    if old.kind == "ports" or to.kind != old.kind:
        raise UsageProblem(
            f"{old} cannot become {to}", hint="ports go with their bid" if old.kind == "ports" else "the kind stays"
        )
    moved = {old: to}
    ports = Address("ports", old.name)
    if old.kind == "bid" and ports in bindings:
        moved[ports] = Address("ports", to.name)
    taken = [address for address in moved.values() if address in bindings]
    if taken:
        raise UsageProblem(f"{taken[0]} is in the state already")
    return moved


def _moved(binding: Binding, moved: Mapping[Address, Address]) -> Binding:
    needs = tuple(moved.get(need, need) for need in binding.needs)
    return attrs.evolve(binding, address=moved.get(binding.address, binding.address), needs=needs)


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


def _pushed(file: str) -> State:
    """The state in `file`. Raises UsageProblem when that cannot be read, StateError when it is none."""
    try:
        data = sys.stdin.buffer.read(SIZE_LIMIT + 1) if file == "-" else read_regular(file, SIZE_LIMIT)
    except OSError as error:
        raise UsageProblem(f"{file} cannot be read: {error.strerror}", hint="`-` reads stdin") from error
    try:
        return load(data, file)
    except StateError as error:
        error.hint = "push what `flowplan state pull` printed; what is here is as it was"
        raise


def _hold_continued(old: State, new: State, name: str) -> None:
    """Raise StateError unless `new` is a later version of `old`."""
    if new.lineage != old.lineage:
        raise StateError(
            f"{name} belongs to another stack", detail=_lineages(old, new), hint="--force puts it here all the same"
        )
    same = (new.bindings, new.released, new.adopted) == (old.bindings, old.released, old.adopted)
    if new.serial < old.serial or (new.serial == old.serial and not same):
        raise StateError(
            f"{name} does not continue the state here: serial {new.serial}, here {old.serial}",
            hint="--force puts it here all the same",
        )


def _lineages(old: State, new: State) -> str:
    return f"lineage here {old.lineage} (serial {old.serial}), in the file {new.lineage} (serial {new.serial})"


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
    what = "that of the backup" if restored.of_backup else f"the one in {store.path.name}"
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

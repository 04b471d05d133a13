"""flowplan import."""

from __future__ import annotations

import attrs
import click

from flowplan.cli import Command
from flowplan.operations.import_ import (
    _binding,
    _found,
    _hold_certain,
    _hold_free,
    _hold_ours_or_nobodys,
    _in_doubt,
    _parsed,
)
from flowplan.operations.settings import Session


@click.command("import", cls=Command)
@click.argument("address", metavar="ADDR")
@click.argument("id", metavar="ID")
@click.option("--lineage", metavar="ID", help="The stack that it belonged to, and that let go of it with `state rm`.")
@click.pass_context
def import_(ctx: click.Context, address: str, id: str, lineage: str | None) -> int:
    """Take a live bid or volume into the state as ADDR. The object itself is not touched.

    Also what `state rm` let go of, here or (with --lineage) in another stack. The next apply of the file that names
    ADDR changes it to what that file says; until a file names it, it is left alone.

    \b
    Exit codes: 0 done; 1 there is no such object, or it has ended; 3 it is another stack's; 4 locked.
    """
    session = Session.of(ctx)
    wanted = _parsed(address)
    with session.locked() as lock:
        assert lock is not None  # noqa: S101 - only reading goes without
        loaded = session.load()
        _hold_free(loaded.state, wanted, id)
        doubted = [intent for intent in loaded.pending.values() if intent.address == wanted]
        if any(intent.op != "create" or wanted.kind != "volume" for intent in doubted):
            raise _in_doubt(wanted)
        project = session.enter_project(loaded.state, None)
        _, live = session.cloud().observe()
        found = _found(session, live, wanted, id)
        _hold_certain(found, live, loaded, wanted)
        _hold_ours_or_nobodys(found, live, {loaded.state.lineage, lineage})
        state = attrs.evolve(
            loaded.state,
            stack=session.stack_name(loaded.state),
            api_url=session.api_url,
            project=project.id,
            project_name=project.name,
            bindings={**loaded.state.bindings, wanted: _binding(wanted, found, doubted, loaded.state)},
            released=loaded.state.released - {id},
            adopted=loaded.state.adopted | ({id} if wanted.kind == "volume" else set()),
        )
        lock.verify()
        pending = [intent for intent in loaded.pending.values() if intent not in doubted]
        session.store.save(state, pending, told=True)
    session.terminal.line(f"{wanted} is {id} now; flowplan plan shows what differs.")
    return 0

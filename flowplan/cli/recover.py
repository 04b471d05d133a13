"""flowplan recover."""

from __future__ import annotations

import click

from flowplan.cli import Command, options
from flowplan.cli.session import Session, observe
from flowplan.errors import GuardRefused
from flowplan.live import Live
from flowplan.ownership import bound_bids
from flowplan.state import State


@click.command(cls=Command)
@click.option("--cancel", "ids", multiple=True, metavar="ID", help="Cancel a further bid that carries our marker.")
@options.settle_window
@click.pass_context
def recover(ctx: click.Context, ids: tuple[str, ...], settle_window: float) -> int:
    """Settle what an interrupted run left in doubt: look, record, and create nothing.

    With --cancel, cancel bids that this stack placed and its state does not hold: twins, whose ids the plan
    or an error named.

    \b
    Exit codes: 0 settled; 3 the ID is not ours to cancel; 6 it still cannot be known.
    """
    from flowplan.cli.stop import Stop
    from flowplan.recover import recover as settle

    session = Session.of(ctx)
    with session.locked() as lock:
        assert lock is not None  # noqa: S101 - only reading goes without
        loaded = session.load()
        live = observe(session, None, loaded.state, loaded.pending).live
        for id in ids:
            cancel(session, live, loaded.state, id)
        if ids:
            live = session.cloud().live()
        found = settle(loaded.state, loaded.pending, session.cloud(), live, window=settle_window, clock=Stop().clock())
        if found.records or loaded.journaled:
            store = session.store
            store.prepare(loaded.state)
            lock.verify()
            store.append(found.records)
            store.save(found.state, found.absent.values())
    for note in found.notes:
        session.terminal.note(note)
    for intent in found.absent.values():
        session.terminal.note(f"{intent.address} was not created; the next apply sends it once more, under its own key")
    if not loaded.pending and not found.notes and not ids:
        session.terminal.out("Nothing is in doubt.")
    return 0


def cancel(session: Session, live: Live, state: State, id: str) -> None:
    """Cancel bid `id`, which must carry this stack's marker and must not be the one the state holds."""
    bid = live.bids.get(id)
    if bid is None or bid.marker is None or bid.marker.lineage != state.lineage or id in bound_bids(state):
        raise GuardRefused(
            f"{id} is not a further bid of this stack; it stays",
            reason="not_ours",
            hint="`flowplan destroy` cancels what the state holds",
        )
    if not bid.ended:
        session.cloud().cancel_bid(id)
    session.terminal.out(f"{id} ({bid.marker.address}) is cancelled.")

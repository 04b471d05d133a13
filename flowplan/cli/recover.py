"""flowplan recover."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from flowplan.cli import Command, options
from flowplan.cli.session import Session, observe
from flowplan.errors import FlowplanError, GuardRefused, StateError, UsageProblem
from flowplan.journal import Done, Intent, fold
from flowplan.live import Live, Marker
from flowplan.resources import Address, Bid, Resource
from flowplan.state import State

if TYPE_CHECKING:
    from flowplan.catalogue import Catalogue
    from flowplan.config import Config


@click.command(cls=Command)
@options.paths
@click.option("--from-live", is_flag=True, help="The state is lost: rebuild it from the markers of live bids.")
@click.option("--lineage", metavar="ID", help="With --from-live: which stack, where several are live.")
@click.option("--cancel", "ids", multiple=True, metavar="ID", help="Cancel a further bid that carries our marker.")
@options.settle_window
@click.pass_context
def recover(
    ctx: click.Context,
    paths: tuple[str, ...],
    from_live: bool,
    lineage: str | None,
    ids: tuple[str, ...],
    settle_window: float,
) -> int:
    """Settle what an interrupted run left in doubt: look, record, and create nothing.

    With --cancel, cancel bids that this stack placed and that no file names: those its state does not hold, or
    holds without knowing their file. The plan, or an error, named their ids. With --from-live, rebuild a state
    that is lost: PATHs are the task files, by which volumes are known again.

    \b
    Exit codes: 0 settled; 3 the ID is not ours to cancel; 6 it still cannot be known.
    """
    session = Session.of(ctx)
    if from_live and ids:
        raise UsageProblem("--from-live and --cancel are two steps", hint="rebuild the state first")
    if not from_live and (paths or lineage):
        raise UsageProblem("PATHs and --lineage go with --from-live")
    if from_live:
        return _from_live(session, paths, lineage)
    return _settle(session, ids, settle_window)


def _settle(session: Session, ids: tuple[str, ...], settle_window: float) -> int:
    from flowplan.cli.stop import Stop
    from flowplan.recover import recover as settle

    with session.locked() as lock:
        assert lock is not None  # noqa: S101 - only reading goes without
        loaded = session.load()
        live = observe(session, None, loaded.state, loaded.pending).live
        gone = [Done("", address, None) for id in ids for address in cancel(session, live, loaded.state, id)]
        if ids:
            live = session.cloud().live()
        state, _ = fold(loaded.state, gone)
        found = settle(state, loaded.pending, session.cloud(), live, window=settle_window, clock=Stop().clock())
        if gone or found.records or loaded.journaled:
            store = session.store
            store.prepare(loaded.state)
            lock.verify()
            store.append([*gone, *found.records])
            store.save(found.state, found.absent.values())
    for note in found.notes:
        session.terminal.note(note)
    for intent in loaded.pending.values():
        if intent.op == "update":
            session.terminal.note(_half_updated(intent, live))
    for intent in found.absent.values():
        session.terminal.note(f"{intent.address} was not created; the next apply sends it once more, under its own key")
    if not loaded.pending and not found.notes and not ids:
        session.terminal.out("Nothing is in doubt.")
    return 0


def _half_updated(intent: Intent, live: Live) -> str:
    """What to say of an update of which nobody knows how far it came: nothing is lost, but a bid may stand still."""
    bid, wanted = live.bids.get(intent.id or ""), intent.resource
    stands = bid is not None and bid.bid.paused and isinstance(wanted, Bid) and not wanted.paused
    still = f"; until then {intent.id} stands paused" if stands else ""
    return f"{intent.address}: an update was interrupted; the next apply finishes it{still}"


def cancel(session: Session, live: Live, state: State, id: str) -> list[Address]:
    """Cancel bid `id`, which must carry this stack's marker and must not be one that a file named. Returns what the
    state held of it."""
    bid = live.bids.get(id)
    held = [address for address, binding in state.bindings.items() if binding.id == id]
    named = any(state.bindings[address].source for address in held)
    if bid is None or bid.marker is None or bid.marker.lineage != state.lineage or named:
        raise GuardRefused(
            f"{id} is not a further bid of this stack; it stays",
            reason="not_ours",
            hint="`flowplan destroy` cancels what the state holds",
        )
    if not bid.ended:
        session.cloud().cancel_bid(id)
    session.terminal.out(f"{id} ({bid.marker.address}) is cancelled.")
    return held


# ---- a state that is lost --------------------------------------------------------------------------------------


def _from_live(session: Session, paths: tuple[str, ...], lineage: str | None) -> int:
    from flowplan.recover import rebuild

    sources, _ = session.sources(paths, optional=True)
    config = session.configuration(sources) if sources else None
    with session.locked() as lock:
        assert lock is not None  # noqa: S101 - only reading goes without
        _hold_lost(session)
        project = session.enter_project(State(lineage=""), config)
        catalogue, live = session.cloud().observe()
        marker = _chosen(session, live, lineage)
        empty = State(
            lineage=marker.lineage,
            stack=marker.stack,
            api_url=session.api_url,
            project=project.id,
            project_name=project.name,
        )
        found = rebuild(empty, live, _declared(session, config, empty, catalogue, live))
        lock.verify()
        for path in session.store.begin_anew():
            session.terminal.note(f"what was left of the state is kept as {path}")
        session.store.save(found.state)
    for note in found.notes:
        session.terminal.note(note)
    for address, binding in found.state.bindings.items():
        session.terminal.out(f"{address}  {binding.id}")
    session.terminal.out(f"The state of stack {marker.stack} is rebuilt; flowplan plan shows what differs.")
    return 0


def _declared(
    session: Session, config: Config | None, empty: State, catalogue: Catalogue, live: Live
) -> Mapping[Address, Resource]:
    """What the files ask for, every name looked up; types and regions left open are those of what runs."""
    from flowplan.desired import look_up
    from flowplan.ownership import places_kept
    from flowplan.recover import rebuild

    if config is None:
        return {}
    kept = places_kept(rebuild(empty, live, {}).state, live)
    return look_up(config, catalogue, live, kept=kept, volume_regions={}, ssh_keys=session.ssh_keys()).resources


def _hold_lost(session: Session) -> None:
    """Raise unless the state is missing or cannot be read, and no backup could stand in for it."""
    store = session.store
    try:
        state = store.read().state
    except StateError:
        if store.has_backup():
            raise UsageProblem(
                f"{store.backup_path} is in order",
                hint="`flowplan state restore` puts it back: it knows more than the markers do",
            ) from None
        return
    if state.bindings:
        raise UsageProblem(
            "the state is in order: nothing is rebuilt", hint="`flowplan recover` settles what is in doubt"
        )


def _chosen(session: Session, live: Live, lineage: str | None) -> Marker:
    """The marker of the stack to rebuild: the one named, else the one with this directory's name."""
    stacks = {bid.marker.lineage: bid.marker for bid in live.bids.values() if bid.marker and not bid.ended}
    if lineage is not None:
        stacks = {one: marker for one, marker in stacks.items() if one == lineage}
    elif stacks:
        here = session.stack_name(State(lineage=""))
        named = {one: marker for one, marker in stacks.items() if marker.stack == here}
        if len(named) != 1:
            listed = "\n".join(f"--lineage {one}  stack {marker.stack}" for one, marker in sorted(stacks.items()))
            raise UsageProblem(
                f"no single stack that is live is called {here}, as this directory is",
                detail=listed,
                hint="say which is meant with --lineage",
            )
        stacks = named
    if not stacks:
        what = f" of lineage {lineage}" if lineage else ""
        raise FlowplanError(f"no live bid carries a marker{what}: there is nothing to rebuild from")
    return next(iter(stacks.values()))

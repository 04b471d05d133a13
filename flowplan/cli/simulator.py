"""flowplan simulator serve, advance, reset."""

from __future__ import annotations

from pathlib import Path

import click

from flowplan.cli import Command, Group
from flowplan.cli.durations import read_duration
from flowplan.cli.session import PUBLIC_API, SIMULATOR_DATA, Session
from flowplan.errors import UsageProblem

_db = click.option("--db", metavar="FILE", help=f"The simulator's data ({SIMULATOR_DATA}).")


@click.group(cls=Group)
def simulator() -> None:
    """The embedded Foundry Cloud Platform: the same API, a market inside, nothing to pay.

    `--api-url sim:` uses it in the process; `serve` offers it to other programs.
    """


@simulator.command(cls=Command)
@click.option("--port", type=click.IntRange(0, 65535), default=8571, show_default=True, metavar="P", help="0: any.")
@_db
@click.option("--seed", type=int, default=1, show_default=True, metavar="N", help="For data made anew.")
@click.option("--speed", type=click.FloatRange(0), default=1, show_default=True, metavar="X", help="Times real time.")
@click.option("--api-key", metavar="KEY", help="The one key that is accepted; absent: any fkey_...")
@click.pass_context
def serve(ctx: click.Context, port: int, db: str | None, seed: int, speed: float, api_key: str | None) -> int:
    """Serve the API on a loopback port until Ctrl-C."""
    from flowplan.cloud.simulator import Simulator
    from flowplan.cloud.simulator.serve import Server

    session = Session.of(ctx)
    with Simulator.open(_data(session, db), seed=seed, speed=speed, api_key=api_key) as found:
        try:
            server = Server(found, port)
        except OSError as error:
            raise UsageProblem(
                f"port {port} cannot be used: {error.strerror}", hint="give another --port; 0 takes any that is free"
            ) from error
        session.terminal.out(server.url)
        session.terminal.note(f"for example: MITHRIL_API_URL={server.url} MITHRIL_API_KEY=fkey_any flowplan plan")
        session.terminal.note("Ctrl-C ends it; the data stays")
        server.serve_forever()
    return 0


@simulator.command(cls=Command)
@click.argument("time", metavar="TIME")
@_db
@click.pass_context
def advance(ctx: click.Context, time: str, db: str | None) -> int:
    """Move the simulator's time by TIME (30m, 6h, 2d): every auction round between is held."""
    from flowplan.cloud.simulator import Simulator

    session = Session.of(ctx)
    with Simulator.open(_data(session, db)) as found:
        found.advance(read_duration(time, "TIME"))
        session.terminal.out(f"It is now {found.now().isoformat(timespec='seconds')} in the simulator.")
    return 0


@simulator.command(cls=Command)
@_db
@click.option("--seed", type=int, default=1, show_default=True, metavar="N", help="Of the new data.")
@click.pass_context
def reset(ctx: click.Context, db: str | None, seed: int) -> int:
    """Delete the simulator's data and make it anew."""
    from flowplan.cloud.simulator import Simulator

    session = Session.of(ctx)
    with Simulator.open(_data(session, db), seed=seed) as found:
        found.reset(seed)
    session.terminal.out("The simulator's data is made anew.")
    return 0


def _data(session: Session, db: str | None) -> Path:
    """--db, else what `--api-url sim:PATH` means, else the default."""
    if db:
        return Path(db)
    return session.simulator_data if session.api_url != PUBLIC_API and session.simulated else Path(SIMULATOR_DATA)

"""flowplan simulator serve, advance, reset, market."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import click

from flowplan.cli import completing, options
from flowplan.cli.base import Command, Group
from flowplan.cli.context import Context
from flowplan.cli.kinds import Finite, Whole
from flowplan.errors import UsageProblem
from flowplan.model.durations import read_duration
from flowplan.operations.opening.settings import SIMULATOR_DATA, SIMULATOR_START

_db = click.option(
    "--db", metavar="FILE", shell_complete=completing.files, help=f"The simulator's data ({SIMULATOR_DATA})."
)
_START_HELP = f"When new data begin: 2026-11-02, or 2026-11-02T09:00Z.  [default: {SIMULATOR_START}, else this hour]"
_start = click.option("--start", metavar="DATE", help=_START_HELP)


@click.group(cls=Group)
def simulator() -> None:
    """The embedded Foundry Cloud Platform: the same API, with a simulated market; nothing to pay.

    `--api-url sim:` uses it in the process; `serve` offers it to other programs. A market follows from its
    seed and its start.
    """


@simulator.command(cls=Command)
@click.option("--port", type=Whole(0, 65535), default=8571, show_default=True, metavar="P", help="0: any.")
@_db
@click.option("--seed", type=int, default=1, show_default=True, metavar="N", help="For newly created data.")
@_start
@click.option("--speed", type=Finite(0, 1_000_000), default=1, show_default=True, metavar="X", help="Times real time.")
@click.option("--api-key", metavar="KEY", help="Accept only this key.  [default: any fkey_...]")
@click.pass_context
def serve(
    ctx: click.Context, port: int, db: str | None, seed: int, start: str | None, speed: float, api_key: str | None
) -> int:
    """Serve the API on a loopback port until Ctrl-C."""
    from flowplan.operations.simulator import data_of
    from flowplan.simulator import Simulator
    from flowplan.simulator.serve import Server

    here = Context.of(ctx)
    data, begin = data_of(here.session.settings, db, start)
    with Simulator.open(data, seed=seed, speed=speed, api_key=api_key, start=begin) as found:
        try:
            server = Server(found, port)
        except OSError as error:
            raise UsageProblem(
                f"port {port} cannot be used: {error.strerror}", hint="give another --port; 0 takes any free port"
            ) from error
        here.terminal.sentence(server.url)
        key = "KEY" if api_key else "fkey_any"  # the KEY of --api-key: one is not printed
        here.terminal.note(f"for example: FLOWPLAN_API_URL={server.url} FLOWPLAN_API_KEY={key} flowplan plan")
        here.terminal.note("Ctrl-C ends it; the data stays")
        with _ended_like_ctrl_c():
            server.serve_forever()
    return 0


@contextmanager
def _ended_like_ctrl_c() -> Iterator[None]:
    """SIGTERM, too, closes the data, with the time that has passed."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@simulator.command(cls=Command)
@click.argument("time", metavar="TIME")
@_db
@click.pass_context
def advance(ctx: click.Context, time: str, db: str | None) -> int:
    """Move the simulator's time by TIME (30m, 6h, 2d, 1w): every auction round in between is held."""
    from flowplan.operations.simulator import data_of, say_which
    from flowplan.simulator import Simulator

    here = Context.of(ctx)
    data, start = data_of(here.session.settings, db)
    if db is None:
        say_which(here.session, data, "moves")
    with Simulator.open(data, start=start) as found:
        found.advance(read_duration(time, "TIME"))
        here.terminal.sentence(f"It is now {found.now():%Y-%m-%d %H:%M:%S} UTC in the simulator.")
    return 0


@simulator.command(cls=Command)
@_db
@click.option("--seed", type=int, default=1, show_default=True, metavar="N", help="For the new data.")
@_start
@click.pass_context
def reset(ctx: click.Context, db: str | None, seed: int, start: str | None) -> int:
    """Delete the simulator's data and create it again.

    The state stays. To start again without it, move flowplan.state.* away, and run `flowplan apply --init`.
    """
    from flowplan.operations.simulator import data_of, say_which
    from flowplan.simulator import Simulator

    here = Context.of(ctx)
    data, begin = data_of(here.session.settings, db, start)
    if db is None:
        say_which(here.session, data, "resets")
    with Simulator.open(data, seed=seed, start=begin) as found:
        found.reset(seed, begin)
    here.terminal.sentence(f"The data in {data} are created again.")
    return 0


@simulator.command(cls=Command)
@click.argument("kind", shell_complete=completing.simulated_types, metavar="[TYPE]", required=False)
@click.option("--region", metavar="R", help="Show only this region.")
@click.option("--history", default="14d", show_default=True, metavar="TIME", help="How far back, up to 14d.")
@click.option("--depth", type=Whole(0), default=5, show_default=True, metavar="N", help="Orders of others.")
@_db
@options.form("books")
@click.pass_context
def market(
    ctx: click.Context, kind: str | None, region: str | None, history: str, depth: int, db: str | None, form: str
) -> int:
    """Show the auctions: prices and your bids; for a single type also a plot of its prices, and the books.

    TYPE is an instance type as in a task file, the id of an auction, or the beginning of several names (a100). On the
    real platform only the auctioneer sees the books. `--depth` orders of others are shown on either side of the line
    between winning and waiting orders; the JSON has all of them.
    """
    from flowplan.operations.simulator import books, data_of, say_which

    here = Context.of(ctx)
    since = timedelta(seconds=min(read_duration(history, "--history"), 14 * 86400))
    if not since:
        raise UsageProblem("--history must be more than 0", hint="write 6h or 14d")
    data, start = data_of(here.session.settings, db)
    if db is None:
        say_which(here.session, data, "shows", only_looks=True)
    found = books(data, start, kind, region, since, depth)
    here.report("books", form, found)
    return 0

"""flowplan destroy."""

from __future__ import annotations

from typing import Any

import click

from flowplan.cli import Command, options


@click.command(cls=Command)
@options.paths
@options.applying
@click.pass_context
def destroy(ctx: click.Context, /, paths: tuple[str, ...], allow_volume_destroy: tuple[str, ...], **how: Any) -> int:
    """Cancel the bids and delete the volumes that flowplan made.

    PATHs limit it to what those files made; none means flowplan.yaml, and without that file everything in the
    state. A volume is destroyed only if its name is typed in, or given with --allow-volume-destroy; attached
    volumes are never touched.

    \b
    Exit codes: 0 done; 1 failed, or not approved; 3 refused: a volume holds data,
    and nothing was touched; 4 locked; 5 the state; 130, 143 stopped by a signal.
    """
    from flowplan.cli.running import How, Run
    from flowplan.cli.session import Session
    from flowplan.plan import Wishes

    session = Session.of(ctx)
    _, scope = session.sources(paths, optional=True)  # what is in the files does not matter any more
    wishes = Wishes(mode="destroy", destroyable=frozenset(allow_volume_destroy), in_scope=scope.covers)
    return Run(session, None, wishes, How(**how))()

"""flowplan destroy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from flowplan.cli import Command, options
from flowplan.operations.sources import addresses_in

if TYPE_CHECKING:
    pass


@click.command(cls=Command)
@options.paths
@options.destroying
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
    from flowplan.operations.apply import How, Run
    from flowplan.operations.settings import Session
    from flowplan.planning.plan import Wishes

    session = Session.of(ctx)
    sources, scope = session.sources(paths, optional=True)
    declared = addresses_in(sources)
    wishes = Wishes(
        mode="destroy",
        destroyable=frozenset(allow_volume_destroy),
        in_scope=lambda binding: scope.covers(binding) or binding.address in declared,
        files=scope,
    )
    return Run(session, None, wishes, How(**how))()

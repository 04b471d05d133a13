"""flowplan destroy."""

from __future__ import annotations

from typing import Any

import click

from flowplan.cli import options, selecting, spending, values
from flowplan.cli.base import Command
from flowplan.cli.context import Context


@click.command(cls=Command)
@options.paths
@options.keep_volumes
@selecting.selecting
@options.destroying
@spending.policy
@spending.hooks
@click.pass_context
def destroy(
    ctx: click.Context,
    /,
    paths: tuple[str, ...],
    target: tuple[str, ...],
    exclude: tuple[str, ...],
    keep_volumes: bool,
    allow_volume_destroy: tuple[str, ...],
    policies: tuple[str, ...],
    no_hooks: bool,
    **how: Any,
) -> int:
    """Cancel the bids and delete the volumes that flowplan made.

    PATHs limit it to what those files made. None means flowplan.yaml, or, without that file, everything in the
    state. A volume is destroyed only if you type its name or give it with --allow-volume-destroy; with --keep-volumes
    all of them stay, and flowplan forgets them. Attached volumes are never touched.

    Exit codes: 0 done; 1 failed, or not approved; 3 refused: a volume holds data,
    and nothing was touched; 4 locked; 5 a problem with the state; 130, 143 stopped by a signal.
    """
    from flowplan.cli.running import carry_out
    from flowplan.operations.combinations import as_option, hold_together
    from flowplan.operations.plan import Request

    hold_together(
        {"destroy": True, "keep_volumes": keep_volumes, "allow_volume_destroy": allow_volume_destroy}, as_option
    )
    request = Request(
        paths=paths,
        destroy=True,
        keep_volumes=keep_volumes,
        patterns=values.patterns(target, exclude),
        destroyable=frozenset(allow_volume_destroy),
        policies=policies,
        hooks=not no_hooks,
    )
    return carry_out(Context.of(ctx), request, how)

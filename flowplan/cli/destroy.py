"""flowplan destroy."""

from __future__ import annotations

from typing import Any

import click

from flowplan.cli import options, selecting, spending
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
    **asked: Any,
) -> int:
    """Cancel the bids and delete the volumes that flowplan made.

    PATHs limit it to what those files made. None means flowplan.yaml, or, without that file, everything in the
    state. A volume is destroyed only if you type its name or give it with --allow-volume-destroy; --keep-volumes
    keeps all of them, and flowplan forgets them. Attached volumes are never touched.

    Exit codes: 0 done; 1 failed, or not approved; 3 refused by a guard
    (a volume's data, prevent_destroy, a policy), and nothing was touched; 4 locked;
    5 a problem with the state; 6 a create's outcome is unknown, and everything else
    is ended; 65 a file of --policy has problems; 130, 143 stopped by a signal.
    """
    from flowplan.cli.plan_request import read_request
    from flowplan.cli.running import carry_out
    from flowplan.operations.opening.combinations import as_option, hold_together

    request = read_request(asked, destroy=True)
    hold_together(request.asked, as_option)
    return carry_out(Context.of(ctx), request, asked)

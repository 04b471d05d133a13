"""flowplan init."""

from __future__ import annotations

import click

from flowplan.cli import options
from flowplan.cli.base import Command
from flowplan.cli.context import Context


@click.command(cls=Command)
@click.argument("directory", metavar="[DIR]", default="", type=click.Path(file_okay=False))
@click.option("--task", is_flag=True, help="Write a task file, as Foundry's own tools read it, instead of a stack.")
@options.form("init")
@click.pass_context
def init(ctx: click.Context, directory: str, task: bool, form: str) -> int:
    """Write a first flowplan.yaml into DIR, with comments; by default here.

    Project, SSH key, region and the cheapest instance type are looked up, if there are credentials; otherwise their
    lines are comments. Beside it come flowplan.schema.json, from which an editor completes keys, and a .gitignore.
    Nothing that exists is overwritten, and nothing is made in the cloud.

    Exit codes: 0 written; 64 there is a flowplan.yaml; 65 the --project or --ssh-key given does not exist.
    """
    from flowplan.operations.init import init as begun

    here = Context.of(ctx)
    done = begun(here.session, directory, "task" if task else "stack")
    here.report("init", form, done)
    return 0

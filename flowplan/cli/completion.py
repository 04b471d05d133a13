"""flowplan completion."""

from __future__ import annotations

import click

from flowplan.cli.base import Command, end_with
from flowplan.cli.kinds import Choice
from flowplan.cli.shells import SHELLS, script


@click.command(cls=Command)
@click.argument("shell", type=Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what SHELL reads so that it completes commands, options, addresses of the state here, and the types
    and regions that the API was last seen to offer on this machine. No network.

    To have it in every new shell, put the line of the example into ~/.bashrc or ~/.zshrc (there below compinit). For
    fish: flowplan completion fish > ~/.config/fish/completions/flowplan.fish
    """
    end_with(ctx, script(ctx.find_root().command, shell).rstrip("\n"))

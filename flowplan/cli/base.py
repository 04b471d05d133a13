"""What every command has: the global options, help with an example, and a look that nothing given is empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

import click

from flowplan.cli.completing import hidden_options
from flowplan.cli.elsewhere import at_home, hold_ours
from flowplan.cli.everywhere import global_options
from flowplan.cli.examples import EXAMPLES
from flowplan.errors import UsageProblem
from flowplan.printable import shown

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])


def _fitting(example: str, width: int) -> Iterator[str]:
    """An example; where it is too long with its remark, that above it."""
    command, _, remark = example.partition(" # ")
    if remark and len(f"  {example}") > width:
        yield f"# {remark}"
        yield command.rstrip()
    else:
        yield example


class Filled(click.Command):
    """No argument and no value of an option may be empty: `apply "$DIR"` with DIR unset is not `apply .`."""

    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        """The same in every context: click keeps what the first one that asks for help is made with."""
        return ["-h", "--help"]

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        option = super().get_help_option(ctx)
        if option is not None:
            option.callback = _help
        return option

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """An example before the last words."""
        lines = EXAMPLES.get(ctx.command_path.partition(" ")[2], ())
        if lines:
            with formatter.section("Example"):
                formatter.write("".join(f"  {line}\n" for one in lines for line in _fitting(one, formatter.width)))
        super().format_epilog(ctx, formatter)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, of `args` in flowplan's spelling. Raises click.UsageError also for an empty value, and
        for what other tools call an option, with what flowplan calls it; UsageProblem as `_hold_meant`."""
        hold_ours(self, ctx, args)
        _hold_meant(self, ctx, args)
        args = spelled(self, args)
        try:
            if any(not arg.partition("=")[2 if arg.startswith("-") else 0].strip() for arg in args):
                self._hold_filled(ctx, args)
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise at_home(error) from None
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # whose usage is shown: the parser of click does not say it
            raise

    def _hold_filled(self, ctx: click.Context, args: list[str]) -> None:
        """Raise click.BadParameter, which names the parameter, for an empty value."""
        given, _, _ = self.make_parser(ctx).parse_args(list(args))
        for param in self.get_params(ctx):
            found = given.get(param.name or "")
            values = found if isinstance(found, list | tuple) else (found,)
            if any(isinstance(value, str) and not value.strip() for value in values):
                raise click.BadParameter("it is empty.", ctx, param)


JSON_INTO = "--json-into"  # how click knows the --json=FILE of a command of which --json is a flag


def spelled(command: click.Command, words: Sequence[str]) -> list[str]:
    """`words`, as click reads them. `--json PATH` of such a command is the flag, and a PATH."""
    if not any(JSON_INTO in one.opts for one in command.params):
        return list(words)
    end = words.index("--") if "--" in words else len(words)
    into = [f"{JSON_INTO}={word[7:]}" if word.startswith("--json=") else word for word in words[:end]]
    return [*into, *words[end:]]


def _hold_meant(command: click.Command, ctx: click.Context, words: Sequence[str]) -> None:
    """Raise UsageProblem for `--json out.json` of a command of which --json is a flag, and that reads files: what
    `plan --json out.json` writes is a plan, which `apply --json out.json` would carry out, and ask nobody."""
    if not {"as_json", "paths"} <= {one.name for one in command.params}:
        return
    for word, path in pairwise(words):
        if word == "--":
            return
        if word == "--json" and not path.startswith("-") and path.endswith((".json", ".jsonl")):
            what = shown(ctx.command_path)
            raise UsageProblem(
                f"--json {shown(path)} can be read in two ways; nothing was changed",
                hint=f"--json={shown(path)} writes the events there; `{what} {shown(path)} --json` carries out what is "
                "in it",
            )


def _help(ctx: click.Context, option: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        end_with(ctx, ctx.get_help())


def end_with(ctx: click.Context, text: str) -> None:
    """Write `text` to stdout and end the command."""
    ctx.find_root().obj["terminal"].out(text)
    ctx.exit()


class Command(Filled):
    """A command that also takes the global options, without listing them again."""

    def __init__(self, *args: Any, **how: Any) -> None:
        super().__init__(*args, **how)
        self.params = [*self.params, *global_options(hidden=True)]
        self.epilog = self.epilog or "`flowplan --help` lists the options that every command takes."

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Also the options that its help does not list again."""
        return [*super().shell_complete(ctx, incomplete), *hidden_options(self.params, incomplete)]


class Group(Filled, click.Group):
    """A command with commands of its own."""

    command_class = Command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(200)) for name, one in self.commands.items()])


def all_of(function: F, *options: Callable[[F], F]) -> F:
    """`function` with all of these options, listed in this order."""
    for option in reversed(options):
        function = option(function)
    return function

"""A page for each command, from what click knows of it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from flowplan.cli import main
from flowplan.cli.commands import PURPOSES
from flowplan.cli.examples import EXAMPLES
from flowplan.documents.remedies import EXIT_CODES
from reference.markup import code, fence, plain, table

HOME = "reference/commands"
_FORMAT = "The form of the output:"  # in `--help` its values say enough
_DEFAULT = re.compile(r"\s*\[default: (.*?)\]")  # where the help says in words what holds without the option


def pages() -> dict[str, str]:
    """An index, and a page for each command, with its own commands in it."""
    context = click.Context(main, info_name="flowplan")
    made = {f"{HOME}/index.md": _index(context)}
    for name, command in _below(context):
        text = "".join(_section(one, level) for one, level in _walk(command, name, context, 1))
        made[f"{HOME}/{name}.md"] = text + "\n[Options that every command takes](index.md#options-of-every-command)\n"
    return made


def _below(context: click.Context) -> Iterator[tuple[str, click.Command]]:
    """The commands of a group, in the order of its help; none of any other command."""
    group = context.command
    if isinstance(group, click.Group):
        found = ((name, group.get_command(context, name)) for name in group.list_commands(context))
        yield from ((name, command) for name, command in found if command is not None and not command.hidden)


def _walk(command: click.Command, name: str, parent: click.Context, level: int) -> Iterator[tuple[click.Context, int]]:
    context = click.Context(command, info_name=name, parent=parent)
    yield context, level
    for below, one in _below(context):
        yield from _walk(one, below, context, level + 1)


def _section(context: click.Context, level: int) -> str:
    command = context.command
    usage = f"{context.command_path} {' '.join(command.collect_usage_pieces(context))}"
    parts = [f"{'#' * level} {context.command_path}\n", fence("text", usage), *_help(command)]
    example = EXAMPLES.get(context.command_path.removeprefix("flowplan "))
    if example:
        parts += ["**Example**\n", fence("bash", "\n".join(example))]
    rows = [*_options(context)]
    if rows:
        parts += ["**Options**\n", table(("option", "what it does", "default"), rows)]
    return "\n".join(parts) + "\n"


def _help(command: click.Command) -> Iterator[str]:
    """The paragraphs of the help; what it says of exit codes is a table, and commands to type are a block."""
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(command.help or "")):
        kept = paragraph.startswith("\b\n")
        lines = [line.strip() for line in paragraph.removeprefix("\b\n").splitlines()]
        if paragraph.startswith("Exit codes:"):
            yield f"**Exit codes** ([all](index.md#exit-codes))\n\n{_exit_codes(' '.join(lines))}"
        elif lines and all(line.startswith("flowplan ") for line in lines):
            yield fence("bash", "\n".join(lines))
        elif kept:
            yield fence("text", "\n".join(lines))
        else:
            yield plain(" ".join(lines)) + "\n"


def _exit_codes(text: str) -> str:
    rows = [one.strip().rstrip(".").partition(" ") for one in text.removeprefix("Exit codes:").split(";")]
    return table(("code", "meaning"), ((code(number), plain(meaning)) for number, _, meaning in rows))


def _options(context: click.Context) -> Iterator[tuple[str, str, str]]:
    for option in context.command.get_params(context):
        record = option.get_help_record(context) if isinstance(option, click.Option) else None
        if isinstance(option, click.Option) and record is not None and "--help" not in option.opts:
            yield code(re.sub(r" \[.*\|.*\]", "", record[0])), _says(option), _default(option, context)


def _says(option: click.Option) -> str:
    says = plain(_DEFAULT.sub("", option.help or (_FORMAT if option.opts == ["--format"] else "")))
    choices = option.type.choices if isinstance(option.type, click.Choice) else ()
    one_of = "" if says.endswith(":") else " One of"
    among = f"{one_of} {', '.join(code(str(one)) for one in choices)}." if choices else ""
    return f"{says}{among}{' May be given several times.' if option.multiple else ''}"


def _default(option: click.Option, context: click.Context) -> str:
    extra = option.get_help_extra(context)
    said = [str(extra[one]) for one in ("default", "range", "required") if one in extra]
    return plain("; ".join([*_DEFAULT.findall(option.help or ""), *said]))


def _index(context: click.Context) -> str:
    codes = [(code(str(one)), plain(sentence), plain(remedy)) for one, (sentence, remedy) in EXIT_CODES.items()]
    return "\n".join(
        (
            "# Commands\n",
            *_purposes(context),
            "## Options of every command\n",
            "They may stand before the command or after it.\n",
            table(("option", "what it does", "default"), _options(context)),
            "## Exit codes\n",
            table(("code", "meaning", "what to do"), codes),
        )
    )


def _purposes(context: click.Context) -> Iterator[str]:
    """The commands by what somebody wants, in the order of the help."""
    shown = {name for name, _ in _below(context)}
    for purpose, commands in PURPOSES.items():
        rows = ((f"[`flowplan {name}`]({name}.md)", plain(commands[name][2])) for name in commands if name in shown)
        yield f"## {purpose}\n\n{table(('command', 'what it does'), rows)}"

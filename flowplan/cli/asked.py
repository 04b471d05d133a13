"""What a command line asks a program to read: known also where the command line itself is what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import click

from flowplan.cli.base import spelled
from flowplan.cli.everywhere import which_files, which_state
from flowplan.cli.forms import Form
from flowplan.cli.github import LEAST

Words = Sequence[str]


class Asked(NamedTuple):
    """`form`: the format of `subject` that is asked for, as it was typed; `events`: the event stream. `file`: where
    JSON is to go beside that; `state`: where --state names one; `used`: the other files that are named; `max_bytes`:
    what may be printed at most, where that is a number; `place`: the options that say which state; `paths`: the
    task files and directories."""

    subject: str = ""
    form: str = ""
    events: bool = False
    file: str = ""
    state: str = ""
    used: tuple[str, ...] = ()
    max_bytes: int | None = None
    place: str = ""
    paths: str = ""


def asked_by(command: click.Command, words: Words) -> Asked:
    """What the `words` after the name of the program ask for, as far as they can be read."""
    from flowplan.cli.json_file import files_of

    below, given = _read(click.Context(command, resilient_parsing=True, ignore_unknown_options=True), words)
    place, paths = which_state(given), which_files(given)
    subjects = [one.subject for one in below.params if isinstance(one, Form) and one.subject]
    file, state = _named(given, "json_file"), _named(given, "state")
    used = tuple(_from(given, name) for name in files_of(given))
    form = "json" if given.get("as_json") else str(given.get("form", ""))
    if not subjects:
        return Asked(events=form == "json", file=file, state=state, used=used, place=place, paths=paths)
    size = str(given.get("max_bytes", ""))
    most = max(int(size), LEAST) if size.isdecimal() and size.isascii() else None
    return Asked(subjects[0], form, file=file, state=state, used=used, max_bytes=most, place=place, paths=paths)


def _named(given: Mapping[str, Any], option: str) -> str:
    """The file that an option names, from where --chdir leads; "" where there is none."""
    name = given.get(option)
    return _from(given, name) if isinstance(name, str) and name.strip() else ""


def _from(given: Mapping[str, Any], name: str) -> str:
    """A file, from where --chdir leads."""
    from pathlib import Path

    return str(Path(given.get("chdir", ""), name))


def _read(context: click.Context, words: Words) -> tuple[click.Command, dict[str, Any]]:
    """The command that is meant, and the options as they were typed, those before it too."""
    command = context.command
    given, rest = _options(context, words)
    if isinstance(command, click.Group):
        for number, word in enumerate(rest):
            if found := command.get_command(context, word):
                below = click.Context(found, parent=context, resilient_parsing=True, ignore_unknown_options=True)
                meant, own = _read(below, rest[number + 1 :])
                return meant, {**given, **own}
    return command, given


def _options(context: click.Context, words: Words) -> tuple[dict[str, Any], list[str]]:
    """The options of a command and the other words, without the options that are misused."""
    context.resilient_parsing = False  # or nothing would be read behind the first mistake
    left = spelled(context.command, words)
    while True:
        try:
            given, rest, _ = context.command.make_parser(context).parse_args(list(left))
        except click.UsageError as error:
            name = getattr(error, "option_name", None)
            fewer = [word for word in left if word.partition("=")[0] != name]
            if len(fewer) == len(left):  # it is one of several short options in one word
                return {}, []
            left = fewer
        else:
            return given, rest

"""Commands in processes of their own, several at once, and mortal: forked off the process of tests/loaded.py."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import field, frozen

from tests import loaded
from tests.faults.disk import Cut, Points, Way


@frozen
class Command:
    """`flowplan ARGUMENTS` in a directory; of the variables of flowplan it has those of `environ`."""

    arguments: Sequence[str]
    directory: str
    environ: Mapping[str, str] = field(factory=dict)
    cut: Cut | None = None
    virtual_time: bool = False


@frozen
class Ended:
    """What became of a command. `code` is negative for a signal."""

    code: int
    out: str
    err: str


def run_all(*commands: Command) -> list[Ended]:
    """Run them all at once; returns when all have ended."""
    begun = [_begin(command) for command in commands]
    return [Ended(run.wait(), _text(out), _text(err)) for run, out, err in begun]


def _begin(command: Command) -> tuple[loaded.Started, int, int]:
    known = {name: value for name, value in os.environ.items() if not name.startswith(("FLOWPLAN_", "CI"))}
    cut = (command.cut.way, command.cut.at) if command.cut is not None else None
    first = f"from {__name__} import prepare; {loaded.AT_THE_END} = prepare({cut!r}, {command.virtual_time})"
    out, err = os.memfd_create("out"), os.memfd_create("err")
    with Path(os.devnull).open() as nothing:
        streams = (nothing.fileno(), out, err)
        run = loaded.start(command.arguments, Path(command.directory), known | {**command.environ}, streams, first)
    return run, out, err


def prepare(cut: tuple[Way, int] | None, virtual_time: bool) -> Callable[[], None]:
    """In the process of the command, before it. Returns what is to be done after it."""
    if virtual_time:
        from tests.faults import virtual_time as time

        time.install()
    points = Points(Cut(*cut) if cut else None)
    if cut:
        points.watch()
    return points.ends


def _text(descriptor: int) -> str:
    with os.fdopen(descriptor, "rb") as file:
        file.seek(0)
        return file.read().decode(errors="replace")

"""Files that a user asked for: written whole, and never over something else."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from flowplan.errors import FlowplanError, StateError, UsageProblem
from flowplan.files.regular import growing, opened
from flowplan.patterns import regex
from flowplan.printable import shown

_SAVED_PLAN = regex(rb'\{\n  "format_version": "')
_STATE = b'{\n "format_version": '
_VALUE = rb'\{\n  "[^"\n]{1,200}": \{\n    "value": '  # the first of the outputs
_JSON = regex(rb'\{\n  "format_version": "|\{"type": "[a-z_]+", "timestamp": "|\{\}\n|' + _VALUE)


def hold_json_file(path: str, state: str | None = None, used: Iterable[str] = ()) -> None:
    """Raise UsageProblem when no JSON document can be written to `path`, or something else is there, or is to be there:
    what `--state` says, and what flowplan keeps beside it, and the files that the command line names for anything else
    (`used`)."""
    if Path(path).name == "-":
        raise UsageProblem("--json needs the name of a file", hint="for JSON on stdout give --format json")
    _hold_apart(path, state)
    if any(os.path.realpath(one) == os.path.realpath(path) for one in used):
        raise UsageProblem(
            f"{shown(path)} would be overwritten by --json: this command reads it, or writes something else there",
            hint="choose another name for --json",
        )
    hold_writable(path, "JSON document of flowplan", _JSON)


def _hold_apart(path: str, state: str | None) -> None:
    """Raise UsageProblem where a state is, or is to be, or what flowplan keeps beside one: the next run would take what
    is written there for a damaged state, or for what is left of one. `state`: the one that the command has named."""
    from flowplan.backends.state_name import DEFAULT

    name = Path(path).name
    kept = name == DEFAULT or name.endswith((".journal", "-journal", ".json.backup"))
    if kept or (state and os.path.realpath(state) == os.path.realpath(path)):
        raise UsageProblem(f"{shown(path)}: flowplan uses this name for the state", hint="choose another name")


def remove_json_file(path: str) -> None:
    """Remove the document of an earlier command from a `path` that `hold_json_file` lets pass: nobody is to read it as
    the result of this one, should this one be killed. Raises UsageProblem."""
    try:
        Path(os.path.realpath(path)).unlink(missing_ok=True)
    except OSError as error:
        raise UsageProblem(f"{shown(path)} cannot be replaced: {error.strerror}", hint="choose another name") from error


def hold_writable(
    path: str, what: str = "saved plan", begins: re.Pattern[bytes] = _SAVED_PLAN, state: str | None = None
) -> None:
    """Raise UsageProblem when `path` is something else than `what`, written earlier, or named like a state, the one
    that the command has named (`state`), or like the lock of one, whose file is empty while nobody holds it: none is to
    be replaced; and where its directory takes nothing."""
    from flowplan.backends.state_name import is_lock_name

    target = Path(path)
    if is_lock_name(target.name):
        raise UsageProblem(f"{shown(path)}: flowplan uses this name for a lock", hint="choose another name")
    try:
        there = target.exists()
    except OSError as error:  # a name that is too long
        raise UsageProblem(f"{shown(path)}: {error.strerror}", hint="choose another name") from error
    _hold_directory(path)
    if not there:
        _hold_apart(path, state)
        return
    head = b""
    if target.is_file():
        try:
            with opened(target) as file:
                head = file.read(300).lstrip()
        except OSError as error:
            raise UsageProblem(f"{shown(path)} cannot be read: {error.strerror}", hint="choose another name") from error
    if head.startswith(_STATE):
        raise UsageProblem(
            f"{shown(path)} holds a state, which flowplan does not replace; nothing was written",
            hint="remove it first, or choose another name",
        )
    _hold_apart(path, state)
    if head and not begins.match(head):
        raise UsageProblem(f"{path} exists and is not a {what}; nothing was written", hint="choose another name")
    if not target.is_file():
        raise UsageProblem(f"{path} is not a file", hint="choose another name")


def _hold_directory(path: str) -> None:
    directory = Path(os.path.realpath(path)).parent  # where a link leads
    if not directory.is_dir():
        raise UsageProblem(f"{shown(path)} cannot be written: its directory does not exist", hint="make it first")
    if not os.access(directory, os.W_OK):
        raise UsageProblem(f"{shown(path)} cannot be written: its directory is read-only", hint="choose another one")


def write_new(path: Path, text: str, *, locked: bool = False) -> bool:
    """Write a file the user asked for where nothing is yet. `locked`: nobody else writes it now, so what killed runs
    left beside it is removed. False: there is something, which stays as it is. Raises FlowplanError."""
    from flowplan.files.atomic import create_file, durable, sweep

    try:
        if locked:
            with durable(path):
                sweep(path.parent, path.name)
        return create_file(path, text.encode())
    except StateError as error:  # no state was in danger
        raise FlowplanError(str(error), hint=error.hint) from error


def write_output(path: str, text: str) -> None:
    """Write a file the user asked for: private, all of it or nothing. Raises FlowplanError."""
    from flowplan.files.atomic import replace_file

    try:
        replace_file(Path(path), text.encode())
    except StateError as error:  # no state was in danger
        raise FlowplanError(str(error), hint=error.hint) from error


def append(path: Path, text: str, what: str, *, hint: str | None = None, private: bool = False) -> None:
    """Add lines to a file that somebody has begun; `what` names it for people. `private`: where it is made here, only
    its owner can read it. Raises FlowplanError with `hint`."""
    try:
        with growing(path, 0o600 if private else 0o666) as file:
            joined = "\n" if file.tell() and not _ends_line(file) else ""
            file.write(f"{joined}{text}".encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise FlowplanError(
            f"{what} ({shown(str(path))}) cannot be written: {error.strerror or error}",
            hint=hint or f"unset {what}, or correct it",
        ) from error


def _ends_line(file: BinaryIO) -> bool:
    file.seek(-1, 2)
    return file.read(1) == b"\n"

"""What is said where a PATH leads to no file that can be read, and what to type instead."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from flowplan.diagnostics import Diagnostic, candidates
from flowplan.errors import FlowplanError, UsageProblem
from flowplan.files.regular import how_to_read
from flowplan.model.address import Address
from flowplan.names import few
from flowplan.operations.opening.paths import DEFAULT, SUFFIXES, in_directory
from flowplan.printable import shown

_OF_ANOTHER = "nothing in the state is of that file: `flowplan state list` shows what the state has"


def no_directory(directory: Path) -> UsageProblem:
    """What is said where `directory`, from which relative paths start, is not there."""
    return UsageProblem(
        f"there is no directory {shown(str(directory))}", hint="create it, or name the one that has the state"
    )


def nothing_in(directory: Path) -> UsageProblem:
    """What is said of a command without a PATH where `directory` has no flowplan.yaml."""
    try:
        every = list(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return no_directory(directory)
    except OSError as error:
        said = f"what is in {shown(str(directory))} cannot be read: {error.strerror}"
        return UsageProblem(f"there is no {DEFAULT} here, and no PATH was given", detail=said)
    entries = [entry for entry in every if not entry.name.startswith((".", "flowplan.state", "flowplan.lock"))]
    states = [one.name for one in every if one.name.startswith("flowplan.state") and not one.name.endswith(".lock")]
    if not entries and states:
        return UsageProblem(
            f"there is no {DEFAULT} here, and no PATH was given",
            detail="this directory has a state, and no task file",
            hint="`flowplan state list` shows what it holds; `flowplan import ADDR ID --generate FILE` writes a file",
        )
    there = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in entries)
    return UsageProblem(
        f"there is no {DEFAULT} here, and no PATH was given",
        detail=f"here: {few([*map(shown, there)], 12)}" if there else "this directory is empty",
        hint=_what_to_name(entries, directory),
    )


def _what_to_name(entries: Iterable[Path], directory: Path) -> str:
    """What a command without a PATH can be given, where `entries` are what is in `directory`."""
    if any(entry.suffix in SUFFIXES for entry in entries):
        return "name a task file, or `.` for all of this directory"
    folders = []
    for entry in entries:
        with suppress(OSError):
            folders += [entry.name] if entry.is_dir() and in_directory(entry.name, directory) else []
    if folders:
        named = few([f"`{shlex.quote(shown(name))}`" for name in sorted(folders)], 3)
        return f"name a task file, or a directory of such files: {named}"
    return "`flowplan init` writes one; a PATH names a task file or a directory"


def no_files_in(folder: str, directory: Path, made: Callable[[str], bool]) -> UsageProblem:
    """What is said where `folder`, named from `directory`, has no configuration file. `made`: whether files that were
    there made something."""
    hint = _of_what_is_gone(folder, made) or _first_in(folder, directory)
    return UsageProblem(f"there is no *.yaml or *.yml in {folder}", hint=hint)


def unreadable(name: str, error: OSError, directory: Path, *, optional: bool = False) -> Diagnostic:
    """What is said of the file or directory `name`, from `directory`, that `error` kept from being read. `optional`:
    nothing that the state has is of it."""
    if isinstance(error, FileNotFoundError):
        folder, there = str(Path(name).parent), list[str]()
        with suppress(OSError):
            there = in_directory(folder, directory)
        hint = candidates(name, there, lambda one: Path(one).stem) if name.endswith(SUFFIXES) else _no_plan(name)
        return Diagnostic(
            "file-unreadable",
            f"there is no file {name}",
            hint or (_OF_ANOTHER if optional else _first_in(folder, directory)),
        )
    hint = how_to_read(error, "give a regular file, or a directory: flowplan reads all *.yaml and *.yml in it")
    return Diagnostic("file-unreadable", f"{name} cannot be read: {error.strerror or error}", hint)


def _no_plan(name: str) -> str:
    """What to type in the place of `name`, which may be meant as an address, or as the name of a task."""
    with suppress(ValueError):
        return f"this is an address, not a file: plan, apply and destroy take `--target {Address.given(name).word}`"
    saved = f"a plan that `flowplan plan --out {shlex.quote(name)}` has saved"
    task = ""
    if name and set(name).isdisjoint("./"):
        task = f"; for one task of the files, plan, apply and destroy take `--target {shlex.quote(f'task.{name}')}`"
    return f"name a task file or a directory, or, to apply it, {saved}{task}"


def _first_in(folder: str, directory: Path) -> str | None:
    """What to type for a first file in `folder`, named from `directory`, in which there is none; None: nothing writes
    one."""
    if os.path.lexists(directory / folder / DEFAULT):
        return None
    where = "" if folder == "." else f" {shlex.quote(folder)}"
    return f"`flowplan init{where}` writes a first one"


def _of_what_is_gone(folder: str, made: Callable[[str], bool]) -> str | None:
    """What to do where files that were in `folder` `made` something: a new file there is none of them. None: they did
    not, or the state cannot be read."""
    try:
        if not made(folder):
            return None
    except (FlowplanError, OSError):
        return None
    return (
        "the state holds what the files there made: put them back, or end all of it with "
        f"`flowplan destroy {shlex.quote(folder)}`"
    )

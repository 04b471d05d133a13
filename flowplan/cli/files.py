"""Configuration files: which ones a PATH means, read with care. The only place that opens them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from flowplan.config import Source
from flowplan.document import SIZE_LIMIT
from flowplan.errors import ConfigError, Problem, UsageProblem, shown
from flowplan.regular import read_regular
from flowplan.state import Binding

DEFAULT = "flowplan.yaml"
_SUFFIXES = (".yaml", ".yml")


@frozen
class Scope:
    """What the PATHs cover: these files, and every file that is or was directly in these directories.
    `everything`: no PATH was needed (destroy of a whole state)."""

    files: frozenset[str] = frozenset()
    directories: frozenset[str] = frozenset()
    everything: bool = False

    def covers(self, binding: Binding) -> bool:
        """Whether a resource that `binding.source` named is this run's business. Where no file is known to have
        named it (it was adopted, or imported), only a run over everything may end it."""
        source = binding.source
        if self.everything or not source:
            return self.everything
        return source in self.files or str(Path(source).parent) in self.directories


def find(paths: Sequence[str], *, optional: bool = False) -> tuple[list[Source], Scope]:
    """The files that `paths` mean, read; none: `flowplan.yaml` here. Raises ConfigError, UsageProblem.

    `optional`: without PATH and without flowplan.yaml there is no configuration, and everything is covered.
    """
    if not paths:
        if not Path(DEFAULT).exists():
            if optional:
                return [], Scope(everything=True)
            raise _nothing_here()
        paths = [DEFAULT]
    files: list[str] = []
    directories: list[str] = []
    for path in map(_plain, paths):
        if _is_directory(path):
            directories.append(path)
            files += _in_directory(path)
        else:
            files.append(path)
    names = list(dict.fromkeys(files))
    return [Source(name, _read(name)) for name in names], Scope(frozenset(names), frozenset(directories))


def _is_directory(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except OSError:  # a name that is too long: reading it says so
        return False


def _plain(path: str) -> str:
    """One spelling of a path: a file belongs to the same resources however it was named."""
    here = Path.cwd()
    there = Path(os.path.normpath(here / path))
    return str(there.relative_to(here)) if there.is_relative_to(here) else str(there)


def _nothing_here() -> UsageProblem:
    entries = [
        entry for entry in Path().iterdir() if not entry.name.startswith((".", "flowplan.state", "flowplan.lock"))
    ]
    there = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in entries)
    tasks = any(entry.suffix in _SUFFIXES for entry in entries)
    listed = ", ".join(map(shown, there[:12])) + (f" and {len(there) - 12} more" if len(there) > 12 else "")
    return UsageProblem(
        f"there is no {DEFAULT} here, and no PATH was given",
        detail=f"here: {listed}" if there else "this directory is empty",
        hint="name a task file, or `.` for all of this directory"
        if tasks
        else "a PATH names a task file or a directory",
    )


def _in_directory(path: str) -> list[str]:
    found = [entry for entry in Path(path).iterdir() if entry.suffix in _SUFFIXES and entry.name[0] != "."]
    if not found:
        raise UsageProblem(f"there is no *.yaml or *.yml in {path}")
    return sorted(map(str, found))


def read_beside(source: str, path: str) -> bytes:
    """A file that `source` names, relative to it. Raises OSError."""
    return read_regular(Path(source).parent / Path(path).expanduser(), SIZE_LIMIT)


def _read(name: str) -> bytes:
    try:
        return read_regular(name, SIZE_LIMIT)
    except OSError as error:
        reason = error.strerror or str(error)
        hint = "flowplan reads regular files; a directory means all *.yaml and *.yml in it"
        raise ConfigError([Problem(f"{name} cannot be read: {reason}", hint=hint)]) from error

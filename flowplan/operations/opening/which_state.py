"""Which state a command means: the one place where that is decided.

`--state`, else FLOWPLAN_STATE, else `state` of the stack files that the command is given, else the file in the
directory. The key is read before anything else of those files is, so that it holds also where they are not valid; where
it cannot be made out, the command is refused: another state would say that nothing exists. Where a file cannot be read
at all, it is the file in the directory, if that has resources and the directory is not known to have used another.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from attrs import evolve

from flowplan.backends.state_name import DEFAULT
from flowplan.classes import frozen
from flowplan.diagnostics import Diagnostic, Position
from flowplan.errors import ConfigError, FlowplanError, UsageProblem
from flowplan.operations.opening.settings import STATE, Settings
from flowplan.printable import shown

if TYPE_CHECKING:
    from flowplan.config import Source
    from flowplan.config.config import StatePlace

Origin: TypeAlias = Literal["option", "environment", "file", "default"]


@frozen
class Chosen:
    """`where`: a file, a relative name from the directory of the run, or a URL; `origin`: what says so, and `position`
    where, if it is a file."""

    where: str
    origin: Origin = "default"
    position: Position | None = None

    @property
    def is_url(self) -> bool:
        """Whether it is on a server."""
        return "://" in self.where

    def recorded(self, identity: str, directory: Path) -> str | None:
        """How a saved plan remembers the state, which `identity` tells from others: a file by its name from the
        `directory` of the run. None: it is the one that is used where nothing is said."""
        if self.is_url:
            return identity
        name = os.path.relpath(identity, os.path.realpath(directory))
        return None if name == DEFAULT else name

    def hold_at(self, place: StatePlace | None) -> None:
        """Raise ConfigError where the configuration that is carried out says another `place` than was found before."""
        if place is None or self.origin in ("option", "environment") or named_by(place).where == self.where:
            return
        summary = f"state is {shown(place.text)} here, but this command uses {shown(self.where)}"
        hint = "run the same command again, or say which it is with --state"
        raise ConfigError([Diagnostic("conflict", summary, hint, position=place.position)])

    @contextmanager
    def explained(self) -> Iterator[None]:
        """What is wrong with the name, said of what gave it. Raises UsageProblem, ConfigError."""
        try:
            yield
        except UsageProblem as error:
            said = str(error)
            if not said.startswith("--state ") or self.origin in ("option", "default"):
                raise
            if self.origin == "environment":
                raise UsageProblem(f"{STATE}{said.removeprefix('--state')}", hint=error.hint) from None
            said = f"state{said.removeprefix('--state')}"
            raise ConfigError([Diagnostic("value", said, error.hint, position=self.position)]) from None


def chosen(settings: Settings, paths: Sequence[str | Source] = ()) -> Chosen:
    """The state that a command with these settings and PATHs means; nothing of it is opened. Raises ConfigError for a
    key that says no place, or several; UsageProblem where it cannot be made out what it says."""
    if settings.state:
        return Chosen(settings.state, "option")
    if given := settings.environ.get(STATE):
        return Chosen(given, "environment")
    return _in_files(paths, settings) or Chosen(DEFAULT)


def named_by(place: StatePlace) -> Chosen:
    """The state that a stack file names."""
    from flowplan.config.stack.where import target

    where = target(place)
    if where.startswith("~"):
        with suppress(RuntimeError):  # of a user there is none; then it is a name like any other
            where = str(Path(where).expanduser())
    return Chosen(where, "file", place.position)


def _in_files(paths: Sequence[str | Source], settings: Settings) -> Chosen | None:
    from flowplan.config.stack.where import find_place
    from flowplan.operations.opening.sources import readable

    sources, locked = readable(paths, settings.directory)
    found = find_place(sources)
    if found.problems.has_errors:
        raise ConfigError(found.problems.all)
    hint = f"mend the file, or say where the state is: --state {DEFAULT}, or {STATE}"
    if found.place is None and found.unclear:
        raise UsageProblem(
            f"{shown(found.unclear[0])} cannot be read, so flowplan does not know whether it says where the state is",
            hint=hint,
        )
    if found.place is None and locked and not _is_in_use(settings):
        raise ConfigError([evolve(one, hint=hint) for one in locked])
    return None if found.place is None else named_by(found.place)


def _is_in_use(settings: Settings) -> bool:
    """Whether the state in the directory has resources, and the directory is not known to have used another one."""
    from flowplan.backends.open import open_store
    from flowplan.backends.used import UsedStates

    if UsedStates(settings.directory).all():
        return False
    with suppress(FlowplanError, OSError):
        own = open_store(DEFAULT, settings.directory, settings.environ, form=settings.form())
        loaded = own.read()
        return not (loaded.empty or loaded.state.moved_to)
    return False

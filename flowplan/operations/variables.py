"""The values that the variables of a stack are given, read from where they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowplan.config.config import Source
from flowplan.errors import UsageProblem
from flowplan.files.regular import read_regular
from flowplan.operations.settings import Settings

if TYPE_CHECKING:
    from flowplan.config.stack.variables import Given

_LARGEST = 1_000_000  # bytes of a file of variables


def given(settings: Settings) -> Given:
    """What `settings` give. Raises UsageProblem for a file that cannot be read."""
    from flowplan.config.stack.variables import Given

    files = tuple(_read(settings, name) for name in settings.variable_files)
    return Given(dict(settings.variables), files, settings.environ)


def _read(settings: Settings, name: str) -> Source:
    try:
        return Source(name, read_regular(settings.directory / name, _LARGEST))
    except OSError as error:
        raise UsageProblem(f"--var-file {name} cannot be read: {error.strerror}") from error

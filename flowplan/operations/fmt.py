"""Configuration files in the canonical layout; no network."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flowplan.config import Source
from flowplan.config.foreign.shapes import is_kept
from flowplan.config.yaml import SIZE_LIMIT, Findings
from flowplan.config.yaml.layout import laid_out
from flowplan.documents.fmt import LaidOut
from flowplan.errors import ConfigError, FlowplanError, StateError
from flowplan.files.regular import read_regular
from flowplan.operations.opening.paths import DEFAULT

if TYPE_CHECKING:
    from flowplan.operations.opening.session import Session


def layouts(session: Session, paths: Sequence[str]) -> list[LaidOut]:
    """The files that `paths` mean (none: flowplan.yaml, else all of the directory) in the canonical layout. Raises
    ConfigError with every file that cannot be laid out, UsageProblem."""
    directory = session.settings.directory
    given = paths or ([DEFAULT] if (directory / DEFAULT).exists() else ["."])
    return _lay_out(session.sources(given)[0])


def laid_out_text(name: str, data: bytes) -> LaidOut:
    """The same of `data`, which is in no file. Raises ConfigError."""
    return _lay_out([Source(name, data)])[0]


def _lay_out(sources: Sequence[Source]) -> list[LaidOut]:
    """`sources` in the canonical layout. Raises ConfigError."""
    findings = Findings()
    found = [(source, laid_out(source.name, source.data, findings, is_kept)) for source in sources]
    if findings.has_errors:
        raise ConfigError(one for one in findings.all if one.severity == "error")
    return [LaidOut(source.name, source.data, text) for source, text in found if text is not None]


def write(session: Session, files: Sequence[LaidOut]) -> tuple[list[LaidOut], list[FlowplanError]]:
    """Write those that change, each as a whole, with the permissions that it has. Returns what was written, and why
    others were not: they cannot be written, or somebody has changed them since. One that fails holds up no other."""
    written: list[LaidOut] = []
    failed: list[FlowplanError] = []
    for file in files:
        if not file.changes:
            continue
        try:
            _write(session.settings.directory / file.name, file)
            written.append(file)
        except FlowplanError as error:
            failed.append(error)
    return written, failed


def _write(path: Path, file: LaidOut) -> None:
    """Write one file. Raises FlowplanError."""
    from flowplan.files.atomic import replace_file

    try:
        if read_regular(path, SIZE_LIMIT) != file.data:
            raise FlowplanError(f"{file.name} has changed since it was read", hint="run the same command again")
        mode = _mode(path)
        if not mode & 0o222:  # a rename would replace it anyway
            raise FlowplanError(f"{file.name} is read-only", hint="make it writable: chmod u+w")
        replace_file(path, file.text.encode(), mode=mode)
    except OSError as error:
        raise FlowplanError(f"{file.name} cannot be read again: {error.strerror}") from error
    except StateError as error:  # no state was in danger
        raise FlowplanError(str(error), hint=error.hint) from error


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)

"""Which locks the runs on this machine have asked a server for, each noted before it is asked.

A server for Terraform states does not say what its lock was given with, so who has it stands in the document. A run
that is killed before it could write that would leave a lock of nobody: this machine still knows whose it is.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from flowplan.backends.overflow import overflow_directory
from flowplan.backends.remote.lease import Record, dead
from flowplan.classes import frozen
from flowplan.errors import StateError
from flowplan.files.atomic import replace_file
from flowplan.files.private import make_directory
from flowplan.files.regular import read_regular

_SIZE_LIMIT = 64 * 1024


@frozen
class Asked:
    """Those of the state `identity`, which messages call `name`: a file each in `directory`, None: none are kept. One
    that cannot be written or read is none: the lock is freed by `force-unlock` then, as it is from elsewhere."""

    directory: Path | None
    identity: str
    name: str

    @classmethod
    def of(cls, environ: Mapping[str, str], identity: str, name: str) -> Asked:
        """In $XDG_STATE_HOME/flowplan/asked, else ~/.local/state/flowplan/asked."""
        base = overflow_directory(environ)
        return cls(None if base is None else base / "asked", identity, name)

    def note(self, record: Record) -> None:
        """The lock whose id is `record.run` is asked for now."""
        path = self._path(record.run)
        if path is not None:
            with suppress(OSError, StateError):
                make_directory(path.parent)
                replace_file(path, record.dump(), through_link=False)

    def record(self, id: str) -> Record | None:
        """Who asked for the lock `id`; None: nobody here, as far as is known."""
        path = self._path(id)
        return None if path is None else self._read(path, id)

    def forget(self, id: str) -> None:
        """The lock `id` was refused, or given back."""
        path = self._path(id)
        if path is not None:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def forget_dead(self) -> None:
        """A lock was taken: no run that is dead has one any more."""
        for path in self._all():
            found = self._read(path)
            if found is None or dead(found):
                with suppress(OSError):
                    path.unlink(missing_ok=True)

    def _read(self, path: Path, id: str | None = None) -> Record | None:
        with suppress(OSError, StateError):
            found = Record.load(read_regular(path, _SIZE_LIMIT), self.name)
            return found if id in (None, found.run) else None
        return None

    def _all(self) -> Iterator[Path]:
        if self.directory is not None:
            with suppress(OSError):
                yield from self.directory.glob(f"{_digest(self.identity)}.*.json")

    def _path(self, id: str) -> Path | None:
        if self.directory is None:
            return None
        return self.directory / f"{_digest(self.identity)}.{_digest(id)}.json"


def _digest(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:24]

"""What the journal could not take: results that came back after its disk had given out, kept in another place.

A spill is a journal of its own, `DIRECTORY/LINEAGE-PLACE.spill`; PLACE tells copies of one stack apart. It holds
results only: an intent that could not be made durable was not acted on.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from flowplan.backends.files import hold_trusted, replace_file, sync_directory
from flowplan.errors import StateError
from flowplan.journal import Closed, Done, Header, Record, frame, header_frame, read_journal
from flowplan.private import make_directory
from flowplan.regular import read_regular
from flowplan.state import State

_SIZE_LIMIT = 64 * 1024 * 1024


class Spill:
    """The spill of the state at `state_path`. `directory` None: there is nowhere to spill to."""

    def __init__(self, directory: Path | None, state_path: Path) -> None:
        self._directory = directory
        self._place = hashlib.sha256(os.fsencode(os.path.realpath(state_path))).hexdigest()[:12]

    def path(self, lineage: str) -> Path | None:
        return self._directory / f"{lineage}-{self._place}.spill" if self._directory else None

    def read(self, lineage: str) -> tuple[Done | Closed, ...]:
        """The results kept for this state, or none. Raises StateError for a spill that cannot be read, or that is not
        to be trusted: who may write it says what is ours."""
        path = self.path(lineage)
        if path is None:
            return ()
        hold_trusted(path)
        try:
            data = read_regular(path, _SIZE_LIMIT)
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            raise StateError(f"{path} cannot be read: {error.strerror}") from error
        found = read_journal(data[:_SIZE_LIMIT], str(path))
        if found.header is None or found.header.lineage != lineage or found.torn:
            raise StateError(
                f"{path} holds results of an earlier run, and is damaged",
                hint="what it named is live: remove the file, and `flowplan plan` finds bids by their marker",
            )
        return tuple(record for record in found.records if isinstance(record, (Done, Closed)))

    def write(self, state: State, records: Iterable[Record]) -> Path:
        """Keep the results among `records`, beside those kept already. Raises StateError."""
        path = self.path(state.lineage)
        if path is None:
            raise StateError("there is no directory to keep results in")
        results = [record for record in records if isinstance(record, (Done, Closed))]
        try:
            make_directory(path.parent)
        except OSError as error:
            raise StateError(f"{path.parent} cannot be made: {error.strerror}") from error
        replace_file(path, header_frame(Header.of(state)) + frame([*self.read(state.lineage), *results]))
        return path

    def remove(self, lineage: str) -> None:
        """Forget what is durable in the state by now. Raises OSError."""
        path = self.path(lineage)
        if path is not None and path.exists():
            path.unlink()
            sync_directory(path.parent)


def spill_directory(environ: Mapping[str, str]) -> Path | None:
    """$XDG_STATE_HOME/flowplan, else ~/.local/state/flowplan; None where there is no home."""
    if given := environ.get("XDG_STATE_HOME"):
        return Path(given) / "flowplan"
    home = environ.get("HOME")
    return Path(home) / ".local" / "state" / "flowplan" if home else None

"""What the journal could not take: results that came back after its disk had given out, or its lock was lost, kept in
another place.

An overflow is a journal of its own, `DIRECTORY/LINEAGE-PLACE-RUN.spill`; PLACE tells copies of one stack apart, RUN the
runs: each writes a file of its own, so that none overwrites, or removes unread, what another kept. It holds results
only: an intent that could not be made durable was not acted on.
"""

from __future__ import annotations

import glob
import hashlib
import os
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from flowplan.classes import frozen
from flowplan.errors import StateError, Unread
from flowplan.files.atomic import hold_trusted, replace_file, sync_directory
from flowplan.files.private import make_directory
from flowplan.files.regular import read_regular
from flowplan.state.form import Form, Frames
from flowplan.state.journal import Header
from flowplan.state.state import State

if TYPE_CHECKING:
    from flowplan.state.records import Closed, Done, Record

_SIZE_LIMIT = 64 * 1024 * 1024


@frozen
class Overflowed:
    """What one run kept: `serial` is that of the snapshot it had begun with."""

    serial: int
    results: tuple[Done | Closed, ...]

    def news(self, serial: int, settled: Collection[str], pending: Collection[str]) -> Iterator[Done | Closed]:
        """The results that the state does not know yet, which has `serial`, and knows the intents `settled` and
        `pending`. A run that lost its lock may have been followed by others: what they settled stays as they did."""
        for one in self.results:
            if one.intent in pending or (self.serial >= serial and one.intent not in settled):
                yield one


def news_of(
    kept: Iterable[Overflowed], state: State, records: Iterable[Record], pending: Collection[str]
) -> tuple[Record, ...]:
    """The results `kept` that `state`, with these `records` in it and `pending` in doubt, does not know."""
    from flowplan.state.records import Closed, Done

    settled = {record.intent for record in records if isinstance(record, (Done, Closed))}
    return tuple(result for one in kept for result in one.news(state.serial, settled, pending))


@frozen
class OverflowFile(Overflowed):
    """What overflowed, and the file that it was read from."""

    path: Path


class Overflow:
    """The overflows of the state that `identity` tells from all others, in `form`. `directory` None: there is nowhere
    to keep one."""

    def __init__(self, directory: Path | None, identity: str, form: Form | None = None) -> None:
        self._directory, self._form = directory, form or Form()
        self._place = hashlib.sha256(os.fsencode(identity)).hexdigest()[:12]
        self._run = uuid.uuid4().hex[:8]
        self.kept: tuple[OverflowFile, ...] = ()  # as they were read: others may be kept meanwhile
        self.news: tuple[Record, ...] = ()  # what of them the state did not know
        self.unread: StateError | None = None  # why one of them was left out
        self._results: list[Done | Closed] = []  # what this run has kept,
        self._own: tuple[Header, Frames, bytes] | None = None  # and the file that has it: read again, it would cost

    def found(self, lineage: str | None = None) -> list[Path]:
        """The files of this place: those for the state `lineage`, or for any. Raises StateError."""
        if self._directory is None:
            return []
        which = "*" if lineage is None else glob.escape(lineage)
        try:
            return sorted(self._directory.glob(f"{which}-{self._place}*.spill"))
        except OSError as error:
            raise Unread(f"{self._directory} cannot be read: {error.strerror}") from error

    def read(self, lineage: str, *, stops: bool = False) -> tuple[OverflowFile, ...]:
        """The results kept for this state, or none, the oldest first. Raises StateError for an overflow that cannot be
        read, or that is not to be trusted: who may write it says what is ours. For who only `stops` what costs money,
        that is `unread`, and left out."""
        found: list[OverflowFile] = []
        self.unread = None
        for path in self.found(lineage):
            try:
                one = self._read(path, lineage)
            except StateError as error:
                if not stops:
                    raise
                self.unread = self.unread or error
                continue
            found += [one] if one is not None else []
        self.kept = tuple(sorted(found, key=lambda one: one.serial))
        return self.kept

    def _read(self, path: Path, lineage: str) -> OverflowFile | None:
        """None: it is not there, or another run has taken it over by now."""
        hold_trusted(path)
        try:
            data = read_regular(path, _SIZE_LIMIT)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unread(f"{path} cannot be read: {error.strerror}") from error
        found = self._form.read_journal(data[:_SIZE_LIMIT], str(path), self._kind)
        if found.header is None or found.header.lineage != lineage or found.torn:
            raise StateError(
                f"{path} holds results of an earlier run and is damaged",
                hint="move the file away: `flowplan plan` finds the bids that are live by their marker",
            )
        from flowplan.state.records import Closed, Done

        results = tuple(record for record in found.records if isinstance(record, (Done, Closed)))
        return OverflowFile(found.header.serial, results, path)

    def write(self, state: State, records: Iterable[Record]) -> Path:
        """Keep the results among `records`, beside those that this run has kept already. Raises StateError."""
        from flowplan.state.records import Closed, Done

        if self._directory is None:
            raise StateError("there is no directory to keep results in")
        path = self._directory / f"{state.lineage}-{self._place}-{self._run}.spill"
        results = [record for record in records if isinstance(record, (Done, Closed))]
        try:
            make_directory(self._directory)
        except OSError as error:
            raise StateError(f"{self._directory} cannot be made: {error.strerror}") from error
        header = Header.of(state)
        if self._own is not None and self._own[0] == header:
            frames, data, new = attrs.evolve(self._own[1]), self._own[2], results
        else:
            frames = self._form.frames()
            data, new = frames.begin(header, self._kind), [*self._results, *results]
        data += frames.add(new)
        replace_file(path, data, through_link=False)
        self._own = (header, frames, data)
        self._results += results
        return path

    @property
    def _kind(self) -> str:
        """Sealed, one is no journal of a state, and no overflow of another place."""
        return f"overflow of {self._place}"

    def forget(self) -> None:
        """Remove what was read, which is durable in the state by now. Raises OSError."""
        for one in self.kept:
            one.path.unlink(missing_ok=True)
            sync_directory(one.path.parent)
        self.kept = ()


def overflow_directory(environ: Mapping[str, str]) -> Path | None:
    """$XDG_STATE_HOME/flowplan, else ~/.local/state/flowplan; None where there is no home.

    One that is relative does not count, as its specification has it: from another directory nobody would find it.
    """
    given, home = Path(environ.get("XDG_STATE_HOME", "")), Path(environ.get("HOME", ""))
    if given.is_absolute():
        return given / "flowplan"
    return home / ".local" / "state" / "flowplan" if home.is_absolute() else None

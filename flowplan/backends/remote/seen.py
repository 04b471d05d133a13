"""What this machine has seen of states that live elsewhere: the lineage and the highest serial of each.

A server that lost a state, or went back to an older one, would make flowplan believe that nothing exists. So a state
that is less than what was seen here is an error.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from attrs import asdict, evolve

from flowplan.backends.overflow import overflow_directory
from flowplan.backends.store import Loaded
from flowplan.classes import frozen
from flowplan.errors import Damaged, Remedied, StateError
from flowplan.files.atomic import replace_file
from flowplan.files.private import make_directory
from flowplan.files.regular import read_regular

FORMAT_VERSION = 1
_SIZE_LIMIT = 64 * 1024


@frozen
class Sight:
    """`lineage` "": no state was seen there. `proved`: the server was found to keep its conditions."""

    lineage: str = ""
    serial: int = 0
    proved: bool = False


@frozen
class Seen:
    """The memory of the state `identity`, which messages call `name`, in a file of `directory`; None: there is none."""

    directory: Path | None
    identity: str
    name: str

    @classmethod
    def of(cls, environ: Mapping[str, str], identity: str, name: str) -> Seen:
        """In $XDG_STATE_HOME/flowplan/seen, else ~/.local/state/flowplan/seen."""
        base = overflow_directory(environ)
        return cls(None if base is None else base / "seen", identity, name)

    @property
    def path(self) -> Path | None:
        """Where it is kept."""
        if self.directory is None:
            return None
        return self.directory / f"{hashlib.sha256(os.fsencode(self.identity)).hexdigest()[:24]}.json"

    def last(self) -> Sight:
        """What was seen last. Raises StateError for a memory that cannot be read."""
        if self.path is None:
            return Sight()
        try:
            found = json.loads(read_regular(self.path, _SIZE_LIMIT))
            sight = Sight(found["lineage"], found["serial"], found["proved"])
            if [type(one) for one in (sight.lineage, sight.serial, sight.proved)] != [str, int, bool]:
                raise ValueError("other types")
            return sight
        except FileNotFoundError:
            return Sight()
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is damaged"
            raise StateError(
                f"{self.path}, which says what was last seen of {self.name}, cannot be read: {why}",
                hint="look at the state on its server; if it is the right one, remove that file",
            ) from None

    def more_than(self, lineage: str, serial: int) -> bool:
        """Whether a later serial was seen, or another state. Raises StateError for a memory that cannot be read."""
        last = self.last()
        return bool(last.lineage) and (last.lineage != lineage or last.serial > serial)

    def hold(self, last: Sight, found: Loaded) -> None:
        """Raise StateError where `found` is less than what was seen before it was read (`last`)."""
        if not last.lineage:
            return
        known = f"this machine has seen serial {last.serial} of it"
        if found.fresh:
            raise Remedied(
                f"there is no state at {self.name}, but {known}",
                hint="check that the URL and the credentials are right; "
                "with the same --state, `flowplan state history` lists the versions that are left, and `flowplan state "
                "restore SERIAL` puts one back, volumes included; without one, `flowplan recover --from-live` rebuilds "
                "the state from the markers of live bids; `flowplan apply --init` starts a new state",
            )
        if found.state.lineage != last.lineage:
            raise StateError(
                f"{self.name} is the state of another stack than this machine has seen there "
                f"(lineage {found.state.lineage} instead of {last.lineage})",
                hint=f"if somebody has started it again on purpose, remove {self.path}",
            )
        if found.state.serial < last.serial:
            raise Damaged(f"{self.name} went back: its serial is {found.state.serial}, but {known}")

    def note(self, lineage: str, serial: int) -> None:
        """This was seen; of one lineage the highest serial stays. A memory that cannot be written is none."""
        last = self._last_or_none()
        if (last.lineage, last.serial) != (lineage, serial) and (last.lineage != lineage or last.serial < serial):
            self._write(evolve(last, lineage=lineage, serial=serial))

    def forget(self) -> None:
        """What is there now is a new beginning."""
        self._write(evolve(self._last_or_none(), lineage="", serial=0))

    def prove_once(self, prove: Callable[[], None]) -> None:
        """Call `prove` unless the server is known to keep its conditions: from then on it is. Raises what it raises."""
        if not self._last_or_none().proved:
            prove()
            self._write(evolve(self._last_or_none(), proved=True))

    def _last_or_none(self) -> Sight:
        try:
            return self.last()
        except StateError:
            return Sight()

    def _write(self, sight: Sight) -> None:
        path = self.path
        if path is None:
            return
        document = {"format_version": FORMAT_VERSION, "state": self.identity, **asdict(sight)}
        with suppress(OSError, StateError):
            make_directory(path.parent)
            replace_file(path, json.dumps(document, indent=2).encode() + b"\n", through_link=False)

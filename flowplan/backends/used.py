"""Which states a directory has used, but for its own flowplan.state.json: `.flowplan/used/ID.json`, a file for each
that has resources.

Where `--state`, FLOWPLAN_STATE or `state:` says nothing any more, or something else, flowplan would find no state, and
say that nothing exists while bids run. By this it knows better. It is no part of a state: one that cannot be read or
written is none.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from attrs import asdict, evolve, fields

from flowplan.classes import frozen
from flowplan.errors import StateError
from flowplan.files.atomic import replace_file
from flowplan.files.private import make_directory
from flowplan.files.regular import read_regular

DIRECTORY = ".flowplan/used"
FORMAT_VERSION = 1
_SIZE_LIMIT = 64 * 1024
MOST_FILES = 100  # of one state
_MOST = 200  # of one directory that are read


@frozen
class Used:
    """A state as it was when it was read or saved here last. `identity` tells it from every other one; `where` is how
    `--state` names it; `api_url` the API that it belongs to, "": that is not known; `resources` counts its addresses,
    None: a run began to write there, and has not saved. `lineage` is that of the state, "": not known; `files` are
    those of the stack, from the directory (none: whatever is there)."""

    identity: str
    where: str
    api_url: str
    resources: int | None
    lineage: str = ""
    files: tuple[str, ...] = ()


@frozen
class UsedStates:
    """Those that the runs in the directory `base` have used."""

    base: Path

    def all(self) -> tuple[Used, ...]:
        """Those that may have resources, as far as is known here, in the order of their names."""
        found = (self._read(path) for path in self._files())
        return tuple(
            sorted((one for one in found if one is not None and one.resources != 0), key=lambda one: one.where)
        )

    def note_begun(self, used: Used) -> None:
        """A run begins to write there: it is `used`, unless more is known of it."""
        if self._read(self._of(used.identity)) is None:
            self.note(used)

    def note(self, used: Used) -> None:
        """This is how it is now; of one without resources nothing stays."""
        path = self._of(used.identity)
        if used.resources == 0:
            self.forget(used.identity)
            return
        for other in self.all():  # it has moved from there
            if used.lineage and other.lineage == used.lineage and other.identity != used.identity:
                used = evolve(used, files=_of_both(other, used))
                self.forget(other.identity)
        before = self._read(path)
        if before is not None:
            used = evolve(used, files=_of_both(before, used))
        if before != used:
            with suppress(OSError, StateError):
                make_directory(path.parent)
                document = {"format_version": FORMAT_VERSION, **asdict(used)}
                replace_file(path, json.dumps(document, indent=2).encode() + b"\n", through_link=False)

    def knows(self, identity: str) -> bool:
        """Whether there is a note of it."""
        return self._read(self._of(identity)) is not None

    def damaged(self) -> tuple[Path, ...]:
        """The notes that do not read."""
        return tuple(path for path in self._files() if self._read(path) is None)

    def forget(self, identity: str) -> None:
        """Nothing of it is left to be asked for here."""
        with suppress(OSError):
            self._of(identity).unlink(missing_ok=True)

    def _of(self, identity: str) -> Path:
        return self.base / DIRECTORY / f"{hashlib.sha256(os.fsencode(identity)).hexdigest()[:24]}.json"

    def _files(self) -> Iterator[Path]:
        with suppress(OSError):
            yield from sorted((self.base / DIRECTORY).glob("*.json"))[:_MOST]

    def _read(self, path: Path) -> Used | None:
        with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
            found = json.loads(read_regular(path, _SIZE_LIMIT))
            made = Used(*(found[one.name] for one in fields(Used)))
            texts = (made.identity, made.where, made.api_url, made.lineage, *made.files)
            strings = all(type(one) is str and "\0" not in one for one in texts)
            if strings and (made.resources is None or type(made.resources) is int):
                return evolve(made, files=tuple(made.files))
        return None


def _of_both(one: Used, other: Used) -> tuple[str, ...]:
    """The files of both; none is any. Of too many to keep, any counts, too."""
    if not one.files or not other.files:
        return one.files or other.files
    found = tuple(sorted({*one.files, *other.files}))
    return found if len(found) <= MOST_FILES else ()

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

from attrs import asdict, fields, frozen

from flowplan.errors import StateError
from flowplan.files.atomic import replace_file
from flowplan.files.private import make_directory
from flowplan.files.regular import read_regular

DIRECTORY = ".flowplan/used"
FORMAT_VERSION = 1
_SIZE_LIMIT = 64 * 1024
_MOST = 200  # of one directory that are read


@frozen
class Used:
    """A state as it was when it was read or saved here last. `identity` tells it from every other one; `where` is how
    `--state` names it; `api_url` the API that it belongs to, "": that is not known; `resources` counts its addresses,
    None: a run began to write there, and has not saved."""

    identity: str
    where: str
    api_url: str
    resources: int | None


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
        elif self._read(path) != used:
            with suppress(OSError, StateError):
                make_directory(path.parent)
                document = {"format_version": FORMAT_VERSION, **asdict(used)}
                replace_file(path, json.dumps(document, indent=2).encode() + b"\n", through_link=False)

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
            strings = all(type(one) is str for one in (made.identity, made.where, made.api_url))
            if strings and (made.resources is None or type(made.resources) is int):
                return made
        return None

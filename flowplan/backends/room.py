"""Whether there is room beside a state in a file to change it, and what to do where there is none."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flowplan.errors import NoLocks, StateError
from flowplan.files.atomic import WRITABLE, room_in

RESERVED = 1024 * 1024  # bytes of journal allocated before the first call: a full disk is met before, not during


def no_room(directory: Path) -> str | None:
    """Why no state can be changed in `directory`: a sentence. None: it can be tried."""
    if not os.access(directory, os.W_OK):
        return "this directory cannot be written, so no state can be saved in it"
    room = room_in(directory)
    if room is None or room >= RESERVED:
        return None
    free = f"has room for {room // 1024} kB" if room else "is full"
    said = "flowplan places and changes nothing with less than 1 MB; what only stops still works"
    return f"the disk of this directory {free}: {said}"


@contextmanager
def copy_named(state: Path | None) -> Iterator[None]:
    """Where what is done before anything is changed fails for want of room beside `state`, say how to stop what that
    holds. None: it is no state's."""
    try:
        yield
    except StateError as error:
        if state is not None and os.path.lexists(state):
            locks, full = isinstance(error, NoLocks), no_room(state.absolute().parent) is not None
            if locks or full:
                files, copy = shlex.quote(str(state).removesuffix(".json")), shlex.quote(state.name)
                copied = f"cp {files}* DIR, give --state DIR/{copy}, and copy it back afterwards"
                error.detail = "nothing was changed: anything that runs goes on, and costs money"
                error.hint = (
                    f"{WRITABLE}; or {copied}" if full else f"{error.hint}: while nobody else uses it, {copied}"
                )
        raise

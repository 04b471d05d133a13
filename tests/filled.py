"""What the data of a new simulator hold, computed once in a process and then copied: thousands are made. Also what its
rivals do afterwards is drawn once.

The same seed, start and catalogue, which some tests replace, always give the same data.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
import warnings
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from flowplan.files.private import make_directory
from flowplan.simulator import Simulator, clock, store
from flowplan.simulator import simulator as simulated
from flowplan.simulator.auctions import catalogue, crowd

compute = simulated._fill
make = Simulator.open.__func__  # type: ignore[attr-defined]
EVENTS = 50_000  # of rivals, which are kept: some days of all pools
Key = tuple[int, int, str]
_FILES: dict[Key, bytes] = {}
_ROWS: dict[Key, list[tuple[str, list[Any]]]] = {}


@cache
def install() -> None:
    """From now on in this process, and in those that are forked off it."""
    simulated._fill = _filled
    crowd.draw = lru_cache(EVENTS)(crowd.draw)
    Simulator.open = classmethod(_opened)  # type: ignore[method-assign, assignment]
    Simulator.__del__ = _is_closed  # type: ignore[attr-defined]


def _key(seed: int, start: int) -> Key:
    return seed, start, repr([value for name, value in vars(catalogue).items() if name.isupper()])


def _opened(
    cls: type[Simulator], path: str | Path, *, seed: int = 1, start: datetime = clock.EPOCH, **given: Any
) -> Simulator:
    """A new file is the copy of an earlier one."""
    if str(path) != ":memory:" and not Path(path).exists():
        with contextlib.suppress(OSError):  # what is wrong with the place is told by who makes it
            _copy(Path(path), seed, clock.to_ms(start))
    found: Simulator = make(cls, path, seed=seed, start=start, **given)
    return found


def _is_closed(simulator: Simulator) -> None:
    """From Python 3.13 on, sqlite3 itself warns of a database that nobody has closed."""
    with contextlib.suppress(AttributeError, sqlite3.ProgrammingError):  # it was not opened, or is closed
        simulator._db.total_changes  # noqa: B018
        warnings.warn(f"unclosed {simulator!r}", ResourceWarning, source=simulator, stacklevel=2)


def _copy(path: Path, seed: int, start: int) -> None:
    key = _key(seed, start)
    if key not in _FILES:
        with tempfile.TemporaryDirectory() as directory:
            first = Path(directory) / "first.db"
            store._create(first, lambda db: _filled(db, seed, start))
            _FILES[key] = first.read_bytes()

    make_directory(path.parent)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        unfinished.touch(mode=0o600)
        unfinished.write_bytes(_FILES[key])
        os.link(unfinished, path)  # all or nothing, as in `store`
    finally:
        unfinished.unlink(missing_ok=True)


def _filled(db: sqlite3.Connection, seed: int, start: int) -> None:
    """As `compute`."""
    key = _key(seed, start)
    if key in _ROWS:
        for insert, rows in _ROWS[key]:
            db.executemany(insert, rows)
        return
    compute(db, seed, start)
    _ROWS[key] = found = []
    for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        rows = db.execute(f'SELECT * FROM "{table}"').fetchall()
        if rows:
            found.append((f'INSERT INTO "{table}" VALUES ({", ".join("?" * len(rows[0]))})', rows))

"""The simulator's data in SQLite: the tables, and how a file of them is opened, created and created again.

Money is integer cents per instance-hour, time integer milliseconds since 1970 UTC. `seq` numbers order by age: those
of bids and of the rivals' orders are drawn from one sequence (`clock.aged`), all others from another
(`clock.numbered`), from which ids are made too: so ids do not depend on what the rivals do.

Units: an auction belongs to a pool of GPUs, and the sizes of one pool share its stock. A pool counts in *units*,
one unit being its smallest size; an instance of an auction takes `weight` units (1, 2, 4 or 8). Limits of one book
are compared per unit, as `rank` = minus the limit in eighths of a cent per unit (exact, as weights divide 8).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from flowplan.errors import FlowplanError
from flowplan.files.atomic import take_name
from flowplan.files.private import make_directory

VERSION = 4

SCHEMA = """
CREATE TABLE clock (
  now INTEGER NOT NULL, started INTEGER NOT NULL, seed INTEGER NOT NULL,
  aged INTEGER NOT NULL,  -- the last number given to an order of a book
  numbered INTEGER NOT NULL,  -- the last number given to anything else
  advanced INTEGER NOT NULL DEFAULT 0  -- how much of the time was advanced by hand, in any process
);

CREATE TABLE projects (
  seq INTEGER PRIMARY KEY, fid TEXT NOT NULL UNIQUE, name TEXT NOT NULL, created_at INTEGER NOT NULL,
  mine INTEGER NOT NULL
);
CREATE TABLE ssh_keys (
  seq INTEGER PRIMARY KEY, fid TEXT NOT NULL UNIQUE, project TEXT NOT NULL, name TEXT NOT NULL,
  public_key TEXT NOT NULL, created_at INTEGER NOT NULL, required INTEGER NOT NULL
);
CREATE INDEX ssh_keys_of_project ON ssh_keys (project);
CREATE TABLE ssh_key_uses (  -- by bids that are not terminated
  bid INTEGER NOT NULL, ssh_key TEXT NOT NULL, PRIMARY KEY (bid, ssh_key)
) WITHOUT ROWID;
CREATE INDEX uses_of_ssh_key ON ssh_key_uses (ssh_key);
CREATE TABLE quotas (
  seq INTEGER PRIMARY KEY, fid TEXT NOT NULL UNIQUE, project TEXT NOT NULL, product_type TEXT NOT NULL,
  instance_type TEXT NOT NULL, total INTEGER NOT NULL, used INTEGER NOT NULL, units TEXT NOT NULL, name TEXT NOT NULL,
  claimed INTEGER NOT NULL DEFAULT 0,  -- what is used, and what open bids would use if they all won
  UNIQUE (project, product_type, instance_type)
);

CREATE TABLE pools (
  seq INTEGER PRIMARY KEY, units INTEGER NOT NULL, reserve INTEGER NOT NULL, free INTEGER NOT NULL,
  temper TEXT NOT NULL, changed INTEGER NOT NULL,
  drawn INTEGER NOT NULL DEFAULT 0,  -- events of the rivals' process so far
  next_at INTEGER,                   -- when its next one is
  surge_at INTEGER,                  -- when their next surge is
  due_at INTEGER                     -- the next round in which a rival does something
);
CREATE INDEX pools_changed ON pools (seq) WHERE changed = 1;
CREATE INDEX pools_due ON pools (due_at) WHERE due_at IS NOT NULL;
CREATE TABLE auctions (
  seq INTEGER PRIMARY KEY, fid TEXT NOT NULL UNIQUE, pool INTEGER NOT NULL, instance_type TEXT NOT NULL,
  region TEXT NOT NULL, weight INTEGER NOT NULL, reserve_cents INTEGER NOT NULL, price_cents INTEGER NOT NULL,
  lowest_cents INTEGER, adjustable_memory INTEGER NOT NULL DEFAULT 0, UNIQUE (instance_type, region)
);
CREATE INDEX auctions_of_pool ON auctions (pool);
CREATE TABLE orders (
  pool INTEGER NOT NULL, rank INTEGER NOT NULL, seq INTEGER NOT NULL, units INTEGER NOT NULL,
  auction INTEGER NOT NULL, own INTEGER NOT NULL, winning INTEGER NOT NULL DEFAULT 0,
  leaves_at INTEGER,  -- when a rival withdraws
  PRIMARY KEY (pool, rank, seq)
) WITHOUT ROWID;
CREATE INDEX orders_by_size ON orders (pool, units, rank, seq);
CREATE INDEX orders_winning ON orders (pool) WHERE winning = 1;
CREATE TABLE handovers (  -- orders whose machines begin (have to wait until) or end (their notice is over) at `at`
  pool INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, units INTEGER NOT NULL, begins INTEGER NOT NULL,
  PRIMARY KEY (pool, seq)
) WITHOUT ROWID;
CREATE TABLE price_events (
  auction INTEGER NOT NULL, at INTEGER NOT NULL, price_cents INTEGER NOT NULL, PRIMARY KEY (auction, at)
) WITHOUT ROWID;

CREATE TABLE bids (
  seq INTEGER PRIMARY KEY, fid TEXT NOT NULL UNIQUE, project TEXT NOT NULL, name TEXT NOT NULL,
  status TEXT NOT NULL, limit_cents INTEGER NOT NULL, quantity INTEGER NOT NULL, auction INTEGER NOT NULL,
  instance_type TEXT NOT NULL, region TEXT NOT NULL, created_at INTEGER NOT NULL, deactivated_at INTEGER,
  notice_ends_at INTEGER, away_until INTEGER, instances TEXT NOT NULL DEFAULT '[]',
  fixed TEXT NOT NULL,  -- JSON members that never change: '"fid":...,"name":...'
  launch TEXT NOT NULL  -- JSON of the launch specification
);
CREATE INDEX bids_of_project ON bids (project);
CREATE INDEX bids_by_status ON bids (project, status);
CREATE INDEX bids_by_name ON bids (name);
CREATE INDEX bids_by_region ON bids (project, region);
CREATE INDEX bids_by_type ON bids (project, instance_type);
CREATE INDEX bids_by_auction ON bids (project, instance_type, region);
CREATE INDEX bids_due ON bids (notice_ends_at) WHERE notice_ends_at IS NOT NULL;
CREATE INDEX bids_away ON bids (away_until) WHERE away_until IS NOT NULL;
CREATE TABLE bid_events (
  bid INTEGER NOT NULL, at INTEGER NOT NULL, event_type TEXT NOT NULL, limit_cents INTEGER, user TEXT,
  memory_gb INTEGER, attached TEXT, removed TEXT
);
CREATE INDEX events_of_bid ON bid_events (bid);

CREATE TABLE instances (
  seq INTEGER PRIMARY KEY, fid TEXT NOT NULL UNIQUE, bid INTEGER NOT NULL, project TEXT NOT NULL,
  instance_type TEXT NOT NULL, region TEXT NOT NULL, auction INTEGER NOT NULL, status TEXT NOT NULL,
  created_at INTEGER NOT NULL, due_at INTEGER, end_at INTEGER, ssh_destination TEXT,
  fixed TEXT NOT NULL
);
CREATE INDEX instances_of_project ON instances (project);
CREATE INDEX instances_by_status ON instances (project, status);
CREATE INDEX instances_by_type ON instances (project, instance_type);
CREATE INDEX instances_by_region ON instances (project, region);
CREATE INDEX instances_of_bid ON instances (bid);
CREATE INDEX instances_due ON instances (due_at) WHERE due_at IS NOT NULL;
CREATE TABLE instance_events (instance INTEGER NOT NULL, at INTEGER NOT NULL, status TEXT NOT NULL);
CREATE INDEX events_of_instance ON instance_events (instance);

CREATE TABLE volumes (
  seq INTEGER PRIMARY KEY, fid TEXT NOT NULL UNIQUE, project TEXT NOT NULL, name TEXT NOT NULL, region TEXT NOT NULL,
  size_gb INTEGER NOT NULL, interface TEXT NOT NULL, created_at INTEGER NOT NULL, deleted_at INTEGER
);
CREATE INDEX volumes_of_project ON volumes (project) WHERE deleted_at IS NULL;
CREATE INDEX volumes_by_name ON volumes (project, name) WHERE deleted_at IS NULL;
CREATE TABLE attachments (
  volume INTEGER NOT NULL, bid INTEGER NOT NULL, PRIMARY KEY (volume, bid)
) WITHOUT ROWID;
CREATE INDEX attachments_of_bid ON attachments (bid);

CREATE TABLE api_keys (
  seq INTEGER PRIMARY KEY, fid TEXT NOT NULL UNIQUE, name TEXT NOT NULL, snippet TEXT NOT NULL,
  sha256 TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, deactivated_at INTEGER
);
CREATE TABLE lifecycle_scripts (
  seq INTEGER PRIMARY KEY, fid TEXT NOT NULL UNIQUE, project TEXT NOT NULL, name TEXT NOT NULL,
  description TEXT NOT NULL, content TEXT NOT NULL, scope TEXT NOT NULL, created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL, modified_at INTEGER NOT NULL, modified_by TEXT NOT NULL
);
CREATE INDEX scripts_of_project ON lifecycle_scripts (project);

CREATE TABLE faults (
  seq INTEGER PRIMARY KEY, given TEXT NOT NULL, seen INTEGER NOT NULL DEFAULT 0, met INTEGER NOT NULL DEFAULT 0,
  spent INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX faults_pending ON faults (seq) WHERE spent = 0;
CREATE TABLE conditions (name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE late (seq INTEGER PRIMARY KEY, request TEXT NOT NULL, due_at INTEGER NOT NULL, real_at INTEGER NOT NULL);
CREATE TABLE stale (  -- what lists still go by: the rows of an object as they were before a change (JSON)
  seq INTEGER PRIMARY KEY, fid TEXT NOT NULL, rows TEXT NOT NULL, due_at INTEGER NOT NULL, real_at INTEGER NOT NULL
);

CREATE TABLE replays (
  key TEXT NOT NULL, path TEXT NOT NULL, status INTEGER NOT NULL, subject TEXT, body TEXT NOT NULL,
  PRIMARY KEY (key, path)
) WITHOUT ROWID;
CREATE TABLE ledger (
  seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL, key TEXT,
  status INTEGER NOT NULL, subject TEXT, executed INTEGER NOT NULL
);
"""

Fill = Callable[[sqlite3.Connection], None]


def open_database(path: str | Path, fill: Fill) -> sqlite3.Connection:
    """The database at `path`, made and filled when there is none yet. `":memory:"` is private to this process.

    Several processes may have it open. A kill at any time leaves it valid (WAL; not proof against power loss).
    Raises FlowplanError when the file is not a simulator's, or another version's.
    """
    if str(path) == ":memory:":
        return _make(":memory:", fill)
    path = Path(path)
    try:
        if not path.exists():
            _create(path, fill)
    except OSError as error:
        hint = "name a file that can be written: --api-url sim:PATH"
        raise FlowplanError(f"the simulator's data cannot be kept in {path}: {error.strerror}", hint=hint) from error
    if not path.is_file():
        raise FlowplanError(f"{path} is not a simulator's data: it is not a regular file", hint="delete it")
    db = _connect(str(path))
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError as error:
        db.close()
        raise _unusable(str(path), error) from error
    if version != VERSION:
        db.close()
        raise FlowplanError(
            f"{path} holds simulator data of version {version}; this is version {VERSION}", hint="delete the file"
        )
    return db


def remake(db: sqlite3.Connection, fill: Fill) -> None:
    """Delete everything and fill it again, in one transaction: other processes see the old or the new data."""
    with writing(db):
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        for (name,) in tables.fetchall():
            db.execute(f'DROP TABLE "{name}"')
        _create_tables(db)
        fill(db)


@contextlib.contextmanager
def writing(db: sqlite3.Connection) -> Iterator[None]:
    """One write transaction: everything in it, or on any exception nothing."""
    try:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # Ctrl-C may come right after the last statement
            db.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def reading(db: sqlite3.Connection) -> Iterator[None]:
    """One read transaction: every query in it sees the same data."""
    try:
        db.execute("BEGIN")
        yield
    finally:
        if db.in_transaction:
            db.execute("COMMIT")


def _create(path: Path, fill: Fill) -> None:
    """Make the file complete under another name, then give it its own: who opens `path` finds all or nothing, unless
    its file system has no links (`take_name`)."""
    make_directory(path.parent)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        _make(str(unfinished), fill).close()
        with contextlib.suppress(FileExistsError):  # another process was first: its data hold
            take_name(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _make(name: str, fill: Fill) -> sqlite3.Connection:
    db = _connect(name)
    try:
        with writing(db):
            _create_tables(db)
            fill(db)
    except BaseException:
        db.close()
        raise
    return db


def _create_tables(db: sqlite3.Connection) -> None:
    for statement in SCHEMA.split(";"):
        if statement.strip():
            db.execute(statement)
    db.execute(f"PRAGMA user_version = {VERSION}")


def _connect(name: str) -> sqlite3.Connection:
    try:
        db = sqlite3.connect(name, timeout=60, isolation_level=None, check_same_thread=False, cached_statements=256)
    except sqlite3.DatabaseError as error:
        raise _unusable(name, error) from error
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = OFF")
    except sqlite3.DatabaseError as error:
        db.close()
        raise _unusable(name, error) from error
    return db


def _unusable(name: str, error: sqlite3.DatabaseError) -> FlowplanError:
    """What is wrong with a file that SQLite does not open; good data is never called bad because of its disk."""
    if isinstance(error, sqlite3.OperationalError):
        return FlowplanError(
            f"{name} cannot be opened: {error}",
            hint="look whether its disk is full or read-only, and whether more files can be opened (ulimit -n); "
            "the data is untouched",
        )
    return FlowplanError(f"{name} is not a simulator's data: {error}", hint="delete the file")

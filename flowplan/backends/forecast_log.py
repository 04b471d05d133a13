"""Forecasts that were shown, kept to be judged: `.flowplan/forecasts.db`.

No part of the state: nothing is decided by it, and without it nothing else is lost. So whoever writes here lets it
fail: what cannot be kept is told, and the run goes on. SQLite with its plain journal, which network file systems bear
better than WAL; whoever finds it locked waits `PATIENCE` at most.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from attrs import frozen

from flowplan.errors import FlowplanError
from flowplan.files.private import make_directory
from flowplan.pricing import Band, Judged, KeptForecast, Verdict

KEPT = ".flowplan/forecasts.db"
VERSION = 1
MARK = 0x666C6F77  # "flow": by which the file is known for one of ours
PATIENCE = 0.5  # seconds
MOST = 20_000  # rows: what is older goes

SCHEMA = """
CREATE TABLE forecasts (  -- money in dollars as text, NULL where it is unknown; moments in RFC 3339, UTC
  seq INTEGER PRIMARY KEY, lineage TEXT NOT NULL,
  address TEXT NOT NULL,  -- of a bid; empty: the whole stack
  bids TEXT NOT NULL,  -- JSON list of ids
  instance_type TEXT, region TEXT, made_at TEXT NOT NULL, starts_at TEXT NOT NULL, ends_at TEXT NOT NULL,
  hours REAL NOT NULL, quantity INTEGER, limit_price TEXT, basis TEXT NOT NULL,
  p10 TEXT, p50 TEXT, p90 TEXT, expected TEXT, worst TEXT, price_now TEXT, storage TEXT NOT NULL,
  market_snapshot_id TEXT, flowplan_version TEXT NOT NULL,
  course TEXT, until TEXT, paid TEXT, starting TEXT, reason TEXT  -- what came of it, once that is final
);
CREATE INDEX forecasts_of_address ON forecasts (lineage, address, ends_at);
"""
_COLUMNS = (
    "lineage, address, bids, instance_type, region, made_at, starts_at, ends_at, hours, quantity, limit_price, basis, "
    "p10, p50, p90, expected, worst, price_now, storage, market_snapshot_id, flowplan_version"
)
_VERDICT = "course, until, paid, starting, reason"


@frozen
class KeptForecasts:
    """The file at `path`. Every method raises FlowplanError, and only that, for whatever is wrong with it."""

    path: Path

    def read(self, lineage: str) -> list[KeptForecast]:
        """Those of one state, the first first; none without a file, and none is made."""
        with self._opened(writing=False) as db:
            if db is None:
                return []
            query = f"SELECT {_COLUMNS}, {_VERDICT}, seq FROM forecasts WHERE lineage = ? ORDER BY starts_at, seq"  # noqa: S608
            return [_read(row) for row in db.execute(query, (lineage,))]

    def add(self, forecasts: Sequence[KeptForecast]) -> None:
        """Keep `forecasts`, all or none."""
        with self._opened(writing=True) as db:
            assert db is not None  # noqa: S101 - it was made
            for one in forecasts:
                _insert(db, one)
            _forget(db)

    def settle(self, final: Sequence[Judged], following: Sequence[KeptForecast]) -> None:
        """Keep the verdicts that are final, and of `following` those of whose address and horizon none is running: so
        what is kept day by day does not overlap."""
        with self._opened(writing=True) as db:
            assert db is not None  # noqa: S101 - it was made
            for judged in final:
                db.execute(
                    "UPDATE forecasts SET (course, until, paid, starting, reason) = (?, ?, ?, ?, ?) WHERE seq = ?",
                    (*_verdict(judged.verdict), judged.kept.seq),
                )
            for one in following:
                if not _is_running(db, one):
                    _insert(db, one)
            _forget(db)

    @contextmanager
    def _opened(self, *, writing: bool) -> Iterator[sqlite3.Connection | None]:
        """The database, in a transaction; None for a reader when there is none."""
        try:
            if not writing and not self.path.exists():
                yield None
                return
            if writing:
                _touch(self.path)
            if not stat.S_ISREG(self.path.lstat().st_mode):  # a link may lead to a file that is none of ours
                raise FlowplanError(f"{self.path} is not a file", hint="move it away")
            # A reader, too, opens it for writing where it may: what a killed run left half done is undone first.
            name = f"{self.path.absolute().as_uri()}?mode=rw"
            db = sqlite3.connect(name, uri=True, timeout=PATIENCE, isolation_level=None)
            try:
                db.execute("BEGIN IMMEDIATE" if writing else "BEGIN")
                made = _is_made(db, self.path)
                if writing and not made:
                    _make(db)
                yield db if writing or made else None
                db.execute("COMMIT")
            finally:
                db.close()  # what is not committed is undone
        except sqlite3.DatabaseError as error:
            raise self._failed(error) from error
        except OSError as error:
            raise FlowplanError(f"{self.path}: {error.strerror or error}") from error
        except (ValueError, TypeError, OverflowError, InvalidOperation) as error:
            raise FlowplanError(f"{self.path} is damaged: {error}", hint=_ASIDE) from error

    def _failed(self, error: sqlite3.DatabaseError) -> FlowplanError:
        if getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return FlowplanError(f"{self.path} is locked by another process")
        hint = None if isinstance(error, sqlite3.OperationalError) else _ASIDE
        return FlowplanError(f"{self.path}: {error}", hint=hint)


_ASIDE = "move the file away; a new one is begun"


def _touch(path: Path) -> None:
    """Make the file, private, where there is none: an empty one is a database with nothing in it. Raises OSError."""
    make_directory(path.parent)
    flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    os.close(os.open(path, flags, 0o600))


def _is_made(db: sqlite3.Connection, path: Path) -> bool:
    """Whether it has its tables. Raises FlowplanError for another version, and for what is none of ours."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (mark,) = db.execute("PRAGMA application_id").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not (version or mark or tables):
        return False
    if mark != MARK:
        raise FlowplanError(f"{path} is not a file of flowplan's", hint=_ASIDE)
    if version != VERSION:
        raise FlowplanError(
            f"{path} holds forecasts in version {version}; this is version {VERSION}", hint="use the newer flowplan"
        )
    return True


def _make(db: sqlite3.Connection) -> None:
    for statement in SCHEMA.split(";\n"):
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute(f"PRAGMA application_id = {MARK}")


def _is_running(db: sqlite3.Connection, one: KeptForecast) -> bool:
    query = (
        "SELECT 1 FROM forecasts WHERE lineage = ? AND address = ? AND bids = ? AND hours <= ? AND ends_at > ?"
        " AND course IS NULL LIMIT 1"
    )
    asked = (one.lineage, one.address, json.dumps(one.bids), one.hours, _time(one.starts_at))
    return db.execute(query, asked).fetchone() is not None


def _insert(db: sqlite3.Connection, one: KeptForecast) -> None:
    kind, region = one.auction or (None, None)
    values = (
        *(one.lineage, one.address, json.dumps(one.bids), kind, region),
        *(_time(one.made_at), _time(one.starts_at), _time(one.ends_at), one.hours),
        *(one.quantity, _text(one.limit), one.basis),
        *map(_text, (one.cost.p10, one.cost.p50, one.cost.p90, one.cost.expected, one.worst, one.price_now)),
        *(_text(one.storage), one.market_snapshot_id, one.flowplan_version),
    )
    db.execute(f"INSERT INTO forecasts ({_COLUMNS}) VALUES ({', '.join('?' * len(values))})", values)  # noqa: S608


def _forget(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM forecasts WHERE seq <= (SELECT max(seq) FROM forecasts) - ?", (MOST,))


def _read(row: Sequence[Any]) -> KeptForecast:
    (lineage, address, bids, kind, region, made_at, starts_at, _, hours, quantity, limit, basis) = row[:12]
    p10, p50, p90, expected, worst, price_now, storage = map(_amount, row[12:19])
    snapshot, version, course, until, paid, starting, reason, seq = row[19:]
    verdict = None
    if course is not None:
        verdict = Verdict(course, _moment(until), Decimal(paid), Decimal(starting), reason)
    if not (isinstance(hours, float) and 0 < hours < math.inf):
        raise ValueError(f"{hours!r} is no horizon")
    found = KeptForecast(
        lineage=lineage,
        address=address,
        bids=tuple(json.loads(bids)),
        made_at=_moment(made_at),
        starts_at=_moment(starts_at),
        hours=hours,
        basis=basis,
        cost=Band(p10, p50, p90, expected),
        worst=worst,
        auction=None if kind is None else (kind, region),
        quantity=quantity,
        limit=_amount(limit),
        price_now=price_now,
        storage=storage or Decimal(0),
        market_snapshot_id=snapshot,
        flowplan_version=version,
        verdict=verdict,
        seq=seq,
    )
    _ = found.ends_at  # raises OverflowError
    return found


def _verdict(found: Verdict) -> tuple[str | None, ...]:
    return (found.course, _time(found.until), str(found.paid), str(found.starting), found.reason)


def _time(moment: datetime) -> str:
    """As text that sorts as the moments do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return found


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"


def _amount(text: str | None) -> Decimal | None:
    if text is None:
        return None
    amount = Decimal(text)
    if not amount.is_finite():
        raise ValueError(f"{text} is not an amount")
    return amount

"""Forecasts that were shown, kept to be judged: `.flowplan/forecasts.db`.

It is not part of the state: nothing is decided by it, and losing it loses nothing else. So a failed write does not
fail the run: a note reports it, and the run goes on. SQLite with its plain journal, which network file systems bear
better than WAL; a process that finds it locked waits at most `PATIENCE`.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
import stat
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

import attrs

from flowplan.classes import frozen
from flowplan.errors import FlowplanError
from flowplan.files.private import make_directory
from flowplan.pricing.forecasting import Band
from flowplan.pricing.track_record import Judged, KeptForecast, Verdict

Made = TypeVar("Made", KeptForecast, Band, Verdict)
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


@frozen
class KeptForecasts:
    """The file at `path`. Every method raises FlowplanError, and only that, for whatever is wrong with it."""

    path: Path

    def read(self, lineage: str) -> list[KeptForecast]:
        """Those of one state, the first first; none without a file, and none is made."""
        with self._explained():
            if not self.path.exists():
                return []
            with self._transaction("BEGIN") as db:
                if not _is_made(db, self.path):
                    return []
                query = "SELECT * FROM forecasts WHERE lineage = ? ORDER BY starts_at, seq"
                return [_read(dict(row)) for row in db.execute(query, (lineage,))]

    def add(self, forecasts: Sequence[KeptForecast]) -> None:
        """Keep `forecasts`, all or none."""
        with self._written() as db:
            for one in forecasts:
                _insert(db, one)
            _forget(db)

    def settle(self, final: Sequence[Judged], following: Sequence[KeptForecast]) -> None:
        """Keep the verdicts that are final, and of `following` those of whose address and horizon none is running: so
        what is kept day by day does not overlap."""
        with self._written() as db:
            for judged in final:
                row = _row(judged.verdict)
                settled = ", ".join(f"{column} = :{column}" for column in row)
                db.execute(f"UPDATE forecasts SET {settled} WHERE seq = :seq", {**row, "seq": judged.kept.seq})  # noqa: S608
            for one in following:
                if not _is_running(db, one):
                    _insert(db, one)
            _forget(db)

    @contextmanager
    def _written(self) -> Iterator[sqlite3.Connection]:
        """The database, made where there is none, in a transaction that writes."""
        with self._explained():
            _touch(self.path)
            with self._transaction("BEGIN IMMEDIATE") as db:
                if not _is_made(db, self.path):
                    _make(db)
                yield db

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        if not stat.S_ISREG(self.path.lstat().st_mode):  # a link may lead to a file that is none of ours
            raise FlowplanError(f"{self.path} is not a file", hint="move it away")
        # A reader, too, opens it for writing where it may: what a killed run left half done is undone first.
        name = f"{self.path.absolute().as_uri()}?mode=rw"
        db = sqlite3.connect(name, uri=True, timeout=PATIENCE, isolation_level=None)
        db.row_factory = sqlite3.Row
        try:
            db.execute(begin)
            yield db
            db.execute("COMMIT")
        finally:
            db.close()  # what is not committed is undone

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Whatever is wrong with the file, as a FlowplanError."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise self._failed(error) from error
        except OSError as error:
            raise FlowplanError(f"{self.path}: {error.strerror or error}") from error
        except (ValueError, TypeError, KeyError, OverflowError, InvalidOperation) as error:
            raise FlowplanError(f"{self.path} is damaged: {error}", hint=_ASIDE) from error

    def _failed(self, error: sqlite3.DatabaseError) -> FlowplanError:
        if getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return FlowplanError(f"{self.path} is locked by another process")
        hint = None if isinstance(error, sqlite3.OperationalError) else _ASIDE
        return FlowplanError(f"{self.path}: {error}", hint=hint)


_ASIDE = "move the file away; flowplan starts a new one"


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
        raise FlowplanError(f"{path} is not a flowplan file", hint=_ASIDE)
    if version != VERSION:
        raise FlowplanError(
            f"{path} holds forecasts in version {version}; this is version {VERSION}", hint="use a newer flowplan"
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
    row = columns_of(one)
    names, values = ", ".join(row), ", ".join(f":{name}" for name in row)
    db.execute(f"INSERT INTO forecasts ({names}) VALUES ({values})", row)  # noqa: S608


def _forget(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM forecasts WHERE seq <= (SELECT max(seq) FROM forecasts) - ?", (MOST,))


# ---- a forecast as a row: a field is the column of its name, but for these ------------------------------------


def columns_of(one: KeptForecast) -> dict[str, Any]:
    """The row of `one`, without its number and verdict: column -> value. A band has a column for each of its values."""
    row = _row(one)
    kind, region = one.auction or (None, None)
    row |= {"bids": json.dumps(one.bids), "limit_price": row.pop("limit"), **_row(one.cost)}
    row |= {"instance_type": kind, "region": region, "ends_at": _time(one.ends_at)}
    return {name: value for name, value in row.items() if name not in ("cost", "auction", "verdict", "seq")}


def _read(row: dict[str, Any]) -> KeptForecast:
    """The forecast of a row. Raises ValueError, TypeError, KeyError, OverflowError, InvalidOperation."""
    if not (isinstance(row["hours"], float) and 0 < row["hours"] < math.inf):
        raise ValueError(f"{row['hours']!r} is no horizon")
    kind, region = row["instance_type"], row["region"]
    row |= {"bids": tuple(json.loads(row["bids"])), "limit": row["limit_price"], "cost": _made(Band, row)}
    row["auction"] = None if kind is None else (kind, region)
    row["verdict"] = None if row["course"] is None else _made(Verdict, row)
    found = _made(KeptForecast, row)
    _ = found.ends_at  # raises OverflowError
    return found


def _row(one: KeptForecast | Band | Verdict) -> dict[str, Any]:
    """Its fields, times and amounts as text."""
    found = {field.name: getattr(one, field.name) for field in attrs.fields(type(one))}
    for name, value in found.items():
        if isinstance(value, datetime):
            found[name] = _time(value)
        elif isinstance(value, Decimal):
            found[name] = f"{value:f}"
    return found


def _made(cls: type[Made], row: Mapping[str, Any]) -> Made:
    """A `cls` of the columns of its fields."""
    return cls(**{name: read(row[name]) for name, read in _readers_of(cast(Hashable, cls)).items()})


def _time(moment: datetime) -> str:
    """As text that sorts as the moments do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return found


def _amount(text: str) -> Decimal:
    amount = Decimal(text)
    if not amount.is_finite():
        raise ValueError(f"{text} is not an amount")
    return amount


def _amount_if_known(text: str | None) -> Decimal | None:
    return None if text is None else _amount(text)


_READERS: dict[Any, Callable[[Any], Any]] = {datetime: _moment, Decimal: _amount, Decimal | None: _amount_if_known}


@cache
def _readers_of(cls: Hashable) -> dict[str, Callable[[Any], Any]]:
    """Field -> what reads its column; what is neither a time nor an amount is there as it is."""
    return {name: _READERS.get(kind, lambda value: value) for name, kind in get_type_hints(cls).items()}

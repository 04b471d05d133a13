"""The tables in which states are rows: their statements, each whole in itself, and how they come to be.

    states     a row a state: what the last save left, the fence of the last run that began, and the version
    journal    what was appended since, by fence and number
    locks      the record of each lock
    versions   documents that never change
    aside      what was found damaged

`write_id` is another with every write: it is the version that the next write must name, and tells a writer whose answer
was lost whether the row is its own. A journal entry counts from (`saved_fence`, `saved_number`) on.
"""

from __future__ import annotations

import re

from psycopg import sql

from flowplan.backends.remote.postgres_connection import Forbidden, NoTables, Row, Server, Values
from flowplan.classes import frozen
from flowplan.errors import StateError

FORMAT_VERSION = 1
_ONE_AT_A_TIME = 7_093_118_224_051_905_301  # of an advisory lock: two that make the tables would be in each other's way

_TABLES = {
    "states": """
        state text PRIMARY KEY, format_version integer NOT NULL, write_id text NOT NULL, fence bigint NOT NULL,
        run text NOT NULL, saved_fence bigint NOT NULL DEFAULT 0, saved_number bigint NOT NULL DEFAULT 1,
        snapshot bytea, backup bytea, journal bytea NOT NULL DEFAULT ''::bytea, lineage text NOT NULL DEFAULT '',
        serial bigint NOT NULL DEFAULT 0, written_at timestamptz NOT NULL DEFAULT clock_timestamp()""",
    "journal": """
        state text NOT NULL, fence bigint NOT NULL, number bigint NOT NULL, frames bytea NOT NULL,
        written_at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (state, fence, number)""",
    "locks": """
        state text PRIMARY KEY, write_id text NOT NULL, record bytea NOT NULL, written_at timestamptz NOT NULL""",
    "versions": """
        state text NOT NULL, lineage text NOT NULL, serial bigint NOT NULL, document bytea NOT NULL,
        written_at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (state, lineage, serial)""",
    "aside": """
        state text NOT NULL, name text NOT NULL, data bytea NOT NULL,
        written_at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (state, name)""",
}

# The tables that are there, and NULL for the schema itself.
_THERE = """
SELECT c.relname::text FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid WHERE n.nspname = %(schema)s
UNION ALL SELECT NULL FROM pg_namespace WHERE nspname = %(schema)s"""

# What of them, and of the schema or else the database, the role may not use as it must.
_KEPT_BACK = """
SELECT c.relname::text FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid
WHERE n.nspname = %(schema)s AND c.relname = ANY(%(names)s)
  AND NOT (has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')
    AND has_table_privilege(c.oid, 'DELETE'))
UNION ALL SELECT NULL WHERE NOT EXISTS (
  SELECT 1 FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid
  WHERE n.nspname = %(schema)s AND c.relname = ANY(%(names)s))
  AND NOT coalesce((SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = %(schema)s),
    has_database_privilege(current_database(), 'CREATE'))"""

# -- the state

FENCE = "SELECT fence FROM {states} WHERE state = %(state)s"

READ = """
SELECT s.format_version, s.write_id, s.fence, s.run, s.snapshot, s.backup,
  s.journal || coalesce((SELECT string_agg(j.frames, ''::bytea ORDER BY j.fence, j.number) FROM {journal} j
    WHERE j.state = s.state AND (j.fence, j.number) >= (s.saved_fence, s.saved_number)), ''::bytea)
FROM {states} s WHERE s.state = %(state)s"""

BEGIN = """
INSERT INTO {states} AS s (state, format_version, write_id, fence, run)
VALUES (%(state)s, %(format)s, %(write_id)s, %(fence)s, %(run)s)
ON CONFLICT (state) DO UPDATE SET write_id = excluded.write_id, fence = excluded.fence, run = excluded.run,
  written_at = clock_timestamp()
WHERE s.fence < excluded.fence AND s.format_version = excluded.format_version
RETURNING 1"""

# The row of the state is locked against runs that begin or save until the entry is there. The entry before must be
# there too: a server that was replaced by one that had not got all of them takes no more.
APPEND = """
INSERT INTO {journal} (state, fence, number, frames)
SELECT s.state, s.fence, %(number)s, %(frames)s FROM {states} s
WHERE s.state = %(state)s AND s.fence = %(fence)s AND s.run = %(run)s AND s.write_id = %(version)s
  AND (s.fence, %(number)s) >= (s.saved_fence, s.saved_number)
  AND ((s.fence, %(number)s) = (s.saved_fence, s.saved_number) OR (%(number)s = 1 AND s.fence > s.saved_fence)
    OR EXISTS (SELECT 1 FROM {journal} j WHERE (j.state, j.fence, j.number) = (s.state, s.fence, %(number)s - 1)))
FOR SHARE OF s
ON CONFLICT DO NOTHING RETURNING 1"""

APPENDED = """
SELECT j.frames FROM {journal} j JOIN {states} s ON s.state = j.state
WHERE j.state = %(state)s AND j.fence = %(fence)s AND j.number = %(number)s AND s.fence = j.fence AND s.run = %(run)s"""

SAVE = """
WITH saved AS (
  UPDATE {states} SET write_id = %(write_id)s, snapshot = %(snapshot)s, backup = %(backup)s, journal = %(journal)s,
    saved_fence = %(fence)s, saved_number = %(next)s, lineage = %(lineage)s, serial = %(serial)s,
    written_at = clock_timestamp()
  WHERE state = %(state)s AND fence = %(fence)s AND run = %(run)s AND write_id = %(expected)s RETURNING state
), gone AS (
  DELETE FROM {journal} j USING saved WHERE j.state = saved.state AND (j.fence, j.number) < (%(fence)s, %(next)s)
)
SELECT 1 FROM saved"""

WRITE_ID = "SELECT write_id FROM {states} WHERE state = %(state)s"

SET_ASIDE = """
INSERT INTO {aside} (state, name, data) VALUES (%(state)s, %(name)s, %(data)s)
ON CONFLICT DO NOTHING"""

# -- the lock's record

LEASE = """
SELECT record, write_id, extract(epoch FROM clock_timestamp() - written_at)::float8 FROM {locks}
WHERE state = %(state)s"""

NEW_LEASE = """
INSERT INTO {locks} (state, write_id, record, written_at)
VALUES (%(state)s, %(write_id)s, %(record)s, clock_timestamp()) ON CONFLICT DO NOTHING RETURNING 1"""

NEXT_LEASE = """
UPDATE {locks} SET write_id = %(write_id)s, record = %(record)s, written_at = clock_timestamp()
WHERE state = %(state)s AND write_id = %(expected)s RETURNING 1"""

DROP_LEASE = "DELETE FROM {locks} WHERE state = %(state)s"

# -- kept versions

# A run keeps what it has saved, and so only while none has begun after it; one that has begun nothing has fence 0.
_KEPT = """
INSERT INTO {versions} (state, lineage, serial, document)
SELECT %(state)s, %(lineage)s, %(serial)s, %(document)s WHERE %(fence)s = 0 OR EXISTS (
  SELECT 1 FROM {states} s WHERE s.state = %(state)s AND s.fence = %(fence)s AND s.run = %(run)s)
ON CONFLICT """

KEEP_VERSION = f"{_KEPT} DO NOTHING"

REPLACE_VERSION = f"{_KEPT} (state, lineage, serial) DO UPDATE SET document = excluded.document RETURNING 1"

# That, and those that are there: what a statement writes, it does not see.
KEEP_NEWEST = f"""
WITH kept AS ({REPLACE_VERSION[:-1]}lineage, serial)
SELECT lineage, serial, true FROM kept
UNION ALL SELECT lineage, serial, false FROM {{versions}} WHERE state = %(state)s"""  # noqa: S608 - of constants

VERSION_IDS = "SELECT lineage, serial FROM {versions} WHERE state = %(state)s"

VERSION_HEADS = r"""
SELECT serial, CASE WHEN position('\x0a'::bytea IN document) > 0
  THEN substring(document FROM 1 FOR position('\x0a'::bytea IN document)) ELSE document END
FROM {versions} WHERE state = %(state)s"""

VERSION = """
SELECT document FROM {versions} WHERE state = %(state)s AND lineage = %(lineage)s AND serial = %(serial)s"""

DROP_VERSION = """
DELETE FROM {versions} WHERE state = %(state)s AND lineage = %(lineage)s AND serial = %(serial)s"""


@frozen
class Tables:
    """The tables of `schema` on `server`."""

    server: Server
    schema: str

    def look(self, statement: str, **values: object) -> list[Row]:
        """The rows that a statement which writes nothing gives: none where there are no tables. Raises StateError."""
        try:
            return self._run(statement, values)
        except NoTables:
            self._there()
            return []

    def hold_allowed(self) -> None:
        """Raise Forbidden where the role may not write to the tables, or may not make them where there are none."""
        values = {"schema": self.schema, "names": list(_TABLES)}
        kept_back = {table for (table,) in self.server.run(sql.SQL(_KEPT_BACK), values)}
        if kept_back:
            role, makes = self.server.role(), None in kept_back
            what = f"{role} may not {'make' if makes else 'write to'} the tables, so nothing can be saved"
            hint = self._to_make(role) if makes else self._to_use(role)
            raise Forbidden(f"{self.server.target.name}: {what}", hint=hint)

    def change(self, statement: str, **values: object) -> list[Row]:
        """The rows that a statement which writes gives; the tables are made for it where there are none. Raises
        Unanswered, StateError."""
        try:
            return self._run(statement, values)
        except NoTables:
            self._make()
            return self._run(statement, values)

    def change_and_look(self, change: str, look: str, **values: object) -> list[Row]:
        """The rows that `look` gives once `change` is done: it sees what was there by then. The values are short: they
        are part of the text. Raises Unanswered, StateError."""
        both = sql.SQL("; ").join(self._named(re.sub(r"%\((\w+)\)s", r"{\1}", one), values) for one in (change, look))
        try:
            return self._asked(both, None)
        except NoTables:
            self._make()
            return self._asked(both, None)

    def _run(self, statement: str, values: Values) -> list[Row]:
        return self._asked(self._named(statement), values)

    def _asked(self, statement: sql.Composed, values: Values | None) -> list[Row]:
        try:
            return self.server.run(statement, values)
        except Forbidden as error:
            error.hint = error.hint or self._to_use(self.server.role())
            raise

    def _to_use(self, role: str) -> str:
        rights = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA"
        return _typed(f"GRANT USAGE ON SCHEMA {self.schema} TO {role}; {rights} {self.schema} TO {role}")

    def _to_make(self, role: str) -> str:
        schema = self.schema
        return _typed(f"CREATE SCHEMA IF NOT EXISTS {schema}; GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}")

    def _named(self, statement: str, values: Values | None = None) -> sql.Composed:
        names = {name: sql.Identifier(self.schema, name) for name in _TABLES}
        return sql.SQL(statement).format(**names, **{name: sql.Literal(one) for name, one in (values or {}).items()})

    def _there(self) -> bool:
        """Whether the schema is there. Raises StateError where only some of the tables are: a state whose journal is
        gone is not one that never was."""
        found = {name for (name,) in self.server.run(sql.SQL(_THERE), {"schema": self.schema})}
        missing = [name for name in _TABLES if name not in found]
        if len(missing) not in (0, len(_TABLES)):
            raise StateError(
                f"{self.server.target.name}: the table {self.schema}.{missing[0]} is gone, but others are there",
                hint="restore the database from its backup, or name another schema in the URL: ?schema=NAME",
            )
        return None in found

    def _make(self) -> None:
        schema = sql.Identifier(self.schema)
        made: list[sql.Composable] = [sql.SQL("SELECT pg_advisory_xact_lock({})").format(sql.Literal(_ONE_AT_A_TIME))]
        if not self._there():
            made.append(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
        for name, columns in _TABLES.items():
            table = sql.Identifier(self.schema, name)
            made.append(sql.SQL("CREATE TABLE IF NOT EXISTS {} ({})").format(table, sql.SQL(columns)))
        try:
            self.server.run(sql.SQL("; ").join(made))
        except Forbidden as error:
            error.hint = self._to_make(self.server.role())
            raise


def _typed(statements: str) -> str:
    return f"let an administrator of the database type: {statements}"

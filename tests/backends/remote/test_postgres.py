"""A state in PostgreSQL: what its server refuses, what it does where an answer is lost, and what it says where it is
away. The server is a real one."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import attrs
import pytest

from flowplan.backends.remote import postgres_tables
from flowplan.backends.remote.place import Conflict, Contents, Fault, Saved, Unanswered
from flowplan.backends.remote.postgres_connection import Limits
from flowplan.errors import StateError
from tests.backends.remote.conftest import At
from tests.contracts.postgres import PASSWORD, PostgresServer
from tests.contracts.relay import Relay
from tests.processes import LONGEST, Process

IMPATIENT = Limits(connect=2, statement=1, answer=0.3, trying=0.6)
SAVED = Saved(b"new", b"old", b"header", "a-lineage", 1)


@pytest.fixture
def relay(server: PostgresServer) -> Iterator[Relay]:
    with Relay(server.port) as made:
        yield made


# ---- the condition of a write -------------------------------------------------------------------------------


def test_a_run_that_was_overtaken_writes_nothing(server: PostgresServer, state: str, at: At) -> None:
    first, second = at(server.url(state)), at(server.url(state))
    begun = first.begin(1, first.read())
    first.append(1, 1, b"one")
    after = second.begin(2, second.read())
    assert after.journal == b"one"
    with pytest.raises(Conflict):
        first.append(1, 2, b"two")
    with pytest.raises(Conflict):
        first.save(1, begun.version, SAVED)
    with pytest.raises(Conflict):
        first.save(2, after.version, SAVED)  # nor under a fence that it has not begun with
    with pytest.raises(Conflict):
        first.begin(2, after)
    assert second.read() == after


def test_a_run_that_was_overtaken_before_its_first_entry_adds_none(server: PostgresServer, state: str, at: At) -> None:
    first, second = at(server.url(state)), at(server.url(state))
    first.begin(1, first.read())
    second.begin(2, second.read())
    with pytest.raises(Conflict):
        first.append(1, 1, b"one")
    assert second.read().journal == b""


def test_a_write_under_way_does_not_pass_the_run_that_begins(server: PostgresServer, state: str, at: At) -> None:
    """An append that was sent waits for a begin that is not committed, and then finds its fence too low."""
    place = at(server.url(state))
    place.begin(1, place.read())
    held = server.session()
    held.execute("BEGIN")
    held.execute("UPDATE flowplan.states SET fence = 2, run = 'another' WHERE state = %s", (state,))
    with ThreadPoolExecutor() as pool:
        late = pool.submit(place.append, 1, 1, b"late")
        server.wait_for_a_waiter(late.done)
        held.execute("COMMIT")
        held.close()
        with pytest.raises(Conflict):
            late.result(LONGEST)
    assert place.read().journal == b""


def test_a_save_leaves_nothing_of_the_journal_before_it(server: PostgresServer, state: str, at: At) -> None:
    place = at(server.url(state))
    version = place.begin(1, place.read()).version
    place.append(1, 1, b"one")
    version = place.save(1, version, SAVED)
    with pytest.raises(Conflict):  # an append that arrives late does not count among what follows
        place.append(1, 1, b"one")
    place.append(1, 2, b"two")
    assert place.read() == Contents(b"new", b"old", b"headertwo", 1, version)
    with pytest.raises(Conflict):
        place.save(1, "another", SAVED)
    assert place.fence() == 1


def test_a_run_that_takes_the_lock_once_more_counts_from_one(server: PostgresServer, state: str, at: At) -> None:
    place = at(server.url(state))
    version = place.begin(1, place.read()).version
    for number in (1, 2, 3):
        place.append(1, number, b"old")
    place.save(1, version, SAVED)
    place.close()
    version = place.begin(2, place.read()).version
    place.append(2, 1, b"one")
    version = place.save(2, version, SAVED)
    place.append(2, 2, b"two")
    assert place.read() == Contents(b"new", b"old", b"headertwo", 2, version)


@pytest.mark.parametrize("writers", [2, 8, 32])
def test_of_many_that_take_the_lock_one_does(server: PostgresServer, state: str, at: At, writers: int) -> None:
    places = [at(server.url(state)) for _ in range(writers)]
    first = places[0].put_lease(b"first", "")
    together = threading.Barrier(writers)

    def take(number: int) -> bool:
        together.wait()
        try:
            places[number].put_lease(b"%d" % number, first)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(writers) as pool:
        won = [number for number, taken in enumerate(pool.map(take, range(writers))) if taken]
    assert len(won) == 1
    assert places[0].lease().record == b"%d" % won[0]


@pytest.mark.parametrize("writers", [2, 8, 32])
def test_of_many_that_begin_the_highest_writes(server: PostgresServer, state: str, at: At, writers: int) -> None:
    places = [at(server.url(state)) for _ in range(writers)]
    # Two, since who is late in leaving the first must not be told that the second is broken.
    at_once, together = threading.Barrier(writers), threading.Barrier(writers)

    def write(number: int) -> bool:
        place, together_now = places[number], together.wait
        at_once.wait()
        try:
            version = place.begin(number + 1, Contents()).version
            place.append(number + 1, 1, b"%d" % number)
            together_now()
            place.save(number + 1, version, attrs.evolve(SAVED, snapshot=b"%d" % number))
        except Conflict:
            together.abort()
            return False
        except threading.BrokenBarrierError:
            return False
        return True

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(writers)))
    last = places[0].read()
    assert last.fence == writers  # nobody below has written since
    place = places[writers - 1]
    place.save(writers, last.version, attrs.evolve(SAVED, snapshot=b"last"))
    assert place.read().snapshot == b"last"


# ---- the tables ---------------------------------------------------------------------------------------------


def test_many_that_find_no_tables_make_them_once(server: PostgresServer, state: str, at: At) -> None:
    schema = f"s{uuid.uuid4().hex}"
    places = [at(server.url(f"{state}-{number}", query=f"?schema={schema}")) for number in range(8)]
    assert [place.read() for place in places] == [Contents()] * 8  # reading makes nothing
    assert server.run("SELECT 1 FROM pg_namespace WHERE nspname = %s", schema) == []
    with ThreadPoolExecutor(8) as pool:
        begun = list(pool.map(lambda place: place.begin(1, Contents()), places))
    assert [one.fence for one in begun] == [1] * 8


def test_a_later_format_is_left_alone(server: PostgresServer, state: str, at: At) -> None:
    place = at(server.url(state))
    place.begin(1, place.read())
    server.run("UPDATE flowplan.states SET format_version = 2 WHERE state = %s", state)
    for work in (place.read, lambda: at(server.url(state)).begin(2, Contents())):
        with pytest.raises(StateError, match="format 2"):
            work()
    assert server.run("SELECT fence FROM flowplan.states WHERE state = %s", state) == [(1,)]


# ---- proof --------------------------------------------------------------------------------------------------


def test_a_server_that_keeps_its_conditions_is_proved(server: PostgresServer, state: str, at: At) -> None:
    at(server.url(state)).prove()
    assert server.run("SELECT 1 FROM flowplan.locks WHERE state LIKE 'probe:%%'") == []


def test_a_server_that_ignores_a_condition_is_refused(
    server: PostgresServer, state: str, at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    ignoring = postgres_tables.NEXT_LEASE.replace(" AND write_id = %(expected)s", "")
    monkeypatch.setattr(postgres_tables, "NEXT_LEASE", ignoring)
    with pytest.raises(Fault, match="condition"):
        at(server.url(state)).prove()


# ---- an answer that is lost ---------------------------------------------------------------------------------


def test_what_was_done_though_its_answer_was_lost_is_success(
    server: PostgresServer, relay: Relay, state: str, at: At
) -> None:
    place = at(server.url(state, port=relay.port))
    place.put_lease(b"opened", "")  # both connections are made
    seen = place.read()
    relay.lose_next_answer()
    begun = place.begin(1, seen)
    relay.lose_next_answer()
    place.append(1, 1, b"one")
    relay.lose_next_answer()
    version = place.save(1, begun.version, SAVED)
    relay.lose_next_answer()
    taken = place.put_lease(b"second", place.lease().version)
    relay.lose_next_answer()
    assert place.read() == Contents(b"new", b"old", b"header", 1, version)
    assert (place.lease().version, relay.lost) == (taken, 5)


def test_a_lock_that_is_new_is_ours_though_the_answer_was_lost(
    server: PostgresServer, relay: Relay, state: str, at: At
) -> None:
    place = at(server.url(state, port=relay.port))
    place.prove()
    relay.lose_next_answer()
    assert place.put_lease(b"first", "") == place.lease().version


def test_who_wrote_after_a_lost_answer_is_not_taken_for_us(
    server: PostgresServer, relay: Relay, state: str, at: At
) -> None:
    place = at(server.url(state, port=relay.port))
    version = place.put_lease(b"first", "")
    server.run("UPDATE flowplan.locks SET write_id = 'another' WHERE state = %s", state)
    relay.lose_next_answer()
    with pytest.raises(Conflict):
        place.put_lease(b"second", version)


@pytest.mark.slow
def test_a_server_of_the_tests_ends_with_them(server: PostgresServer) -> None:
    """Also when they are killed."""
    begin = "from tests.contracts.postgres import the_server; print(the_server().port, flush=True); input()"
    tests = Process([sys.executable, "-c", begin], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert tests.stdout is not None
    port = int(tests.stdout.readline())
    tests.kill()
    tests.communicate()
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            break


# ---- a server that is away ----------------------------------------------------------------------------------


def test_sessions_that_the_server_ends_are_made_again(server: PostgresServer, state: str, at: At) -> None:
    place = at(server.url(state))
    version = place.begin(1, place.read()).version
    place.append(1, 1, b"one")
    assert server.end_sessions() > 0
    place.append(1, 2, b"two")
    assert server.end_sessions() > 0
    place.save(1, version, SAVED)
    assert place.read().snapshot == b"new"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_a_server_that_is_started_again_meanwhile(server: PostgresServer, state: str, at: At, number: int) -> None:
    place = at(server.url(state))
    place.begin(1, place.read())
    place.append(1, 1, b"one")
    server.stop(number)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(place.append, 1, 2, b"two")
        server.start()
        waiting.result(LONGEST)
    assert place.read().journal == b"onetwo"


def test_a_server_that_stays_away_is_an_error_soon(server: PostgresServer, state: str, at: At) -> None:
    place = at(server.url(state), IMPATIENT)
    place.begin(1, place.read())
    server.stop()
    try:
        with pytest.raises(StateError, match=r"127\.0\.0\.1") as found:
            place.append(1, 1, b"one")
    finally:
        server.start()
    assert PASSWORD not in str(found.value)


def test_an_answer_that_does_not_come_is_not_known(server: PostgresServer, relay: Relay, state: str, at: At) -> None:
    place = at(server.url(state, port=relay.port), attrs.evolve(IMPATIENT, trying=0.3))
    place.begin(1, place.read())
    relay.deaf(True)
    with pytest.raises(Unanswered, match="not answered"):
        place.append(1, 1, b"one")
    relay.deaf(False)
    relay.cut()
    assert place.read().journal == b"one"  # it was done


def test_a_row_that_stays_locked_is_an_error(server: PostgresServer, state: str, at: At) -> None:
    place = at(server.url(state), attrs.evolve(IMPATIENT, statement=0.2, answer=5))
    place.begin(1, place.read())
    held = server.session()
    held.execute("BEGIN")
    held.execute("SELECT 1 FROM flowplan.states WHERE state = %s FOR UPDATE", (state,))
    with pytest.raises(StateError, match="too busy"):
        place.append(1, 1, b"one")
    held.close()


def test_a_server_that_takes_no_writes_is_named(server: PostgresServer, state: str, at: At) -> None:
    at(server.url(state)).put_lease(b"first", "")
    place = at(server.url(state, query="?options=-c%20default_transaction_read_only%3Don"))
    assert place.read() == Contents()
    with pytest.raises(StateError, match="read-only") as found:
        place.begin(1, Contents())
    assert "target_session_attrs" in str(found.value.hint)


def test_a_role_that_may_not_log_in_any_more_is_not_tried_again(server: PostgresServer, state: str, at: At) -> None:
    server.run(f"CREATE ROLE gone SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
    place = at(server.url(state, user="gone"))
    assert place.read() == Contents()
    server.run("ALTER ROLE gone NOLOGIN")
    server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'gone'")
    with pytest.raises(StateError, match="not permitted to log in") as found:
        place.read()
    server.run("DROP ROLE gone")
    assert "ALTER ROLE ... LOGIN" in str(found.value.hint)


@pytest.mark.parametrize(
    ("old", "new", "said", "hint"),
    [
        (PASSWORD, "wr0ng-s3cret", "password authentication failed", "PGPASSWORD"),
        ("/states/", "/nowhere/", "does not exist", "create the database"),
        ("//flowplan:", "//somebody:", "authentication failed", "PGPASSWORD"),
        ("127.0.0.1:", "127.0.0.1:1,127.0.0.2:", "refused", "that the server runs"),
        ("127.0.0.1:", "127.0.0.1:1,127.0.0.1:", None, None),  # the second of two answers
    ],
)
def test_what_is_wrong_with_a_url_is_said_without_its_password(
    server: PostgresServer, state: str, at: At, old: str, new: str, said: str | None, hint: str | None
) -> None:
    place = at(server.url(state).replace(old, new))
    if said is None:
        assert place.read() == Contents()
        return
    with pytest.raises(StateError, match=said) as found:
        place.read()
    assert str(hint) in str(found.value.hint)
    told = f"{found.value} {found.value.hint} {found.value.detail} {found.value.__cause__}"
    assert PASSWORD not in told and "s3cret" not in told

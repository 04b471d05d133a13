"""Whole runs with a state in PostgreSQL: killed at each statement, many at once, and as a user types them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import attrs
import psycopg
import pytest
from psycopg import sql

from flowplan.backends.open import open_store
from flowplan.backends.processes import this_process
from flowplan.backends.remote import postgres
from flowplan.backends.remote.lease import LeaseLock, Terms
from flowplan.backends.remote.postgres import PostgresPlace
from flowplan.backends.remote.postgres_connection import Limits, Row, Server, Values
from flowplan.backends.remote.postgres_url import read_url
from flowplan.backends.remote.seen import Seen
from flowplan.backends.remote.store import RemoteStore, watching
from flowplan.backends.store import Store
from flowplan.errors import StateError
from flowplan.state.history import Change
from tests.conftest import Place, live_ids, many
from tests.contracts.begun import BINDING, DONE, INTENT
from tests.contracts.postgres import PASSWORD, TRUSTED, PostgresServer
from tests.processes import LONGEST, Process
from tests.runs import Run

CHANGE = Change("2026-11-02T09:00:00Z", "ann@host", "flowplan apply", added=1)
OWNER = this_process("flowplan apply", {}, "now")


@pytest.fixture
def url(server: PostgresServer) -> str:
    return server.url(f"stack-{uuid.uuid4().hex}", user=TRUSTED)


@contextmanager
def opened(url: str, directory: Path) -> Iterator[Store]:
    store = open_store(url, directory, {"XDG_STATE_HOME": str(directory / "home")})
    try:
        yield store
    finally:
        store.lock.release()
        store.close()


# ---- killed -------------------------------------------------------------------------------------------------


def apply(store: Store, said: int) -> None:
    """What an apply does with a store. Of what is durable it writes a letter to `said`."""
    store.lock.acquire(this_process("flowplan apply", {}, "now"), timeout=LONGEST)
    begun = Run.of(store)
    if not begun.read().state.bindings:
        begun.append([INTENT])
        os.write(said, b"i")
        begun.append([DONE])
        os.write(said, b"d")
    saved = begun.save(begun.read().state)
    os.write(said, b"s")
    store.keep(saved, CHANGE)
    store.lock.release()


def killed_at(number: int, after: bool, url: str, directory: Path) -> tuple[str, bool]:
    """Run `apply` in a process that is killed before, or after, its `number`-th statement: what was durable, and
    whether it got so far."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        ask, count = Server._ask, 0

        def counted(self: Server, *arguments: object) -> object:
            nonlocal count
            count += 1
            if count == number and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            found = ask(self, *arguments)  # type: ignore[arg-type]
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return found

        Server._ask = counted  # type: ignore[method-assign, assignment]
        try:
            apply(open_store(url, directory, {"XDG_STATE_HOME": str(directory / "home")}), writing)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as told:
        said = told.read()
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return said, os.WIFSIGNALED(status)


@pytest.mark.parametrize(
    ("after", "step"), [(False, 2), *(pytest.param(one, 1, marks=pytest.mark.slow) for one in (False, True))]
)
def test_killed_at_every_statement_nothing_durable_is_lost(
    server: PostgresServer, tmp_path: Path, after: bool, step: int
) -> None:
    number, was_killed = 0, True
    while was_killed:
        number += step
        url, directory = server.url(f"stack-{uuid.uuid4().hex}", user=TRUSTED), tmp_path / str(number)
        directory.mkdir()
        if not after:  # the proof of a new server is killed in the other half
            place = PostgresPlace(read_url(url))
            Seen.of({"XDG_STATE_HOME": str(directory / "home")}, place.identity, place.name).prove_once(lambda: None)
        said, was_killed = killed_at(number, after, url, directory)
        with opened(url, directory) as store:
            found = store.read()
        known = {*found.state.bindings, *(intent.address for intent in found.pending.values())}
        assert bool(known) or "i" not in said
        assert bool(found.state.bindings) or "d" not in said
        assert found.state.serial == 1 or "s" not in said
        with opened(url, directory) as store:
            apply(store, os.open(os.devnull, os.O_WRONLY))
        with opened(url, directory) as store:
            found = store.read()
            assert (list(found.state.bindings.values()), found.pending) == ([BINDING], {})
            assert store.lock.holder() is None
    assert number > 10  # there were that many statements


def test_results_that_the_server_cannot_take_are_taken_over_later(
    server: PostgresServer, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "Limits", lambda: Limits(connect=2, trying=0.3))
    with opened(url, tmp_path) as store:
        store.lock.acquire(OWNER)
        begun = Run.of(store)
        begun.append([INTENT])
        server.stop()
        try:
            with pytest.raises(StateError, match="not answered"):
                begun.append([DONE])
            assert begun.overflow([DONE])
        finally:
            server.start()
    with opened(url, tmp_path) as store:
        found = store.read()
        assert (list(found.state.bindings.values()), found.pending) == ([BINDING], {})
        apply(store, os.open(os.devnull, os.O_WRONLY))
    assert list(tmp_path.rglob("*.spill")) == []


# ---- what it costs ------------------------------------------------------------------------------------------


def test_a_wave_is_one_statement_and_a_look_needs_one_connection(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    ask = Server._ask

    def counted(
        self: Server, connection: psycopg.Connection[Row], statement: sql.Composed, values: Values
    ) -> list[Row]:
        asked.append(statement.as_string().split()[0])
        return ask(self, connection, statement, values)

    with opened(url, tmp_path) as store:
        apply(store, os.open(os.devnull, os.O_WRONLY))
    monkeypatch.setattr(Server, "_ask", counted)
    with opened(url, tmp_path) as store:
        assert store.read().state.serial == 1
        assert store.lock.holder() is None
        assert asked == ["SELECT"] * 3  # whether the settings are taken, the state, the lock
        store.lock.acquire(OWNER)
        begun = Run.of(store)
        begun.append([INTENT])
        for results in ([DONE], [INTENT], [DONE]):
            asked.clear()
            begun.append(results)
            assert asked == ["INSERT"]


# ---- many at once -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("writers", [2, 8, pytest.param(32, marks=pytest.mark.slow)])
def test_each_of_many_runs_counts(url: str, tmp_path: Path, writers: int) -> None:
    """Each takes the lock, and goes on from what the one before it has saved."""

    def run(number: int) -> int:
        place = PostgresPlace(read_url(url))
        lock = LeaseLock(place, place.name, place.fence, terms=Terms(poll=0.02))
        seen = Seen(tmp_path / str(number), place.identity, place.name)
        store = RemoteStore(place, lock, tmp_path, seen, tmp_path / "overflow", lock.verify, watch_lock=watching(place))
        try:
            lock.acquire(OWNER, timeout=100)
            begun = Run.of(store)
            begun.append([attrs.evolve(INTENT, id=f"i-{number}")])
            state = attrs.evolve(store.read().state, outputs={**store.read().state.outputs, f"o{number}": "1"})
            begun.save(state)
            return lock.fence
        finally:
            lock.release()
            store.close()

    with ThreadPoolExecutor(writers) as pool:
        fences = list(pool.map(run, range(writers)))
    assert sorted(fences) == list(range(1, writers + 1))
    with opened(url, tmp_path) as store:
        state = store.read().state
    assert (state.serial, len(state.outputs)) == (writers, writers)


# ---- as a user types it -------------------------------------------------------------------------------------


def flowplan(*words: str) -> subprocess.Popen[str]:
    return Process(
        [sys.executable, "-m", "flowplan", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "XDG_STATE_HOME": str(Path.cwd().parent / "home")},
    )


def made(place: Place) -> Counter[str]:
    """How many of each kind were created, ever."""
    return Counter(entry.path for entry in place.ledger() if entry.method == "POST" and entry.executed)


def test_plan_apply_apply_destroy(place: Place, url: str) -> None:
    place.write(many(2))
    planned = place.ok("--state", url, "plan", "--out", "plan.json")
    assert "6 to add" in planned
    place.ok("--state", url, "apply", "--auto-approve")
    once = made(place)
    assert "No changes" in place.ok("--state", url, "apply", "--auto-approve")
    assert made(place) == once
    assert sorted(path.name for path in place.path.iterdir()) == [".flowplan", "flowplan.yaml", "plan.json"]
    assert PASSWORD not in planned + place.ok("--state", url, "state", "history")
    place.ok("--state", url, "destroy", "--auto-approve", "--allow-volume-destroy", "*")
    assert live_ids(place) == []
    left = [path for root in (place.path, place.path.parent) for path in root.rglob("*") if path.is_file()]
    assert [path for path in left if PASSWORD.encode() in path.read_bytes()] == []


@pytest.mark.slow
def test_two_applies_at_once_make_everything_once(place: Place, url: str) -> None:
    place.write(many(3))
    place.ok("--state", url, "plan")  # the simulator is there
    words = ("--state", url, "--lock-timeout", "10m", "apply", "--auto-approve")
    ended = [(one.communicate(timeout=LONGEST)[0], one.returncode) for one in [flowplan(*words), flowplan(*words)]]
    assert [code for _, code in ended] == [0, 0], ended
    assert len(live_ids(place)) == 3
    assert set(made(place).values()) == {3}


def test_an_apply_that_is_killed_is_finished_by_the_next(place: Place, server: PostgresServer, url: str) -> None:
    """It is killed while the server has not done what it was sent; that is done, or not, once it is dead."""
    place.write(many(2))
    place.ok("--state", url, "plan")
    place.ok("--state", server.url("another"), "state", "list")
    with server.holding_up(url.rpartition("/")[2], entry=2) as reached:
        run = flowplan("--state", url, "apply", "--auto-approve")
        reached(lambda: run.poll() is not None)
        run.kill()
        run.communicate()
    out = place.run("--state", url, "--lock-timeout", "10m", "apply", "--auto-approve")
    assert out.code == 0, out
    assert "died; taking over its lock" in out.err
    assert len(live_ids(place)) == 2
    assert set(made(place).values()) == {2}
    assert "No changes" in place.ok("--state", url, "plan")

"""The file behind a simulator: shared, private, killed, made again; and the same from the same calls."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from flowplan.errors import FlowplanError
from flowplan.simulator import SIMULATOR_URL, Request, Simulator
from flowplan.simulator.clock import EPOCH
from flowplan.simulator.serve import Server
from flowplan.simulator.store import reading, writing
from tests import filled
from tests.conftest import FLOWPLAN, Place
from tests.processes import LONGEST, Process, until
from tests.simulator.adapter import SimulatorAdapter

from .conftest import Api

ROOT = Path(__file__).parents[2]


def run_calls(simulator: Simulator) -> list[str]:
    with requests.Session() as session:
        session.mount(SIMULATOR_URL, SimulatorAdapter(simulator))
        api = Api(SIMULATOR_URL, session)
        volume = api.volume().json()["fid"]
        bid = api.placed(launch_specification={"volumes": [volume], "ssh_keys": []})
        api.status(bid)
        simulator.advance(300)
        api.change(bid, paused=True)
        api.placed("other", limit_price="$9.00")
        simulator.advance(timedelta(hours=1))
    return list(simulator._db.iterdump())


def test_same_seed_and_calls_same_data(tmp_path: Path) -> None:
    dumps = []
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        with Simulator.open(tmp_path / name, seed=seed) as simulator:
            dumps.append(run_calls(simulator))
    assert dumps[0] == dumps[1]
    assert dumps[0] != dumps[2]


@pytest.mark.parametrize(
    ("transaction", "last"),
    [(writing, "BEGIN IMMEDIATE"), (writing, "COMMIT"), (reading, "BEGIN"), (reading, "COMMIT")],
)
def test_ctrl_c_right_after_a_statement_of_a_transaction(
    transaction: Callable[[sqlite3.Connection], AbstractContextManager[None]], last: str
) -> None:
    class Interrupted(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            cursor = super().execute(sql, *values)
            if sql == last:
                raise KeyboardInterrupt
            return cursor

    db = sqlite3.connect(":memory:", isolation_level=None, factory=Interrupted)
    with pytest.raises(KeyboardInterrupt), transaction(db):
        pass
    assert not db.in_transaction
    db.close()


def test_same_seed_same_key_pair() -> None:
    dumps = []
    for _ in range(2):
        with Simulator.open(":memory:", seed=7) as simulator, requests.Session() as session:
            session.mount(SIMULATOR_URL, SimulatorAdapter(simulator))
            api = Api(SIMULATOR_URL, session)
            assert api("POST", "/v2/ssh-keys", json={"project": api.project, "name": "made"}).json()["private_key"]
            dumps.append(list(simulator._db.iterdump()))
    assert dumps[0] == dumps[1]


def test_the_file_is_private_and_keeps_everything(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "simulator.db"
    with Simulator.open(path) as simulator:
        dump = run_calls(simulator)
        assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}
    with Simulator.open(path, seed=99) as simulator:
        assert list(simulator._db.iterdump()) == dump
        assert simulator.now() == datetime(2026, 11, 2, 10, 5, tzinfo=UTC)


def test_reset_makes_everything_anew(tmp_path: Path) -> None:
    with Simulator.open(tmp_path / "s.db", seed=3) as simulator, Simulator.open(tmp_path / "s.db") as other:
        new = list(simulator._db.iterdump())
        run_calls(simulator)
        assert len(other.ledger()) == 4
        other.reset()
        assert list(simulator._db.iterdump()) == new
        assert simulator.now() == datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
        simulator.reset(4)
        with Simulator.open(":memory:", seed=4) as fresh:
            assert list(simulator._db.iterdump()) == list(fresh._db.iterdump())


@pytest.mark.parametrize("content", [b"not a database, but long enough to be taken for one" * 9, b"{}"])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(FlowplanError, match="simulator"):
        Simulator.open(path)
    assert path.read_bytes() == content


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    Simulator.open(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(FlowplanError, match="version 99"):
        Simulator.open(path)


PLACE = """
import json, os, sys
from flowplan.simulator import Request, Simulator
with Simulator.open(sys.argv[1]) as simulator:
    headers = {"authorization": "Bearer fkey_x"}
    project = simulator.handle(Request.to("GET", "/v2/projects", headers)).json[0]["fid"]
    for number in range(int(sys.argv[2])):
        body = {"project": project, "region": "us-central1-b", "instance_type": "it_5ECSoHQjLBzrp5YM",
                "limit_price": "$9.00", "instance_quantity": 1, "name": f"{os.getpid()}-{number}",
                "launch_specification": {"volumes": [], "ssh_keys": [], "startup_script": "x" * 5000}}
        answer = simulator.handle(Request.to("POST", "/v2/spot/bids", headers, json.dumps(body).encode()))
        assert answer.status == 201, answer.body
        print(answer.json["fid"], flush=True)
        simulator.handle(Request.to("GET", "/v2/spot/bids", headers))
"""


def place_in_another_process(path: Path, count: int) -> subprocess.Popen[str]:
    return Process([sys.executable, "-c", PLACE, str(path), str(count)], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_several_processes_share_the_file_from_the_first_moment(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    processes = [place_in_another_process(path, 25) for _ in range(4)]
    placed = [line for process in processes for line in process.communicate(timeout=LONGEST)[0].split()]
    assert [process.returncode for process in processes] == [0, 0, 0, 0]
    with Simulator.open(path) as simulator:
        assert sorted(entry.subject or "" for entry in simulator.ledger()) == sorted(placed)
    assert len(set(placed)) == 100
    assert sorted(file.name for file in tmp_path.iterdir()) == ["s.db"]


def test_a_file_is_made_where_there_are_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on exFAT."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    with Simulator.open(tmp_path / "s.db") as simulator:
        now = simulator.now()
    with Simulator.open(tmp_path / "s.db") as simulator:
        assert simulator.now() >= now
    assert [file.name for file in tmp_path.iterdir()] == ["s.db"]


@pytest.mark.parametrize("after", [1, 7, 20])
def test_a_kill_leaves_valid_data(tmp_path: Path, after: int) -> None:
    path = tmp_path / "s.db"
    process = place_in_another_process(path, 10_000)
    assert process.stdout
    told = [process.stdout.readline().strip() for _ in range(after)]
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    with Simulator.open(path) as simulator:
        assert simulator._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        kept = [entry.subject for entry in simulator.ledger()]
    assert kept[:after] == told


def test_many_threads(tmp_path: Path) -> None:
    with Simulator.open(tmp_path / "s.db") as simulator, Server(simulator) as server:
        failures: list[str] = []

        def place(thread: int) -> None:
            with requests.Session() as session:
                api = Api(server.url, session)
                for number in range(10):
                    answer = api.bid(f"t{thread}-{number}", key=f"k{thread}-{number}")
                    if answer.status_code != 201 or api.status(answer.json()["fid"]) == "Paused":
                        failures.append(answer.text)

        threads = [threading.Thread(target=place, args=(number,)) for number in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len({entry.subject for entry in simulator.ledger()}) == 100


def test_a_served_clock_runs_at_its_speed(tmp_path: Path) -> None:
    with Simulator.open(tmp_path / "s.db", speed=1e4) as simulator, Simulator.open(tmp_path / "s.db") as other:
        first = simulator.now()
        assert simulator.now() > first
        other.advance(timedelta(days=2))
        advanced = simulator.now()
        assert advanced >= EPOCH + timedelta(days=2)
        assert simulator.now() > advanced
    with Simulator.open(tmp_path / "s.db") as simulator:
        assert simulator.now() > advanced
        assert simulator.now() == simulator.now()


def test_a_running_clock_does_by_itself_what_is_due(tmp_path: Path) -> None:
    with Simulator.open(tmp_path / "s.db", speed=600) as simulator, requests.Session() as session:
        session.mount(SIMULATOR_URL, SimulatorAdapter(simulator))
        api = Api(SIMULATOR_URL, session)
        api.placed()
        until(lambda: [row["status"] for row in api.instances()] == ["STATUS_RUNNING"])


def test_time_does_not_go_back(simulator: Simulator) -> None:
    with pytest.raises(ValueError, match="back"):
        simulator.advance(-1)


def test_importing_the_simulator_imports_no_transport() -> None:
    heavy = "('requests', 'werkzeug', 'jinja2', 'click')"
    code = f"import sys, flowplan.simulator; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_served_connection_is_kept_and_quick(simulator: Simulator) -> None:
    with Server(simulator) as server, requests.Session() as session:
        api = Api(server.url, session)
        times = []
        for _ in range(20):
            answer = api("GET", "/v2/me")
            times.append(answer.elapsed)
            assert "Connection" not in answer.headers
        assert min(times) < timedelta(milliseconds=30)  # each would wait 40 for an acknowledgement
        (pool,) = session.get_adapter(server.url).poolmanager.pools._container.values()
        assert pool.num_connections == 1


@pytest.mark.parametrize("method", ["QUERY", "GET", "PUT", "HEAD"])
def test_a_body_nobody_reads_is_not_the_next_request(simulator: Simulator, method: str) -> None:
    with Server(simulator) as server, requests.Session() as session:
        api = Api(server.url, session)
        answer = session.request(
            method, server.url + "/v2/nothing", data=b"GET /v2/x HTTP/1.1\r\n\r\n", timeout=LONGEST
        )
        assert answer.status_code == 404
        api.get("/v2/me")
        chunks = iter([b'{"email": "x",', b'"password": "y"}'])
        assert session.post(server.url + "/login", data=chunks, timeout=LONGEST).status_code == 401
        api.get("/v2/me")


@pytest.mark.parametrize("length", ["-1", "x", "999999999"])
def test_a_body_of_no_length_closes_the_connection(simulator: Simulator, length: str) -> None:
    with Server(simulator) as server, socket.create_connection(("127.0.0.1", int(server.url[17:]))) as connection:
        connection.sendall(f"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{{}}".encode())
        connection.settimeout(LONGEST)
        answer = b""
        while part := connection.recv(4096):
            answer += part
        assert answer.startswith(b"HTTP/1.1 400")


def test_handle_needs_no_transport(simulator: Simulator) -> None:
    assert simulator.handle(Request.to("GET", "/v2/me?x=%C3%A9", {"Authorization": "Bearer fkey_x"})).status == 200


def test_data_that_cannot_be_read_are_a_500_when_served(simulator: Simulator) -> None:
    with Server(simulator) as server:
        simulator._db.execute("ALTER TABLE projects RENAME TO lost")
        answer = requests.get(server.url + "/v2/projects", headers={"Authorization": "Bearer fkey_x"}, timeout=LONGEST)
        assert answer.status_code == 500
        assert "no such table: projects" in answer.text
        simulator._db.execute("ALTER TABLE lost RENAME TO projects")
        assert requests.get(server.url + "/v2/me", headers={"Authorization": "Bearer fkey_x"}, timeout=LONGEST).ok


def test_data_that_other_tests_copy_are_those_of_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dump(name: str) -> list[str]:
        with Simulator.open(tmp_path / name) as made:
            return list(made._db.iterdump())

    with monkeypatch.context() as patch:
        patch.setattr("flowplan.simulator.simulator._fill", filled.compute)
        patch.setattr(Simulator, "open", classmethod(filled.make))
        expected = dump("computed")
    assert dump("first") == dump("copied") == expected
    assert (tmp_path / "copied").stat().st_mode & 0o777 == 0o600
    with Simulator.open(":memory:") as first, Simulator.open(":memory:") as copied:
        assert list(first._db.iterdump()) == list(copied._db.iterdump()) == expected


def test_a_port_that_is_taken_is_wrong_usage(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = place.run("simulator", "serve", "--port", str(port))
    assert told.code == 64
    assert told.err.startswith(f"error: port {port} cannot be used: Address already in use\n")
    assert "hint: give another --port" in told.err


def test_good_data_on_a_full_disk_is_not_called_bad(place: Place) -> None:
    """Who deletes it, as told, loses the cloud that the state is about."""
    place.ok("simulator", "reset")
    command = ["bash", "-c", 'ulimit -f 8; "$@"', "-", *FLOWPLAN, "market"]
    done = subprocess.run(command, cwd=place.path, capture_output=True, text=True, check=False)
    said = " ".join(done.stderr.split())
    assert done.returncode == 1 and "look whether its disk is full" in said and "delete" not in said
    assert place.ok("simulator", "market")
    (place.path / ".flowplan" / "simulator.db").write_bytes(b"no database" * 100)
    assert "is not a simulator's data" in place.run("market").err


def test_data_that_may_not_be_opened_are_no_internal_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> sqlite3.Connection:
        raise sqlite3.OperationalError("unable to open database file")

    path = tmp_path / "simulator.db"
    Simulator.open(path).close()
    monkeypatch.setattr(sqlite3, "connect", refused)
    with pytest.raises(FlowplanError, match=r"simulator\.db cannot be opened: unable to open database file"):
        Simulator.open(path)

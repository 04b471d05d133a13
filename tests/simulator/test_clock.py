"""Time is one thing for all processes, runs, and never goes back behind a date that somebody was told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
import requests

from flowplan.simulator import SIMULATOR_URL, Request, Simulator, serve, timekeeping
from flowplan.simulator.api.projects import user_fid
from flowplan.simulator.clock import EPOCH
from flowplan.simulator.serve import Server
from tests.processes import LONGEST, Process, until
from tests.simulator.adapter import SimulatorAdapter

from .conftest import Api

ROOT = Path(__file__).parents[2]


class Watch:
    """Real time, as a running clock sees it, in the test's hand."""

    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    made = Watch()
    monkeypatch.setattr(timekeeping, "monotonic", made)
    return made


@contextmanager
def client_of(simulator: Simulator) -> Iterator[Api]:
    with requests.Session() as session:
        session.mount(SIMULATOR_URL, SimulatorAdapter(simulator))
        yield Api(SIMULATOR_URL, session)


def date_of(simulator: Simulator) -> datetime:
    answer = simulator.handle(Request.to("GET", "/v2/me", {"Authorization": "Bearer fkey_x"}))
    assert answer.status == 200
    return parsedate_to_datetime(answer.headers["date"])


def test_a_notice_begins_now_although_nobody_asked_for_long(tmp_path: Path, watch: Watch) -> None:
    with Simulator.open(tmp_path / "s.db", speed=60) as simulator, client_of(simulator) as api:
        bid = api.placed()
        watch.seconds += 10
        assert api.status(bid) == "Allocated"
        watch.seconds += 10
        now = simulator.now()
        simulator.faults.preempt(bid)
        (instance,) = api.instances()
        end = api.get(f"/v2/instances/{instance['fid']}/status")["end_time"]
        assert datetime.fromisoformat(end) - now == timedelta(minutes=5)
        assert api.status(bid) == "Preempting"


def test_an_advance_elsewhere_adds_to_what_has_run(tmp_path: Path, watch: Watch) -> None:
    path = tmp_path / "s.db"
    with Simulator.open(path, speed=60) as running, Simulator.open(path) as other:
        watch.seconds += 20
        other.advance(timedelta(minutes=10))
        assert running.now() == EPOCH + timedelta(minutes=30)
        watch.seconds += 1
        assert date_of(running) == date_of(other) == EPOCH + timedelta(minutes=31)
        running.advance(timedelta(minutes=1))
        assert running.now() == other.now() == EPOCH + timedelta(minutes=32)


def test_two_running_clocks_are_one(tmp_path: Path, watch: Watch) -> None:
    path = tmp_path / "s.db"
    with Simulator.open(path, speed=60) as quick, Simulator.open(path, speed=1) as slow:
        watch.seconds += 60
        assert date_of(quick) == EPOCH + timedelta(hours=1)
        assert date_of(slow) == EPOCH + timedelta(hours=1)
        watch.seconds += 60
        assert date_of(slow) == EPOCH + timedelta(hours=1, minutes=1)
        assert date_of(quick) == EPOCH + timedelta(hours=2)


@pytest.mark.parametrize("speed", [0, 60])
def test_a_reset_elsewhere_is_noticed(tmp_path: Path, watch: Watch, speed: float) -> None:
    path = tmp_path / "s.db"
    with Simulator.open(path, speed=speed) as simulator, Simulator.open(path) as other, client_of(simulator) as api:
        simulator.advance(60)
        watch.seconds += 20
        api.placed()
        other.reset(9)
        assert simulator.now() == date_of(simulator) == EPOCH
        assert api.get("/v2/me")["fid"] == user_fid(9)
        bid = api.bid().json()
        with Simulator.open(":memory:", seed=9) as fresh, client_of(fresh) as expected:
            assert bid == expected.bid().json()
        simulator.reset()
        assert api.get("/v2/me")["fid"] == user_fid(9)


def test_time_that_was_asked_for_before_a_reset_does_not_pass_after_it(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with Simulator.open(path) as simulator, Simulator.open(path) as other:
        generation = timekeeping.read(simulator._db).generation
        assert simulator._time.let_pass(generation, more=1000) == 1000
        other.reset()
        assert simulator._time.let_pass(generation, more=1000) == 0
        assert simulator.now() == EPOCH


def test_a_reset_keeps_the_start(tmp_path: Path) -> None:
    start = EPOCH - timedelta(days=5)
    with Simulator.open(tmp_path / "s.db", start=start), Simulator.open(tmp_path / "s.db") as other:
        other.advance(5)
        other.reset()
        assert other.now() == start


def test_no_date_is_behind_one_that_was_sent(tmp_path: Path, watch: Watch) -> None:
    """Not even when the process that sent it is gone without a word: here it never closes its file before."""
    path = tmp_path / "s.db"
    with Simulator.open(path, speed=1) as simulator:
        sent = []
        for _ in range(40):
            watch.seconds += 0.7
            sent.append(date_of(simulator))
        assert sent == sorted(sent)
        assert sent[-1] == EPOCH + timedelta(seconds=28)
        with Simulator.open(path, speed=1) as again:
            assert date_of(again) >= sent[-1]


@pytest.mark.parametrize("seconds", [-1, -1e-9, 1e18, float("inf"), float("nan"), timedelta(days=-1), timedelta.max])
def test_time_passes_forwards_and_by_ten_years_at_most(simulator: Simulator, seconds: float | timedelta) -> None:
    with pytest.raises(ValueError, match="back"):
        simulator.advance(seconds)
    assert simulator.now() == EPOCH


def test_a_quiet_week_is_caught_up_with_in_small_steps(tmp_path: Path, watch: Watch) -> None:
    with Simulator.open(tmp_path / "s.db", speed=60) as simulator, Simulator.open(tmp_path / "s.db") as other:
        assert simulator.keep_up() is False
        watch.seconds += 5
        steps = [EPOCH]
        while simulator.keep_up():
            steps.append(other.now())
        steps.append(other.now())
        assert steps == [EPOCH + timedelta(minutes=minutes) for minutes in (0, 2, 4, 5)]


def test_a_served_clock_keeps_up_while_nobody_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "TICK", 0.001)
    with Simulator.open(tmp_path / "s.db", speed=600) as simulator, Simulator.open(tmp_path / "s.db") as other:
        with Server(simulator):
            until(lambda: other.now() >= EPOCH + timedelta(minutes=5))
        stopped = other.now()
        assert simulator.now() > stopped


@pytest.mark.parametrize("key", [None, "fkey_one"])
def test_the_example_that_serve_shows_works(tmp_path: Path, key: str | None) -> None:
    command = [sys.executable, "-m", "flowplan", "simulator", "serve", "--port", "0", "--db", str(tmp_path / "s.db")]
    given = ["--api-key", key] if key else []
    process = Process([*command, *given], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        url = process.stdout.readline().strip()
        answer = requests.get(url + "/v2/me", headers={"Authorization": "Bearer fkey_any"}, timeout=LONGEST)
        assert answer.status_code == (401 if key else 200)
    finally:
        process.terminate()
        notes = process.communicate(timeout=LONGEST)[1]
    # flowplan's own variables come first: others may be set that would send the example elsewhere.
    shown = " ".join(notes.split()).partition(f"FLOWPLAN_API_URL={url} FLOWPLAN_API_KEY=")[2].split()[0]
    assert shown == ("KEY" if key else "fkey_any")  # the one key is known to whom gave it, and not printed


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_served_date_outlives_the_server(tmp_path: Path, end: signal.Signals) -> None:
    path = tmp_path / "s.db"
    command = [sys.executable, "-m", "flowplan", "simulator", "serve", "--port", "0", "--speed", "300"]
    process = Process([*command, "--db", str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    url = process.stdout.readline().strip()

    def told() -> datetime:
        answer = requests.get(url + "/v2/me", headers={"Authorization": "Bearer fkey_x"}, timeout=LONGEST)
        return parsedate_to_datetime(answer.headers["Date"])

    until(lambda: told() >= EPOCH + timedelta(seconds=30))
    sent = told()
    os.kill(process.pid, end)
    assert process.wait(LONGEST) == (-signal.SIGKILL if end == signal.SIGKILL else 0)
    process.stdout.close()
    with Simulator.open(path) as simulator:
        assert date_of(simulator) >= sent

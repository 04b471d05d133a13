"""What the proofs share: a `runner` of commands in processes that die (one for each worker of pytest), and a `world`
for every cell of the matrices: virtual time under the commands, every attempt recorded, invariants at the end."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest

from flowplan.cli import run
from flowplan.cli.stop import Stop
from flowplan.clock import Clock
from flowplan.cloud import connect, credentials, inside
from flowplan.cloud.http.transport import Caller, Timing, Transport
from tests.conftest import Place, many

from .runner import Runner
from .scenarios import APPLY, task
from .state_servers import SERVERS, ServedFolder, StateServer
from .world import _CALL, COMMANDS, Sent, Time, World


@pytest.fixture(scope="session")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    with Runner(tmp_path_factory.mktemp("runner")) as started:
        yield started


@pytest.fixture(scope="module", params=SERVERS)
def served(
    request: pytest.FixtureRequest, runner: Runner, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StateServer]:
    """A server of each kind that keeps states. It has been used before: its tables are there."""
    server = SERVERS[request.param]()
    path = tmp_path_factory.mktemp("first") / "work"
    path.mkdir()
    first = ServedFolder(path, runner, server)
    first.write(task("a"))
    first.ok(APPLY)
    yield server
    server.close()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks, applied to a simulator: made once, copied by every cell that begins with it."""
    path = tmp_path_factory.mktemp("template") / "work"  # the directory's name becomes the stack's
    path.mkdir()
    (path / "flowplan.yaml").write_text(many(2))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        patch.setenv("FLOWPLAN_API_URL", "sim:")
        assert run(COMMANDS["apply"]) == 0
    return path


@pytest.fixture
def world(
    place: Place, template: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[World]:
    monkeypatch.delenv("FLOWPLAN_SETTLE_WINDOW")  # the default 45 s: they cost nothing here
    monkeypatch.setenv("XDG_STATE_HOME", str(place.path.parent / "xdg"))
    time = Time()
    found = World(place, time, template, monkeypatch, request)
    time.moves.append(partial(_advance, found))
    _make_virtual(found, monkeypatch)
    yield found
    found.stop_serving()


def _make_virtual(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    time = world.time

    def transport(*given: Any, **options: Any) -> Transport:
        whose = options.pop("caller", Caller())

        def log(line: str) -> None:
            method, path, outcome = _CALL.match(line).groups()  # type: ignore[union-attr]
            world.sent.append(Sent(time.now, method, path, outcome))
            if whose.log is not None:
                whose.log(line)

        caller, timing = attrs.evolve(whose, wait=time.pause, log=log), Timing(clock=time.monotonic, jitter=lambda: 0.5)
        return Transport(*given, **options, caller=caller, timing=timing)

    monkeypatch.setattr(connect, "Transport", transport)
    monkeypatch.setattr(credentials, "Transport", transport)
    monkeypatch.setattr(Stop, "pause", lambda stop, seconds: time.pause(seconds))
    monkeypatch.setattr(Stop, "clock", lambda stop: Clock(time.monotonic, time.wall, time.pause, stop.stopped))
    monkeypatch.setattr(inside, "time", _Sleeper(world))  # a slow answer in this process


class _Sleeper:
    """The part of `time` that the wire to the simulator uses."""

    def __init__(self, world: World) -> None:
        self._world = world

    def sleep(self, seconds: float) -> None:
        self._world.time.pause(seconds)
        self._world.held_back()


def _advance(world: World, seconds: float) -> None:
    """The simulator's clock goes with ours, once there is one."""
    if world.data.exists() and seconds > 0:
        with world.place.simulator() as simulator:
            simulator.advance(seconds)

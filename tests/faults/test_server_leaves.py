"""The server that keeps the state goes away in the middle of an apply, and is there again for the next one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.contracts.relay import Relay
from tests.faults.proof import Proof
from tests.faults.runner import Ran, Runner
from tests.faults.scenarios import APPLY, SCENARIOS, Command, Folder, task
from tests.faults.scenarios import created as created_volumes
from tests.faults.state_servers import ServedFolder, StateServer


class Leaving:
    """Stands before a server, and leaves instead of being asked when it is `time`; `comes_back`: it loses what it was
    asked then, and is there for the next. `asked`: how often it was."""

    def __init__(self, port: int) -> None:
        self.asked, self.comes_back = 0, False
        self.time: Callable[[], bool] = lambda: False
        self.relay = Relay(port, self._asks)

    def _asks(self, data: bytes) -> bytes:
        self.asked += 1
        if self.time():
            (self.relay.cut if self.comes_back else self.relay.leave)()
        return data

    def run(
        self,
        folder: ServedFolder,
        command: Command,
        time: Callable[[], bool] = lambda: False,
        *,
        comes_back: bool = False,
    ) -> Ran:
        """The command, and then the server is there again."""
        self.asked, self.time, self.comes_back = 0, time, comes_back
        ran = folder.run(command, counting=True)  # in a process of its own: its lock is nobody's once it has ended
        self.time = lambda: False
        self.relay.leave()
        self.relay.come_back()
        return ran


@pytest.fixture
def leaving(served: StateServer) -> Iterator[Leaving]:
    leaving = Leaving(served.port)
    with leaving.relay:
        served.close()
        served.port = leaving.relay.port
        yield leaving
        served.close()
        served.port = served.own_port()


def created(folder: Folder) -> int:
    """How much the cloud has made so far."""
    with folder.simulator() as simulator:
        return sum(entry.method == "POST" for entry in simulator.ledger())


def made(name: str, served: StateServer, scratch: Path, runner: Runner) -> tuple[Proof, ServedFolder]:
    proof = Proof(name, SCENARIOS[name], scratch, runner, partial(ServedFolder, server=served))
    assert isinstance(proof.template, ServedFolder)
    return proof, proof.template


@pytest.mark.parametrize("changes", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_results_that_a_lost_server_cannot_take_are_taken_over(
    changes: int, served: StateServer, leaving: Leaving, in_memory: Path, runner: Runner
) -> None:
    """It leaves when it is to be given the result of the second, or the last, of four creates."""
    proof, template = made("create two with volumes and ports", served, in_memory, runner)
    folder = template.copied("disturbed")
    ran = leaving.run(folder, APPLY, lambda: created(folder) == changes)
    assert (ran.codes, folder.spilled()) == ([5], 1), ran
    assert created(folder) == changes
    known = folder.store().read()
    assert folder.cloud().creates.keys() <= {one.id for one in known.state.bindings.values()}
    assert not known.pending
    proof.prove(folder, "the server left", "left")
    assert folder.spilled() == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["create two with volumes and ports", "replace"])
def test_a_server_that_leaves_at_any_moment_loses_nothing(
    name: str, served: StateServer, leaving: Leaving, in_memory: Path, runner: Runner
) -> None:
    proof, template = made(name, served, in_memory, runner)
    assert leaving.run(template.copied("counted"), APPLY).codes == [0]
    for last in range(1, leaving.asked + 1):
        folder = template.copied("disturbed")
        ran = leaving.run(folder, APPLY, lambda last=last: leaving.asked >= last)
        where = f"the server left at {last}"
        assert ran.codes[0] in (0, 5, 6), (where, ran)
        proof.met["left"] += 1
        proof.prove(folder, where, where)
        assert folder.spilled() == 0, where
    proof.conclude()


DESTROY: Command = ("destroy", "--auto-approve", "--allow-volume-destroy", "data")


def three(served: StateServer, scratch: Path, runner: Runner) -> ServedFolder:
    """Three bids, one of them with a volume."""
    path = scratch / "place" / "work"
    path.mkdir(parents=True)
    folder = ServedFolder(path, runner, served)
    folder.write(task("a", volume=created_volumes("data"), ports="8080"), task("b"), task("c"))
    folder.ok(APPLY)
    return folder


def cancelled(folder: Folder) -> int:
    """How many bids were asked to end so far."""
    with folder.simulator() as simulator:
        return sum(entry.method == "DELETE" and "/bids/" in entry.path for entry in simulator.ledger())


def ends_with_the_next(folder: ServedFolder, where: str) -> None:
    again = folder.run(DESTROY)
    assert (again.codes, folder.cloud().live, folder.store().read().state.bindings) == ([0], {}, {}), (where, again)
    folder.ok(DESTROY)
    assert (folder.spilled(), folder.lock_is_free()) == (0, True), where
    assert folder.cloud().changes["DELETE volume data"] == 1, where


def test_a_server_that_leaves_once_the_first_bid_is_cancelled_keeps_none_running(
    served: StateServer, leaving: Leaving, in_memory: Path, runner: Runner
) -> None:
    folder = three(served, in_memory, runner)
    ran = leaving.run(folder, (*DESTROY, "--parallelism", "1"), lambda: cancelled(folder) > 0)
    assert (ran.codes, [*folder.cloud().live.values()], folder.spilled()) == ([5], ["volume data"], 1), ran
    assert "not carried out: volume.data" in " ".join(ran.err.split())
    ends_with_the_next(folder, "left")


@pytest.mark.slow
@pytest.mark.parametrize("comes_back", [False, True], ids=["away", "cut"])
def test_a_server_that_fails_a_destroy_at_any_request_keeps_no_bid_running(
    comes_back: bool, served: StateServer, leaving: Leaving, in_memory: Path, runner: Runner
) -> None:
    """Nothing has begun, or no bid runs on."""
    template, met = three(served, in_memory, runner), set()
    assert leaving.run(template.copied("counted"), DESTROY).codes == [0]
    for last in range(1, leaving.asked + 1):
        folder = template.copied("disturbed")
        ran = leaving.run(
            folder,
            DESTROY,
            lambda last=last: leaving.asked == last or (leaving.asked > last and not comes_back),
            comes_back=comes_back,
        )
        live = sorted(folder.cloud().live.values())
        where = f"at {last}: {live}, {ran}"
        assert live in ([], ["volume data"], ["bid a", "bid b", "bid c", "volume data"]), where
        assert ran.codes == ([5] if live else ran.codes) and ran.codes[0] in (0, 5), where
        met.add(len(live))
        ends_with_the_next(folder, where)
    assert comes_back or met == {0, 1, 4}

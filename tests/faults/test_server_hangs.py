"""The server that keeps the state takes connections in the middle of a run, and answers nothing: what cancels bids goes
on while the lock is surely held."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from attrs import define, field

from flowplan.backends.remote import http_lock, lease
from flowplan.backends.remote.foreseen import NAMED
from flowplan.backends.remote.lease import Terms
from flowplan.cloud.fcp import Fcp
from tests.conftest import APPLY, DESTROY, Place, Result, live_ids, many
from tests.contracts.relay import Relay
from tests.contracts.state_servers import KINDS
from tests.faults.state_servers import SERVERS, GitLab, StateServer
from tests.processes import LONGEST
from tests.texts import task_text

LEASE = 0.8  # seconds, of which half are left to what stops


class Plain(GitLab):
    def new(self) -> str:
        return super().new().replace(KINDS["gitlab"].path, KINDS["plain"].path)


HERE = {**SERVERS, "http": Plain}


@define
class Hanging:
    """A place whose state is at a server, behind what lets nothing through from the `first` write of a run on; `done`:
    the server gets it all, and no answer comes through."""

    place: Place
    server: StateServer
    first: int = 0  # 0: never
    done: bool = False
    wrote: int = 0
    relay: Relay = field(init=False)

    @relay.default
    def _between(self) -> Relay:
        return Relay(self.server.own_port(), self._asks)

    def _asks(self, data: bytes) -> bytes:
        before, writes = self.hangs, data[:4] in (b"PUT ", b"POST") or b"INSERT" in data or b"UPDATE" in data
        self.wrote += writes
        if self.hangs and not before:
            self.relay.deaf(True)
        return data if self.done or not self.hangs else b""

    @property
    def hangs(self) -> bool:
        return 0 < self.first <= self.wrote

    def begin(self) -> None:
        """From now on it hangs, whatever the run has written: how many results a write holds depends on the machine."""
        self.first = self.wrote
        self.relay.deaf(True)

    def run(self, *command: str, first: int = 0, done: bool = False) -> Result:
        """The command; after it the server answers again, and what it left waiting has ended."""
        self.first, self.done, self.wrote = first, done, 0
        others = {*threading.enumerate()}  # other tests hold locks yet
        ran = self.place.run(*command)
        self.first = 0
        self.relay.cut()
        self.relay.deaf(False)
        for thread in {*threading.enumerate()} - others:
            if thread.name in (NAMED, "flowplan-lease"):
                thread.join(LONGEST)
                assert not thread.is_alive(), thread
        return ran


@pytest.fixture(params=HERE)
def hanging(request: pytest.FixtureRequest, place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    """With three bids, each with a volume and a port."""
    server = HERE[request.param]()
    found = Hanging(place, server)
    with found.relay:
        server.port = found.relay.port
        settings = {**server.environ(), "XDG_STATE_HOME": str(place.path.parent / "home")}
        for name, value in {**settings, "FLOWPLAN_STATE": server.new()}.items():
            monkeypatch.setenv(name, value)
        terms = Terms(lease=LEASE + 0.1, renewed=0.3, margin=0.1, grace=0.1, poll=0.02, freed=0.1)
        place.write(many(3))
        place.ok(*APPLY)
        monkeypatch.setattr(lease, "Terms", lambda: terms)
        monkeypatch.setattr(http_lock, "PATIENCE", LEASE)
        monkeypatch.setattr(http_lock, "TRUST", 0.1)
        monkeypatch.setattr(http_lock, "WAIT", 0.1)
        monkeypatch.setattr(http_lock, "AT_THE_END", 0.1)
        if request.param == "postgres":
            from flowplan.backends.remote import postgres, postgres_connection

            monkeypatch.setattr(postgres, "Limits", lambda: postgres_connection.Limits(closing=0.1))
        yield found
        server.close()


def said(result: Result) -> str:
    return " ".join(result.err.split())


USUAL = ((3, False), (5, True))  # write at which it begins, and whether that is done
CELLS = [
    pytest.param(first, done, marks=() if (first, done) in USUAL else pytest.mark.slow)
    for first in range(3, 9)
    for done in (False, True)
]


@pytest.mark.parametrize(("first", "done"), CELLS)
def test_a_destroy_cancels_every_bid_and_deletes_no_volume(hanging: Hanging, first: int, done: bool) -> None:
    place = hanging.place
    ran = hanging.run(*DESTROY, "--parallelism", "1", first=first, done=done)
    assert (ran.code, live_ids(place)) == (5, []), ran
    goes_on = "does not answer; what cancels bids goes on, and nothing else is begun"
    assert first > 3 or goes_on in said(ran), ran
    assert "does not answer" in said(ran)
    again = hanging.run(*DESTROY, "--lock-timeout", "5s")
    assert (again.code, place.ok("state", "list"), live_ids(place)) == (0, "", []), again
    assert "bid.task" not in again.err  # nothing is cancelled twice
    created = [entry.path for entry in place.ledger() if entry.method == "POST" and entry.executed]
    assert len(created) == 6, created


@pytest.mark.parametrize("first", [4, pytest.param(5, marks=pytest.mark.slow)])
def test_an_apply_places_nothing_more_and_the_next_places_it_once(hanging: Hanging, first: int) -> None:
    """The bid that is removed waits: what is placed may be what comes instead of it."""
    place, words = hanging.place, (*APPLY, "--allow-volume-destroy", "*")
    place.write(many(2) + task_text("other"))
    ran = hanging.run(*words, first=first, done=True)
    assert (ran.code, len(live_ids(place)) in (3, 4)) == (5, True), ran
    again = hanging.run(*words, "--lock-timeout", "5s")
    assert (again.code, len(live_ids(place))) == (0, 3), again
    bids = [entry for entry in place.ledger() if entry.method == "POST" and entry.executed and "bids" in entry.path]
    assert len(bids) == 4


@pytest.mark.parametrize("hanging", ["gitlab"], indirect=True)
def test_once_the_lock_is_not_sure_any_more_what_runs_on_is_said_with_its_cost(
    hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Fcp.cancel_bid

    def cancel(cloud: Fcp, id: str, *, before: Callable[[], None] = lambda: None) -> bool:
        found = real(cloud, id, before=before)
        for name in ("PATIENCE", "TRUST"):
            monkeypatch.setattr(http_lock, name, 0.0)
        hanging.begin()
        return found

    monkeypatch.setattr(Fcp, "cancel_bid", cancel)
    ran = hanging.run(*DESTROY, "--parallelism", "1")
    assert (ran.code, len(live_ids(hanging.place))) == (5, 2), ran
    assert "was lost while this command ran" in said(ran)
    assert "not cancelled: bid.task-001, bid.task-002, which may run on: at most $35.84 an hour" in said(ran)

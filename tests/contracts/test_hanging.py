"""How long a run waits for a server of a state that takes connections, and answers nothing, once its work is done."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from flowplan.backends.remote import object_place
from flowplan.backends.remote.foreseen import NAMED, Foreseen, at_once
from flowplan.backends.remote.in_time import in_time
from flowplan.backends.remote.lease import Clocks, Terms
from flowplan.backends.remote.object_place import ObjectPlace
from flowplan.backends.remote.objects import SEAL, frames_in, is_state, numbers_in
from flowplan.backends.remote.place import Place, Saved, Unanswered
from flowplan.backends.remote.seen import Seen
from flowplan.backends.remote.store import RemoteStore
from flowplan.errors import StateError
from flowplan.state.history import Change
from flowplan.state.state import State
from tests.contracts.begun import DONE, INTENT
from tests.contracts.memory import ObjectSite
from tests.contracts.under_lock import owner
from tests.processes import LONGEST, Process
from tests.runs import Run

TERMS = Terms(lease=0.5, renewed=10.0, margin=0.1, poll=0.02, freed=0.1)
CHANGE = Change("2026-11-02T09:00:00Z", "ann@host", "flowplan apply", added=1)


@attrs.define
class Hanging:
    """A server on which a call that `hangs` is true of is answered only at the end of the test; `met`: which did."""

    site: ObjectSite
    hangs: Callable[[str, str], bool] = lambda call, key: False
    met: list[str] = attrs.field(factory=list)
    over: threading.Event = attrs.field(factory=threading.Event)

    def asked(self, call: str, key: str) -> None:
        if self.hangs(call, key) and not self.over.is_set():
            self.met.append(key)
            assert self.over.wait(LONGEST)

    def store(self, clocks: Clocks | None = None, place: Place | None = None) -> RemoteStore:
        """One whose lock is held; of a new place, if none is given."""
        site = self.site
        place = place or ObjectPlace(site.objects, site.key, site.url, f"{site.directory}/train", lambda _: None)
        seen, lock = Seen(None, place.identity, place.name), site.lock(place, TERMS, clocks)
        lock.acquire(owner())
        return RemoteStore(place, lock, site.directory, seen, site.directory / "spilt", lock.verify, watch_lock=lock)

    def saved(self, store: RemoteStore) -> State:
        run = Run.of(store)
        run.append([INTENT])
        run.append([DONE])
        return run.save(run.read().state)

    def end(self) -> None:
        self.over.set()
        for thread in threading.enumerate():
            if thread.name == NAMED:
                thread.join(LONGEST)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Hanging]:
    found = Hanging(ObjectSite(tmp_path / "one"))
    found.site.objects.asked = found.asked
    yield found
    found.end()


def test_a_lock_is_lost_where_the_time_of_day_has_jumped_and_the_server_does_not_say(server: Hanging) -> None:
    wall = [1000.0]
    store = server.store(Clocks(time.monotonic, lambda: wall[0]))
    wall[0] += 600
    server.hangs = lambda call, key: call == "put"
    with pytest.raises(StateError, match="was lost while this command ran"):
        store.lock.verify()
    assert server.met == ["train.lock"]


def test_a_version_is_kept_only_while_the_lock_is_sure(server: Hanging) -> None:
    store = server.store()
    saved = server.saved(store)
    server.hangs = lambda call, key: "/versions/" in key
    with pytest.raises(StateError, match="does not answer"):
        store.keep(saved, CHANGE)
    assert server.met


def test_versions_are_written_anew_only_while_the_lock_is_sure(server: Hanging) -> None:
    store = server.store()
    store.keep(server.saved(store), CHANGE)
    server.hangs = lambda call, key: (call, "/versions/" in key) == ("put", True)
    with pytest.raises(StateError, match="does not answer"):
        store.rewrite_versions()
    assert server.met


def test_what_a_new_key_leaves_over_is_removed_only_while_the_lock_is_sure(server: Hanging) -> None:
    store = server.store()
    server.saved(store)
    server.hangs = lambda call, key: not key.endswith(".lock")
    with pytest.raises(StateError, match="does not answer"):
        store.purge()
    assert server.met


def test_what_is_set_aside_is_waited_for_only_while_the_lock_is_sure(server: Hanging) -> None:
    store = server.store()
    server.saved(store)
    server.hangs = lambda call, key: "/aside/" in key
    with pytest.raises(StateError, match="does not answer"):
        store.begin_anew()
    assert server.met


@pytest.mark.parametrize("again", [True, False], ids=["opened again", "another"])
def test_what_a_save_leaves_over_is_left_where_the_server_does_not_remove_it(
    server: Hanging, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """Nothing more of it is asked for, and the next save removes it, also one through the same place."""
    monkeypatch.setattr(object_place, "_AT_THE_END", 0.02)
    monkeypatch.setattr(object_place, "AT_ONCE", 1)
    deleted, delete = list[str](), server.site.objects.delete

    def counted(key: str) -> None:
        delete(key)
        deleted.append(key)

    store = server.store()
    monkeypatch.setattr(server.site.objects, "delete", counted)
    server.hangs = lambda call, key: call == "delete"
    server.saved(store)
    server.saved(store)
    server.saved(store)
    store.close()
    server.end()
    assert len(deleted) == 1  # that was under way
    store.lock.release()
    store = server.store(place=store._place if again else None)
    server.saved(store)
    store.close()
    states = sorted(key.partition("/states/")[2][:8] for key in deleted if "/states/" in key)
    assert states == ["00000001", "00000002"]  # what the probe of a server has put is removed, too


def test_the_end_of_a_run_waits_ten_seconds_for_what_a_save_leaves_over(
    server: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no longer than that takes."""
    store, waited, ended_in, here = server.store(), list[float](), Foreseen.ended_in, threading.current_thread()
    server.hangs = lambda call, key: call == "delete"
    server.saved(store)
    server.saved(store)
    server.saved(store)

    def removed_meanwhile(self: Foreseen[None], seconds: float) -> bool:
        if threading.current_thread() is not here:
            return ended_in(self, seconds)
        waited.append(seconds)
        server.over.set()
        return ended_in(self, LONGEST)

    monkeypatch.setattr(Foreseen, "ended_in", removed_meanwhile)
    store.close()
    assert waited == [10.0]
    states = [key for key in server.site.objects.names("train.d/states/") if is_state(key)]
    assert sorted(numbers_in(key)[0] for key in states) == [2, 3]


def test_what_is_appended_after_a_beginning_that_was_given_up_is_emptied_by_the_save(server: Hanging) -> None:
    """The answer to the first may come at any time since: it says nothing of what was appended."""
    site = server.site
    place = site.place()
    site.objects.asked = lambda call, key: None
    site.objects.answered = lambda call, key: server.asked(call, key)
    server.hangs = lambda call, key: (call, key) == ("put", site.key) and not server.met
    there = place.read()
    with pytest.raises(Unanswered):
        in_time(lambda: place.begin(1, there), lambda: 0.0 if server.met else 0.02, site.url)
    version = place.begin(1, place.read()).version
    place.append(1, 1, b"frames")
    server.end()
    place.save(1, version, Saved(b"1", None, b"", "lineage", 1))
    entry = site.objects.get("train.d/journal/1/000001")
    assert entry is not None and frames_in(entry.data, "") == SEAL


def test_a_state_that_was_put_by_a_save_that_was_given_up_is_named_by_no_later_one(server: Hanging) -> None:
    """The save in between has removed it: it is nothing that a head names."""
    site = server.site
    place = site.place()
    first = place.begin(1, place.read())
    site.objects.asked = lambda call, key: None
    site.objects.answered = lambda call, key: server.asked(call, key)
    server.hangs = lambda call, key: call == "put" and "/states/" in key and not server.met
    saved = Saved(b"1", None, b"", "lineage", 1)
    with pytest.raises(Unanswered):
        in_time(lambda: place.save(1, first.version, saved), lambda: 0.0 if server.met else 0.02, site.url)
    version = place.save(1, first.version, saved)
    server.end()
    place.save(1, version, Saved(b"2", b"1", b"", "lineage", 2))
    there = site.place().read()
    assert (there.snapshot, there.backup) == (b"2", b"1")


def test_several_calls_are_waited_for_however_long_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    looks, answered, ended_in = list[bool](), threading.Event(), Foreseen.ended_in

    def looked(self: Foreseen[None], seconds: float) -> bool:
        looks.append(ended_in(self, 0.0))
        if len(looks) == 5:
            answered.set()
            return ended_in(self, LONGEST)
        return looks[-1]

    monkeypatch.setattr(Foreseen, "ended_in", looked)
    try:
        assert at_once([lambda: answered.wait(LONGEST)] * 2, 2) == [True, True]
    finally:
        answered.set()


def test_no_call_of_several_is_begun_after_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    began, goes_on = list[str](), threading.Event()

    def call() -> bool:
        began.append("")
        return goes_on.wait(LONGEST)

    def interrupted(self: Foreseen[None], seconds: float) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(Foreseen, "ended_in", interrupted)
    with pytest.raises(KeyboardInterrupt):
        at_once([call] * 3, 1)
    goes_on.set()
    for thread in threading.enumerate():
        if thread.name == NAMED:
            thread.join(LONGEST)
    assert len(began) <= 1


# Interrupted while it waits for several calls that are not answered.
ASKS = """
import os, sys, threading
from flowplan.backends.remote.foreseen import at_once
def hangs():
    os.write(1, b"asked\\n")  # in one piece: print writes the end of a line by itself
    threading.Event().wait()
try:
    at_once([hangs] * 3, 2)
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_an_interruption_waits_for_no_call_of_several() -> None:
    with Process([sys.executable, "-c", ASKS], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["asked\n"] * 2
        process.send_signal(signal.SIGINT)
        assert process.wait(LONGEST) == 130
        assert process.stdout.read() == ""

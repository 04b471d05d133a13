"""`lock show` names who watches, beside who holds the state's lock; `force-unlock` frees either."""

from __future__ import annotations

import json

import attrs
import pytest

from flowplan.backends.local import LocalStore
from flowplan.backends.lock import NAME
from flowplan.backends.processes import this_process
from flowplan.model.owner import Owner
from tests.conftest import Place
from tests.documents.schemas import fits

WATCHER = this_process("flowplan watch", {}, "2026-01-02T03:04:05Z")
GONE = attrs.evolve(WATCHER, boot="another", machine="c" * 32, host="pod-1", who="me@pod-1")


def left(place: Place, owner: Owner) -> None:
    """The watcher's lock names `owner`, and nobody has it."""
    (place.path / ".flowplan" / "watch").mkdir(parents=True, exist_ok=True)
    place.write(json.dumps(attrs.asdict(owner)), ".flowplan/watch/flowplan.state.json.lock")


def test_who_watches_is_shown_and_holds_no_lock_of_the_state(place: Place) -> None:
    lock = LocalStore(place.path / "flowplan.state.json").watch_lock
    lock.acquire(WATCHER)
    shown = place.ok("lock", "show")
    document = json.loads(place.ok("lock", "show", "--format", "json"))
    lock.release()
    assert "Nobody holds the lock.\n\nThis state is watched:\nid       " in shown and WATCHER.id in shown
    assert (document["standing"], document["watcher"]["standing"]) == ("nobody", "held")
    assert document["watcher"]["holder"]["command"] == "flowplan watch"
    fits("lock", document)
    assert place.ok("lock", "show") == "Nobody holds the lock.\n"


def test_the_watchers_of_two_states_in_a_directory_are_not_in_each_others_way(place: Place) -> None:
    locks = [LocalStore(place.path / name).watch_lock for name in ("flowplan.state.json", "a.json", "a", "a.json.lock")]
    for lock in locks:
        lock.acquire(WATCHER)
    for lock in locks:
        lock.verify()
        lock.release()


@pytest.mark.parametrize(
    ("owner", "says"),
    [
        (GONE, "This state is watched by a run that this machine cannot check:"),
        (attrs.evolve(WATCHER, pid=1, started="1"), "This state was watched by a run that is dead; the next"),
    ],
)
def test_what_is_known_of_a_watcher_that_has_let_go(place: Place, owner: Owner, says: str) -> None:
    left(place, owner)
    assert says in place.ok("lock", "show")


def test_the_lock_of_a_watcher_on_another_machine_is_broken_by_its_id(place: Place) -> None:
    left(place, GONE)
    assert place.ok("force-unlock", GONE.id) == "The lock of me@pod-1 since 2026-01-02T03:04:05Z is broken.\n"
    assert place.ok("lock", "show") == "Nobody holds the lock.\n"


def test_the_lock_of_a_watcher_that_is_alive_stays(place: Place) -> None:
    lock = LocalStore(place.path / "flowplan.state.json").watch_lock
    lock.acquire(WATCHER)
    done = place.run("force-unlock", WATCHER.id)
    assert done.code == 1 and "is alive and holds the lock; it stays" in " ".join(done.err.split())
    lock.verify()
    lock.release()


def test_the_state_s_own_lock_is_broken_whatever_the_watcher_s_is(place: Place) -> None:
    """Nothing that is wrong with the one keeps anybody from the other."""
    (place.path / ".flowplan").mkdir(exist_ok=True)
    place.write("", ".flowplan/watch")
    place.write(json.dumps(attrs.asdict(attrs.evolve(GONE, id="3f0c", scope=""))), NAME)
    assert "me@pod-1" in place.ok("lock", "show")
    place.ok("force-unlock", "3f0c")
    done = place.run("force-unlock", "3f0c")
    assert done.code == 1 and "nobody holds the lock" in done.err

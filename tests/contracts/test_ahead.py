"""What a run asks a server before it takes the lock, while it reads its files: it waits less, and goes on from nothing
that is over."""

from __future__ import annotations

import threading

import attrs
import pytest

from flowplan.backends.processes import this_process
from flowplan.backends.remote.foreseen import NAMED
from flowplan.backends.store import Store
from flowplan.errors import Locked
from tests.builders import DATA
from tests.contracts.begun import DONE, DONE_SECOND, INTENT, OTHER, begun, run
from tests.contracts.places import Place
from tests.runs import Run

OWNER = this_process("flowplan apply", {}, "2026-01-02T03:04:05Z")
SECOND = attrs.evolve(INTENT, intent="i2", address=OTHER)


def reached(site: Place) -> Store:
    """A store that has found what it asks ahead."""
    store = site.open()
    store.reach()
    for thread in threading.enumerate():
        if thread.name == NAMED:
            thread.join()
    return store


def test_what_nobody_has_changed_is_read(site: Place) -> None:
    run(site)
    begun(site).append([SECOND])
    store = reached(site)
    store.lock.acquire(OWNER)
    found = store.read()
    assert (set(found.state.bindings), set(found.pending)) == ({DATA}, {"i2"})
    store.lock.release()


@pytest.mark.parametrize("before", [False, True], ids=["the first", "after another"])
def test_what_was_written_since_is_read(site: Place, before: bool) -> None:
    if before:
        run(site)
    store = reached(site)
    other = begun(site)
    other.append([SECOND])
    other.append([DONE_SECOND])
    store.lock.acquire(OWNER)
    assert OTHER in store.read().state.bindings
    store.lock.release()


def test_what_was_appended_to_a_journal_since_is_read(site: Place) -> None:
    """The head of objects is as it was then."""
    other = begun(site)
    other.append([SECOND])
    store = reached(site)
    other.append([DONE_SECOND])
    store.lock.acquire(OWNER)
    assert OTHER in store.read().state.bindings
    store.lock.release()


def test_a_lock_that_another_has_is_not_taken(site: Place) -> None:
    other = site.open()
    other.lock.acquire(OWNER)
    store = reached(site)
    with pytest.raises(Locked):
        store.lock.acquire(OWNER)
    other.lock.verify()
    other.lock.release()


def test_a_lock_that_another_has_taken_since_is_not_taken(site: Place) -> None:
    store, other = reached(site), site.open()
    other.lock.acquire(OWNER)
    with pytest.raises(Locked):
        store.lock.acquire(OWNER)
    other.lock.verify()
    other.lock.release()
    store.lock.acquire(OWNER)
    store.lock.verify()
    store.lock.release()


@pytest.mark.parametrize("before", [False, True], ids=["the first", "after another"])
def test_what_another_run_did_since_is_gone_on_from_under_a_higher_fence(site: Place, before: bool) -> None:
    if before:
        run(site)
    store, other = reached(site), site.open()
    other.lock.acquire(OWNER)
    one = Run.of(other)
    one.append([INTENT])
    one.append([DONE])
    saved = one.save(one.read().state)
    other.lock.release()
    store.lock.acquire(OWNER)
    one = Run.of(store)
    one.append([SECOND])
    one.append([DONE_SECOND])
    one.save(one.read().state)
    store.lock.release()
    there = site.open().read()
    assert (set(there.state.bindings), there.state.serial) == ({DATA, OTHER}, saved.serial + 1)

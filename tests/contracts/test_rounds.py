"""How often a run waits for a server that keeps its state as objects: what is asked at once is one wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from flowplan.backends.remote.foreseen import NAMED
from flowplan.backends.remote.object_place import ObjectPlace
from flowplan.state.history import Change
from tests.contracts.begun import DONE, INTENT, begun, found, run
from tests.contracts.memory import InTurn, ObjectSite
from tests.contracts.under_lock import owner
from tests.runs import Run

_T = TypeVar("_T")
CHANGE = Change("2026-11-02T09:00:00Z", "ann@host", "flowplan apply", added=1)


class Counted(ObjectSite):
    """Counts its waits."""

    waits = 0
    together = False

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.objects.asked = self._asked

    def _asked(self, call: str, key: str) -> None:
        self.waits += not self.together

    def place(self) -> ObjectPlace:
        site = self

        class Watched(InTurn):
            def _beside(self, calls: Sequence[Callable[[], object]]) -> None:
                with site.no_wait():
                    super()._beside(calls)

            def _at_once(self, calls: Sequence[Callable[[], _T]]) -> list[_T]:
                with site.one_wait(len(calls)):
                    return [call() for call in calls]

        return Watched(self.objects, self.key, self.url, f"{self.directory}/train", lambda _: None)

    @contextmanager
    def one_wait(self, calls: int) -> Iterator[None]:
        before, self.together = self.together, True
        self.waits += bool(calls) and not before
        yield
        self.together = before

    @contextmanager
    def no_wait(self) -> Iterator[None]:
        self.together = True
        yield
        self.together = False

    def waits_of(self, work: Callable[[], object]) -> int:
        before = self.waits
        work()
        return self.waits - before


@pytest.fixture
def site(tmp_path: Path) -> Counted:
    made = Counted(tmp_path / "one")
    run(made)
    return made


def test_a_look_waits_three_times_however_much_there_is(site: Counted) -> None:
    """For the head, for all that it names, and for the head again."""
    assert site.waits_of(lambda: found(site)) == 3


def test_a_journal_that_was_left_is_read_in_ever_larger_parts(site: Counted) -> None:
    left = begun(site)
    for _ in range(30):
        left.append([INTENT])
    assert site.waits_of(lambda: found(site)) <= 7


def test_a_wave_waits_once_for_what_comes_back_and_what_goes_out(site: Counted) -> None:
    one = begun(site)
    one.append([INTENT])
    assert site.waits_of(lambda: one.append([DONE, INTENT])) == 1


def test_what_a_run_waits_for_does_not_grow_with_its_waves(site: Counted) -> None:
    def work(waves: int) -> None:
        store = site.open()
        store.lock.acquire(owner())
        one = Run.of(store)
        state = one.read().state
        for _ in range(waves):
            one.append([INTENT])
        store.keep(one.save(state), CHANGE)
        store.lock.release()

    proof = site.waits_of(site.place().prove)
    work(1)  # the first that keeps a version keeps the state before it, too
    few, many = (site.waits_of(lambda waves=waves: work(waves)) - waves - proof for waves in (1, 40))
    assert few <= many <= few + 1 <= 16


def test_a_run_that_asked_ahead_waits_once_for_the_lock_and_once_to_read(site: Counted) -> None:
    store = site.open()
    with site.no_wait():
        store.lock.acquire(owner())  # its server is tried
        store.lock.release()
        store.reach()
        for thread in threading.enumerate():
            if thread.name == NAMED:
                thread.join()
    assert site.waits_of(lambda: store.lock.acquire(owner())) - site.waits_of(site.place().prove) == 1
    assert site.waits_of(store.read) == 1
    store.lock.release()


def test_the_first_run_of_all_begins_with_one_wait(tmp_path: Path) -> None:
    """It has just read that there is nothing."""
    site = Counted(tmp_path / "new")
    place = site.place()
    seen = place.read()
    assert site.waits_of(lambda: place.begin(1, seen)) == 1


def test_a_save_waits_twice_however_much_there_is_to_remove(site: Counted) -> None:
    """For what it puts beside a list of what is there, and for the head. What it removes, nobody waits for."""
    one = begun(site)
    for _ in range(20):
        one.append([INTENT])
    state = one.read().state
    assert site.waits_of(lambda: one.save(state)) == 2

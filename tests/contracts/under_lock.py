"""Runs under the lock of a state on a server, one or many at once, as the tests of each server need them."""

from __future__ import annotations

import threading
from collections.abc import Callable

from flowplan.backends.processes import this_process
from flowplan.backends.remote.store import RemoteStore
from flowplan.errors import Locked
from flowplan.model.owner import Owner
from flowplan.state.state import State
from tests.contracts.begun import DONE, INTENT
from tests.runs import Run


class Killed(BaseException):
    """The process is gone at this call."""


def in_a_renewal() -> bool:
    """Whether it is the lease that asks: the thread of a run that is killed here lives on, and would fail the test that
    runs by then."""
    return threading.current_thread().name == "flowplan-lease"


def owner() -> Owner:
    return this_process("flowplan apply", {}, "2026-01-02T03:04:05Z")


def work(store: RemoteStore, known: list[str]) -> State:
    """A run under the lock, and the state that it saved; `known` gets what of it is durable."""
    store.lock.acquire(owner())
    one = Run.of(store)
    one.append([INTENT])
    known.append("intent")
    one.append([DONE])
    known.append("done")
    saved = one.save(one.read().state)
    known.append("saved")
    return saved


def all_at_once(writers: int, work: Callable[[int], object]) -> None:
    """`work` of each number below `writers`, begun together in as many threads."""
    together = threading.Barrier(writers)

    def begin(number: int) -> None:
        together.wait()
        work(number)

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(writers)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()


def holders(writers: int, opened: Callable[[], RemoteStore]) -> list[int]:
    """The fences of those that got the lock, of as many that ask for it at once."""
    stores, held = [opened() for _ in range(writers)], list[int]()

    def take(number: int) -> None:
        try:
            stores[number].lock.acquire(owner())
        except Locked:
            return
        held.append(stores[number].lock.fence)

    all_at_once(writers, take)
    return held

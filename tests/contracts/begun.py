"""Runs on a place where a state lives, as the contract needs them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from flowplan.backends.parts import Part
from flowplan.backends.store import Loaded, Store
from flowplan.model.address import Address
from flowplan.state.records import Done
from flowplan.state.state import State
from tests.builders import DATA, bound, create_of, volume
from tests.contracts.places import Place
from tests.runs import Run

PARTS: tuple[Part, ...] = ("snapshot", "journal", "backup")
OTHER = Address("volume", "other")
BINDING, SECOND = bound(DATA, "vol_1", volume()), bound(OTHER, "vol_2", volume("other"))
INTENT = create_of(DATA, BINDING.applied)
DONE, DONE_SECOND = Done("i-1", DATA, BINDING), Done("i2", OTHER, SECOND)


def begun(site: Place) -> Run[Store]:
    return Run.of(site.open())


def run(site: Place) -> State:
    """What an apply does with the store: intent, result, snapshot."""
    store = begun(site)
    store.append([INTENT])
    store.append([DONE])
    return store.save(store.read().state)


def killed(site: Place, work: Callable[[Run[Store]], object]) -> None:
    """A run in a process of its own that is killed as soon as `work` returns. Where a place cannot be used after a
    fork, the run is left as it is: nothing of it is closed."""
    if not getattr(site, "forks", True):
        work(begun(site))
        return
    pid = os.fork()
    if pid == 0:
        try:
            work(begun(site))
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status)


def found(site: Place) -> Loaded:
    return site.open().read()

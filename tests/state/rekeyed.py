"""A state with all that is sealed again for other keys."""

from __future__ import annotations

from flowplan.backends.store import Store
from flowplan.state.history import Rewritten
from tests.builders import DATA, create_of
from tests.contracts.begun import BINDING, OTHER, SECOND
from tests.runs import Run
from tests.sealed import run


def rekey(store: Store) -> Rewritten:
    """What `operations.state.rekey` does with the store."""
    store.form.change_recipients = True
    loaded = store.read()
    store.save(loaded.state, loaded.pending.values(), stated=True)
    return store.rewrite_versions()


def begun(store: Store) -> None:
    """A state with two versions, and an operation in doubt."""
    run(store)
    store.keep(store.save(store.read().state), None)
    Run.of(store).append([create_of(OTHER, SECOND.applied, intent="i2")])
    store.close()


def hold_all_read(store: Store) -> None:
    loaded = store.read()
    assert (loaded.state.bindings, list(loaded.pending)) == ({DATA: BINDING}, ["i2"])
    for version in store.versions():
        assert store.version(version.lineage, version.serial).bindings == {DATA: BINDING}

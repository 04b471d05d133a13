"""Work with a state at a server that keeps Terraform states."""

from __future__ import annotations

from flowplan.backends.remote.store import RemoteStore
from flowplan.state.history import Change
from tests.contracts import under_lock
from tests.contracts.http_site import HttpSite

CHANGE = Change("2026-11-02T09:00:00Z", "ann@host", "flowplan apply", added=1)


def work(store: RemoteStore, known: list[str]) -> None:
    """As everywhere, and a version is kept."""
    saved = under_lock.work(store, known)
    store.keep(saved, CHANGE)
    known.append("kept")


def worked(site: HttpSite) -> None:
    store = site.open()
    work(store, [])
    store.lock.release()

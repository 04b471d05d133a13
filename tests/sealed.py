"""States that are encrypted, with real keys, in files and as objects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from flowplan.backends.keys import form_of
from flowplan.backends.local import LocalStore
from flowplan.backends.remote.seen import Seen
from flowplan.backends.remote.store import RemoteStore, watching
from flowplan.backends.store import Store
from flowplan.state.form import Form
from flowplan.state.history import Change
from tests.contracts.begun import DONE, INTENT
from tests.contracts.memory import ObjectSite
from tests.runs import Run

CHANGE = Change("2026-01-02T03:04:05Z", "kim@host", "flowplan apply")


def key() -> str:
    import pyrage

    return str(pyrage.x25519.Identity.generate())


def public(secret: str) -> str:
    import pyrage

    return str(pyrage.x25519.Identity.from_str(secret).to_public())


MINE, KIMS = key(), key()


def form(*, plain: bool = False, **environ: str) -> Form:
    return form_of({f"FLOWPLAN_{name}": value for name, value in environ.items()}, Path(), allow_plaintext=plain)


def mine() -> Form:
    return form(AGE_KEY=MINE)


Open = Callable[[Form], Store]


def local(directory: Path) -> Open:
    return lambda form: LocalStore(directory / "flowplan.state.json", directory / "overflow", form=form)


def objects(directory: Path) -> Open:
    return objects_of(ObjectSite(directory))


def objects_of(site: ObjectSite) -> Open:
    def opened(form: Form) -> RemoteStore:
        place = site.place()
        seen = Seen(None, place.identity, place.name)
        lock, watch_lock, overflows = site.lock(place), watching(place), site.directory / "overflow"
        return RemoteStore(place, lock, site.directory, seen, overflows, form=form, watch_lock=watch_lock)

    return opened


def run(store: Store) -> Store:
    """An apply: intent, result, snapshot, version."""
    one = Run.of(store)
    one.append([INTENT])
    one.append([DONE])
    store.keep(one.save(one.read().state), CHANGE)
    return store


def files_in(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def everything(directory: Path) -> bytes:
    return b"\n".join(files_in(directory).values())

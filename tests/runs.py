"""A run as an operation has it: a store, and the journal that it prepared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from attrs import frozen

from flowplan.backends.store import Journal, Loaded, Store
from flowplan.state.records import Intent, Record
from flowplan.state.state import State

S = TypeVar("S", bound=Store)


@frozen
class Run(Generic[S]):
    """What each method does is said at the protocols of `backends/store.py`."""

    store: S
    journal: Journal

    @classmethod
    def of(cls, store: S, state: State | None = None) -> Run[S]:
        """The run that goes on from `state`, or from what `store` reads."""
        return cls(store, store.prepare(state or store.read().state))

    @property
    def appended(self) -> bool:
        return self.journal.appended

    def append(self, records: Iterable[Record]) -> None:
        self.journal.append(records)

    def overflow(self, records: Iterable[Record]) -> str | None:
        return self.journal.overflow(records)

    def read(self) -> Loaded:
        return self.store.read()

    def save(self, state: State, pending: Iterable[Intent] = (), *, stated: bool = False) -> State:
        return self.store.save(state, pending, stated=stated)

    def close(self) -> None:
        self.store.close()

"""The journal of a run that only stops: nothing that costs money runs on because there is no room to write it down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field

from flowplan.classes import define
from flowplan.errors import NoRoom, StateError
from flowplan.operations.opening.session import IN_JOURNAL
from flowplan.state.journal import Closed, Done

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flowplan.backends.store import Journal
    from flowplan.state.journal import Record


@define
class Stopping:
    """`journal` as long as there is room for it. After that results are kept where they overflow to, and where they
    cannot be kept either, nowhere: the next run sees in the cloud what has ended, and a removal that is asked for
    twice does no harm. `where` says which it is; `say` hears that there is no room."""

    journal: Journal
    say: Callable[[str], None]
    where: str = field(default=IN_JOURNAL, init=False)
    _is_full: bool = field(default=False, init=False)
    _left: tuple[Record, ...] = field(default=(), init=False)  # what could not be kept yet

    @property
    def appended(self) -> bool:
        """As of the journal; also where there was no room for what it was given."""
        return self._is_full or self.journal.appended

    def append(self, records: Iterable[Record]) -> None:
        """As the journal does. Raises StateError for what is not for want of room."""
        records = tuple(records)
        if not self._is_full:
            try:
                self.journal.append(records)
            except NoRoom as error:
                self._is_full = True
                self.say(f"{error}; this run only stops, and goes on without it")
        if self._is_full and any(isinstance(record, (Done, Closed)) for record in records):
            self._keep(records)

    def _keep(self, records: tuple[Record, ...]) -> None:
        self._left += records
        try:
            self.where = f"is kept in {self.journal.overflow(self._left)}; the next run takes it over"
            self._left = ()
        except StateError as error:
            self.where = f"is recorded nowhere ({error}); the next run sees that it has ended"

    def overflow(self, records: Iterable[Record]) -> str | None:
        """As the journal does."""
        return self.journal.overflow(records)

"""What is looked at before the lock is taken, where a lock would begin a state."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from attrs import field

from flowplan.classes import define
from flowplan.clock import since_boot
from flowplan.operations.opening.loading import has_begun_none, has_none

if TYPE_CHECKING:
    from flowplan.operations.opening.session import Session

T = TypeVar("T")
_FRESH = 10.0  # seconds after which it is looked again


@define
class Ahead(Generic[T]):
    """What `look` finds, which refuses what cannot be done: at a server that has no state first without the lock, whose
    record would stay there for good."""

    session: Session
    look: Callable[[], T]
    found: T | None = field(default=None, init=False)  # without the lock; None: that was not needed
    _began: float = field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        if has_begun_none(self.session):
            self._began = since_boot()
            with self.session.looking():
                self.found = self.look()

    def under_lock(self) -> T:
        """The same once the lock is held. It is looked again only where time has passed, or another run has begun a
        state there."""
        if self.found is not None and since_boot() - self._began <= _FRESH and has_none(self.session):
            return self.found
        return self.look()

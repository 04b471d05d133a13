"""What a run tells a program by functions of the program's own: one that fails stops the run, and never tears it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import field

from flowplan.api.given import EVENTS
from flowplan.apply.events import Silent
from flowplan.classes import define
from flowplan.operations.opening.interaction import Event

if TYPE_CHECKING:
    from flowplan.apply.events import Reporter


@define
class Hearing(Event):
    """An interruption that also comes of what a function of the program raises."""

    _raised: BaseException | None = field(default=None, init=False)

    def tell(self, function: Callable[..., object], *said: Any) -> None:
        """Call `function`, from any thread. What it raises asks the run to stop, as what is under way must be recorded
        first; after that nobody is told anything."""
        if self._raised is not None:
            return
        try:
            function(*said)
        except BaseException as error:  # noqa: BLE001 - it is raised by `ended`
            self._raised = error
            self.stop()

    @contextmanager
    def ended(self) -> Iterator[None]:
        """Raise what a function raised within, once all has ended; its cause is what the run then raised."""
        try:
            yield
        except BaseException as error:
            if self._raised is None or error is self._raised:
                raise
            raise self._raised from error
        if self._raised is not None:
            raise self._raised


class Heard(Silent):
    """Tells `reporter` by way of `hearing`."""

    def __init__(self, reporter: Reporter, hearing: Hearing) -> None:
        for name in EVENTS:
            setattr(self, name, partial(hearing.tell, getattr(reporter, name)))

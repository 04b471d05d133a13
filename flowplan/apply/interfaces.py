"""What a run needs of its surroundings: the cloud, the journal, the lock, the time, and somebody to tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any, Protocol, TypeAlias

from flowplan.apply.events import Events
from flowplan.classes import frozen
from flowplan.clock import Clock, Moment
from flowplan.errors import GuardRefused
from flowplan.model.address import Address
from flowplan.model.lifecycle import Lifetime
from flowplan.model.live import Live, LiveBid, LiveVolume, Made, Marker
from flowplan.model.resources import Bid, Inputs, Volume
from flowplan.planning.actions import Change
from flowplan.state.records import Record
from flowplan.state.state import State


class Cloud(Protocol):
    """The calls an apply makes. Each raises CloudError and its children. `before` is called before each attempt of a
    change, when its turn has come (429), and may raise what forbids it."""

    def live(self) -> Live:
        """The volumes and bids that are there now, as listed."""

    def volumes(self) -> Mapping[str, LiveVolume]:
        """The volumes that are there now, by id."""

    def listed_volumes(self) -> frozenset[str]:
        """The ids of all volumes that are listed, deleted or not."""

    def deleted_volumes(self) -> frozenset[str]:
        """The ids of the volumes that are listed with the moment of their deletion."""

    def look_again(self, live: Live, bids: Iterable[str], volumes: Iterable[str]) -> Live:
        """`live`, with certainty about objects with these ids that it should hold and does not. Raises CloudError for
        what is neither there nor proved gone."""

    def project_called(self, id: str) -> str:
        """How people know a project: by its name, with the id, where it was listed."""

    def now(self) -> datetime | None:
        """The server's clock, as its last answer had it; None: no answer had one."""

    def time(self) -> datetime:
        """The server's clock, else this machine's."""

    def doubted_by(self) -> datetime | None:
        """This machine's clock, where it and `time` cannot both be right; None: nothing is against `time`."""

    def moment(self) -> Moment:
        """This moment, by every clock that counts."""

    def recorded(self, at: Moment) -> Moment:
        """`at` as it is kept: without the clocks that do not count."""

    def bid(self, id: str) -> LiveBid:
        """One bid as it is now. Raises NotFound."""

    def instances(self) -> Iterable[Any]:
        """The machines of the project's bids, each with `bid` and `status`."""

    def is_gone(self, kind: str, id: str, *, asked: bool = True) -> bool:
        """Whether what the API does not find is over, by a second look of another kind. `asked`: its removal was
        answered with success. Raises CloudError where nobody can tell."""

    def bid_request(self, bid: Bid, script: str | None) -> Mapping[str, Any]:
        """The body of the request that places `bid`, whose volumes all have ids, with the script as it is sent."""

    def volume_request(self, volume: Volume) -> Mapping[str, Any]:
        """The body of the request that makes `volume`."""

    def create(self, kind: str, request: Mapping[str, Any], *, key: str, before: Callable[[], None] = ...) -> Made:
        """Make a volume or place a bid, under the idempotency key `key`. Raises NameTaken, Refused, and Ambiguous when
        it may have happened."""

    def update_bid(self, id: str, *, before: Callable[[], None] = ..., **fields: Any) -> Made:
        """Set `limit_price` (Decimal), `paused`, `volumes` (ids) or `memory_gb`. Returns what the answer tells of the
        bid."""

    def cancel_bid(self, id: str, *, before: Callable[[], None] = ...) -> bool:
        """Cancel it. Raises NotFound when it is gone already. False: a web page answered, and so not the API."""

    def rename_volume(self, id: str, name: str, *, before: Callable[[], None] = ...) -> None:
        """Rename it. Raises NotFound when it is gone."""

    def delete_volume(self, id: str, *, before: Callable[[], None] = ...) -> None:
        """Delete it for good. Raises NotFound when it is gone already, Refused while it is in use. The answer does not
        prove that it is deleted: `deleted_volumes` does."""


class Journal(Protocol):
    """Where intents and results become durable (backends/); `overflow`: results that could not, in another place,
    which it names for people (None: nothing had to be kept there). Both raise StateError."""

    def append(self, records: Iterable[Record]) -> None:
        """Add `records`, all or none; they are durable when it returns."""

    def overflow(self, records: Iterable[Record]) -> str | None:
        """Keep the results among `records` elsewhere; returns where, for people."""


Render: TypeAlias = Callable[[Inputs, Marker], str]  # the startup script that carries the marker
# The tasks whose lifetime is over by now, each with why: planning.lifetimes.over, with a look at what it goes by.
Over: TypeAlias = Callable[[Mapping[Address, Lifetime], State, Live], Mapping[Address, str]]


@frozen
class Surroundings:
    """All that a run needs besides its plan and the state. `hold_lock` raises StateError when the lock is no longer
    ours; `clock.stopped` turns true when the run is asked to stop; `refused` says why what waited may not be placed any
    more, or raises CloudError where nobody can tell. `together`: a context for the events of one round."""

    cloud: Cloud
    journal: Journal
    render: Render
    events: Events
    clock: Clock
    hold_lock: Callable[[], None]
    over: Over = lambda _lifetimes, _state, _live: {}
    refused: Callable[[Change], GuardRefused | None] = lambda _change: None
    together: Callable[[], AbstractContextManager[Any]] = nullcontext

    def now(self) -> Moment:
        """This moment, by this machine's clocks and the server's."""
        return self.cloud.recorded(self.clock.moment(self.cloud.now()))

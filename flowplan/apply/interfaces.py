"""What a run needs of its surroundings: the cloud, the journal, the lock, the time, and somebody to tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol, TypeAlias

from attrs import frozen

from flowplan.apply.events import Events
from flowplan.clock import Clock, Moment
from flowplan.model.address import Address
from flowplan.model.lifecycle import Lifetime
from flowplan.model.live import Live, LiveBid, LiveVolume, Made, Marker
from flowplan.model.resources import Bid, Inputs, Volume
from flowplan.planning.actions import Change
from flowplan.state.journal import Record
from flowplan.state.state import State


class Cloud(Protocol):
    """The calls an apply makes. Each raises CloudError and its children. `before` is called before each attempt of a
    change, when its turn has come (429), and may raise what forbids it."""

    def live(self) -> Live: ...
    def volumes(self) -> dict[str, LiveVolume]: ...
    def deleted_volumes(self) -> frozenset[str]: ...
    def look_again(self, live: Live, bids: Iterable[str], volumes: Iterable[str]) -> Live: ...
    def now(self) -> datetime | None: ...
    def time(self) -> datetime: ...
    def bid(self, id: str) -> LiveBid: ...
    def instances(self) -> Iterable[Any]: ...
    def is_gone(self, kind: str, id: str) -> bool: ...
    def bid_request(self, bid: Bid, script: str | None) -> Mapping[str, Any]: ...
    def volume_request(self, volume: Volume) -> Mapping[str, Any]: ...
    def create(self, kind: str, request: Mapping[str, Any], *, key: str, before: Callable[[], None] = ...) -> Made: ...
    def update_bid(self, id: str, *, before: Callable[[], None] = ..., **fields: Any) -> Made: ...
    def cancel_bid(self, id: str, *, before: Callable[[], None] = ...) -> None: ...
    def rename_volume(self, id: str, name: str, *, before: Callable[[], None] = ...) -> None: ...
    def delete_volume(self, id: str, *, before: Callable[[], None] = ...) -> None: ...


class Journal(Protocol):
    """Where intents and results become durable (backends/); `overflow`: results that could not, in another place,
    which it names for people (None: nothing had to be kept there). Both raise StateError."""

    def append(self, records: Iterable[Record]) -> None: ...
    def overflow(self, records: Iterable[Record]) -> str | None: ...


Render: TypeAlias = Callable[[Inputs, Marker], str]  # the startup script that carries the marker
# The tasks whose lifetime is over by now, each with why: planning.lifetimes.over, with a look at what it goes by.
Over: TypeAlias = Callable[[Mapping[Address, Lifetime], State, Live], Mapping[Address, str]]


@frozen
class Surroundings:
    """All that a run needs besides its plan and the state. `hold_lock` raises StateError when the lock is no longer
    ours; `clock.stopped` turns true when the run is asked to stop; `closed` says why what waited may not be placed any
    more."""

    cloud: Cloud
    journal: Journal
    render: Render
    events: Events
    clock: Clock
    hold_lock: Callable[[], None]
    over: Over = lambda _lifetimes, _state, _live: {}
    closed: Callable[[Change], str | None] = lambda _change: None

    def now(self) -> Moment:
        return self.clock.moment(self.cloud.now())

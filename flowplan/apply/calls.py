"""What one step does to the cloud, in a worker thread: the calls, and what is done again when an answer is lost.

A create is one POST. Updates carry absolute values, so they may be sent again; a removal is over only when the
cloud says so. Nothing here writes the journal or knows of other steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from threading import Lock
from typing import Any, Generic, Protocol, TypeVar

import attrs
from attrs import define, field, frozen

from flowplan.apply.answered import as_it_is, as_text, complaints, of_another
from flowplan.clock import Clock
from flowplan.errors import (
    Ambiguous,
    CloudError,
    FlowplanError,
    NameTaken,
    NotFound,
    Refused,
    StateError,
    Unauthorized,
)
from flowplan.model.address import Address
from flowplan.model.live import TERMINATED, Live, LiveBid, LiveVolume, Made
from flowplan.model.resources import Bid, Resource, Volume
from flowplan.planning.plan import Change
from flowplan.printable import shown
from flowplan.state.journal import Intent
from flowplan.state.state import Binding

T = TypeVar("T")
_PATCH_TRIES = 3
ENDING = 60.0  # seconds that something may take to show as ended where nothing else says how long
_POLLS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # seconds between looks at something that is ending


class Cloud(Protocol):
    """The calls an apply makes. Each raises CloudError and its children. `before` is called before each attempt of a
    change, when its turn has come (429), and may raise what forbids it."""

    def live(self) -> Live: ...
    def volumes(self) -> dict[str, LiveVolume]: ...
    def deleted_volumes(self) -> frozenset[str]: ...
    def look_again(self, live: Live, bids: Iterable[str], volumes: Iterable[str]) -> Live: ...
    def now(self) -> datetime | None: ...
    def bid(self, id: str) -> LiveBid: ...
    def is_gone(self, kind: str, id: str) -> bool: ...
    def bid_request(self, bid: Bid, script: str | None) -> Mapping[str, Any]: ...
    def volume_request(self, volume: Volume) -> Mapping[str, Any]: ...
    def create(self, kind: str, request: Mapping[str, Any], *, key: str, before: Callable[[], None] = ...) -> Made: ...
    def update_bid(self, id: str, *, before: Callable[[], None] = ..., **fields: Any) -> Made: ...
    def cancel_bid(self, id: str, *, before: Callable[[], None] = ...) -> None: ...
    def rename_volume(self, id: str, name: str, *, before: Callable[[], None] = ...) -> None: ...
    def delete_volume(self, id: str, *, before: Callable[[], None] = ...) -> None: ...


class HalfDone(Exception):
    """The object exists, and is recorded as it is, but the step did not reach all it was to do."""

    def __init__(self, binding: Binding, error: FlowplanError) -> None:
        super().__init__(str(error))
        self.binding, self.error = binding, error


@define
class Shared(Generic[T]):
    """One look for all threads that ask at about the same time. Whoever asks gets what was seen by a look that began
    after that."""

    look: Callable[[], T]
    _looking: Lock = field(factory=Lock, init=False)
    _asking: Lock = field(factory=Lock, init=False)
    asked: int = field(default=0, init=False)  # how often
    _seen: tuple[int, T] | None = field(default=None, init=False)  # for the first so many who asked, what was seen

    def __call__(self) -> T:
        with self._asking:
            self.asked += 1
            mine = self.asked
        with self._looking:
            if self._seen is None or self._seen[0] < mine:
                begun = self.asked
                self._seen = (begun, self.look())
            return self._seen[1]


@frozen
class Calls:
    """The calls of the steps of one run. `timeout`: seconds that a removal may take. Every method raises
    CloudError and its children; `paused` raises HalfDone."""

    cloud: Cloud
    clock: Clock
    timeout: float
    hold_lock: Callable[[], None] = lambda: None  # before every attempt of a change; what it raises forbids it
    announce: Callable[[Intent], None] = lambda _: None  # the same of a create, whose intent must be young, too
    found_gone: set[Address] = field(factory=set)  # what was to be removed, and was gone already
    _volumes: Shared[dict[str, LiveVolume]] = field(init=False)
    _deleted: Shared[frozenset[str]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_volumes", Shared(lambda: self.cloud.volumes()))
        object.__setattr__(self, "_deleted", Shared(lambda: self.cloud.deleted_volumes()))

    def create(self, kind: str, request: Mapping[str, Any], intent: Intent, change: Change) -> Made:
        """One POST; returns what the answer says. What is raised says whether it may have happened."""
        polls = list(_POLLS)
        while True:
            try:
                return self.cloud.create(kind, request, key=intent.key, before=partial(self.announce, intent))
            except NameTaken as error:
                if kind == "volume" and not intent.resent:
                    # Nobody had the name when we planned, and this was the first attempt: it is not ours.
                    raise Refused(str(error), status=error.status, hint=error.hint) from error
                if change.action != "replace" or not polls:
                    raise Ambiguous(str(error), status=error.status, hint=error.hint) from error
                self.clock.pause(polls.pop(0))  # our own previous generation is not quite gone

    def made(self, made: Made, intent: Intent, wanted: Resource, change: Change) -> Binding:
        """The binding of what a create is answered with. Raises Ambiguous for the answer to another create, and
        HalfDone where something is not as it was asked for."""
        if why := of_another(made, intent):
            raise Ambiguous(f"the answer is about {made.id}, which {why}")
        actual = as_it_is(wanted, made)
        binding = Binding(intent.address, made.id, actual, change.needs, change.generation, change.source)
        paused = isinstance(wanted, Bid) and wanted.paused
        if not (told := complaints(wanted, actual, made, intent.project)):
            return self.paused(binding) if paused else binding
        if paused and made.status != TERMINATED:
            binding = self.paused(binding)
        raise HalfDone(
            binding,
            CloudError(
                f"made ({made.id}), but not as asked for: {'; '.join(told)}",
                hint="it is recorded as it is: flowplan plan shows what puts it right, flowplan destroy ends it",
            ),
        )

    def paused(self, made: Binding) -> Binding:
        """A bid can only be placed running: one that is to be paused is paused at once."""
        try:
            self._change(made.id, {"paused": True})
        except (CloudError, StateError) as error:  # the lock may be taken away between the two calls
            assert isinstance(made.applied, Bid)  # noqa: S101 - the caller asked
            running = attrs.evolve(made, applied=attrs.evolve(made.applied, paused=False))
            why = CloudError(f"placed, but it could not be paused: {error}")
            raise HalfDone(running, error if isinstance(error, (StateError, Unauthorized)) else why) from error
        return made

    def update(self, change: Change, wanted: Resource) -> Binding:
        """Change what differs, in place."""
        assert change.id is not None  # noqa: S101 - what is updated exists
        if isinstance(wanted, Volume):
            self._surely(partial(self.cloud.rename_volume, change.id, wanted.name, before=self.hold_lock))
        elif isinstance(wanted, Bid) and isinstance(change.before, Bid):
            self._patch(change.id, patches(change, change.before, wanted))
        return Binding(change.address, change.id, wanted, change.needs, change.generation, change.source)

    def _patch(self, id: str, calls: Sequence[Mapping[str, Any]]) -> None:
        paused = False
        try:
            for fields in calls:
                self._change(id, fields)
                paused = fields.get("paused", paused)
        except FlowplanError:
            if paused and calls[-1] == {"paused": False}:
                self._change(id, {"paused": False})  # never leave it standing still
            raise

    def _change(self, id: str, fields: Mapping[str, Any]) -> None:
        """One PATCH. An answer is no promise: unless it tells that every field is as asked for, or when all answers are
        lost, the bid itself tells whether it was done."""
        try:
            made = self._surely(partial(self.cloud.update_bid, id, before=self.hold_lock, **fields))
        except CloudError as error:
            if not isinstance(error.__cause__, Ambiguous):
                raise
            found = self.cloud.bid(id).bid
            if _otherwise(found, fields) or not fields.keys().isdisjoint(found.untold):
                raise  # nobody answered: a field that is not told proves nothing
        else:
            if any(name not in made.told or _plain(made.told[name]) != _plain(fields[name]) for name in fields):
                self._hold_changed(id, fields)

    def _hold_changed(self, id: str, fields: Mapping[str, Any]) -> None:
        """Raise CloudError unless the bid comes to be as a change that was answered with success asked for."""
        told = "it was not looked at again"
        for _ in self._patiently(ENDING):
            found = self.cloud.bid(id).bid
            others = _otherwise(found, fields)
            if not others:
                return
            told = "; ".join(
                f"{name} is {as_text(getattr(found, name))}, not {as_text(fields[name])}" for name in others
            )
        raise CloudError(
            f"the change of {id} was answered with success, but {told}",
            hint="flowplan plan shows what is live; the same command again tries once more",
        )

    def _surely(self, call: Callable[[], T]) -> T:
        """A change with absolute values may be sent again when its answer was lost."""
        for left in reversed(range(_PATCH_TRIES)):
            try:
                return call()
            except Ambiguous as error:
                if not left:
                    raise CloudError(str(error), status=error.status, hint="run the same command again") from error
            self.clock.pause(_POLLS[-1 - left])
        raise AssertionError("the last attempt returns, or raises")

    def remove(self, change: Change) -> None:
        """Cancel or delete, and wait until it is over. What is gone already is success, once a second look of another
        kind agrees: a 404 alone proves nothing."""
        assert change.id is not None  # noqa: S101 - what is removed exists
        was_there = self.delete(change.id) if change.address.kind == "volume" else self.cancel(change.id)
        if not was_there:
            self.found_gone.add(change.address)

    def cancel(self, id: str) -> bool:
        """Cancel a bid and wait until it is over; False when it was over already."""
        return self._removed("bid", id, self._cancel)

    def delete(self, id: str) -> bool:
        """Delete a volume once nothing uses it any more; False when it was deleted already."""
        return self._removed("volume", id, self._delete_volume)

    def _removed(self, kind: str, id: str, remove: Callable[[str], None]) -> bool:
        try:
            remove(id)
        except NotFound as error:
            self._hold_gone(kind, id, error)
            return False
        return True

    def _hold_gone(self, kind: str, id: str, error: NotFound) -> None:
        """Raise CloudError unless what the API does not find is proved to be over."""
        for _ in self._patiently(ENDING):
            if self.cloud.is_gone(kind, id):
                return
        raise CloudError(
            f"{error}; but the list shows {id} as live: it stays in the state",
            status=error.status,
            hint=f"look in the console whether {id} still runs; the same command again tries once more",
        )

    def _cancel(self, id: str) -> None:
        try:
            self.cloud.cancel_bid(id, before=self.hold_lock)
        except (NotFound, Refused, Unauthorized):
            raise
        except CloudError:  # its answer was lost, however often it was asked: the bid itself tells
            if self._as_it_is(id).ended:
                return
            raise
        self._await_end(id)

    def _await_end(self, id: str) -> None:
        """Until a cancelled bid is over. One whose status is not known here is not waited for as long as a removal may
        take: it may never change."""
        strange_since: float | None = None
        for _ in self._patiently(self.timeout):
            found = self._as_it_is(id)
            if found.ended:
                return
            now = self.clock.monotonic()
            strange_since = (strange_since or now) if found.has_strange_status else None
            if strange_since is not None and now - strange_since >= ENDING:
                raise CloudError(
                    f"{id} was cancelled, but its status is {shown(found.status)!r}, which is not known here: it stays "
                    "in the state",
                    hint=f"look in the console whether {id} still runs; if it is over, `flowplan state rm ADDRESS` "
                    "forgets it",
                )
        raise _gave_up(f"{id} to end")

    def _as_it_is(self, id: str) -> LiveBid:
        """A bid as it is now: as it tells itself, or, where that cannot be had, as the list does."""
        try:
            return self.cloud.bid(id)
        except (NotFound, Unauthorized):
            raise
        except CloudError as error:
            try:
                return self.cloud.live().bids[id]
            except (CloudError, KeyError):
                raise CloudError(
                    f"whether {id} is over cannot be known: {error}",
                    status=error.status,
                    hint="; ".join(filter(None, [error.hint, f"look in the console whether {id} still runs"])),
                ) from error

    def _delete_volume(self, id: str) -> None:
        """Delete once nothing uses it any more: a cancelled bid lets go of its volumes a little later. That is looked
        at right before, since whoever took it after the plan was made may not keep the API from deleting it."""
        for _ in self._patiently(self.timeout):
            if self._held(id, self._users(id)):
                continue
            try:
                self.cloud.delete_volume(id, before=self.hold_lock)
            except Refused as error:
                if error.status != 409:
                    raise
            else:
                return self._hold_deleted(id)
        raise _gave_up(f"{id} to be let go")

    def _hold_deleted(self, id: str) -> None:
        """Raise CloudError unless a volume, whose deletion was answered with success, is deleted: it is listed so, or,
        where lists lag, the API does not know it any more when it is told once more."""
        if id in self._deleted():
            return
        for _ in self._patiently(ENDING):
            try:
                listed = self._volumes().get(id)
                if listed is None or not self._held(id, _users_of(listed)):
                    self.cloud.delete_volume(id, before=self.hold_lock)
            except NotFound:
                return
            if id in self._deleted():
                return
        raise CloudError(
            f"the deletion of {id} was answered with success, but it is not listed as deleted: it stays in the state",
            hint="a proxy or a login page may have answered instead of the API; the same command again tries once more",
        )

    def _users(self, id: str) -> tuple[str, ...]:
        """Who uses a volume, by a look that begins now. Raises NotFound when it is deleted."""
        volumes = self._volumes()
        if id in volumes:
            return _users_of(volumes[id])
        self.cloud.look_again(Live(volumes), (), (id,))  # raises, unless it is listed as deleted
        raise NotFound(f"{id} is deleted already")

    def _held(self, volume: str, users: Iterable[str]) -> set[str]:
        """Who of `users`, as a list has them that may lag, does use the volume. Raises Refused for a bid that is live
        and has it: it will not let go by itself."""
        held = set(users)
        for user in users:
            try:
                found = self.cloud.bid(user)
            except NotFound:  # an instance, or a reservation: only the list tells of those
                continue
            if not found.ended and "volumes" in found.bid.untold:
                continue
            if not found.ended and volume in found.bid.volumes:
                raise Refused(
                    f"{found.bid.name} ({user}) uses it by now; it is kept, and so is its data",
                    hint="once nothing uses it: the same command again",
                )
            held -= {user, *found.instances}
        return held

    def _patiently(self, seconds: float) -> Iterable[int]:
        """Turns between looks, for `seconds` (and no longer than a removal may take), or until the run is stopped."""
        deadline = self.clock.monotonic() + min(seconds, self.timeout)
        n = 0
        while self.clock.monotonic() < deadline and not self.clock.stopped():
            yield n
            self.clock.pause(_POLLS[min(n, len(_POLLS) - 1)])
            n += 1


def _users_of(volume: LiveVolume) -> tuple[str, ...]:
    """Who uses a volume, as it is listed. Raises Refused when that is not told."""
    if volume.users_untold:
        raise Refused(f"who uses {volume.id} is not told: {volume.unfit}", hint="look at it in the console")
    return volume.users


def _gave_up(what: str) -> CloudError:
    return CloudError(f"gave up waiting for {what}", hint="run the same command again")


def _plain(value: Any) -> Any:
    """A field's value for comparison: the order of a list of ids means nothing."""
    return sorted(map(str, value)) if isinstance(value, (list, tuple)) else value


def _otherwise(bid: Bid, fields: Mapping[str, Any]) -> list[str]:
    """Which of `fields` a bid has otherwise. What is not told is not different."""
    told = [name for name in fields if name not in bid.untold]
    return [name for name in told if _plain(getattr(bid, name)) != _plain(fields[name])]


def patches(change: Change, before: Bid, wanted: Bid) -> list[dict[str, Any]]:
    """The PATCHes of an update, in order. Volumes change only while the bid is paused, and a bid that is
    to run is un-paused last, so that a repetition from any point ends right."""
    names = {one.name for one in change.fields}
    first: dict[str, Any] = {name: getattr(wanted, name) for name in ("limit_price", "memory_gb") if name in names}
    if "volumes" not in names:
        if "paused" in names:
            first["paused"] = wanted.paused
        return [first] if first else []
    calls: list[dict[str, Any]] = [] if before.paused else [{"paused": True}]
    calls.append(first | {"volumes": [str(volume) for volume in wanted.volumes]})
    return calls if wanted.paused else [*calls, {"paused": False}]

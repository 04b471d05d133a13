"""What a removal does to the cloud, in a worker thread: it is over only when the cloud says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from decimal import Decimal
from functools import partial

from attrs import field

from flowplan.apply import patience
from flowplan.apply.interfaces import Cloud
from flowplan.apply.patience import Patience
from flowplan.apply.shared import Shared
from flowplan.classes import frozen
from flowplan.clock import since_boot
from flowplan.errors import CloudError, NotFound, Refused, Unauthorized
from flowplan.model.live import OPEN, Live, LiveBid, LiveVolume
from flowplan.planning.actions import Delete, Replace
from flowplan.printable import shown

_TIMES_LATE = 5  # looks, each after an attempt that was sent: as many as the tries of any call


class _Late(CloudError):
    """A deletion was not sent: who uses the volume was seen too long ago. `attempts`: how often it was sent before."""

    def __init__(self, message: str, attempts: int) -> None:
        super().__init__(message)
        self.attempts = attempts


@frozen
class Removals:
    """The removals of one run. `hold_lock` is called before every attempt, and raises what forbids it; `crowd`: how
    many volumes are being deleted, from any thread. Every method raises CloudError and its children, and gives up when
    its patience ends."""

    cloud: Cloud
    patience: Patience
    hold_lock: Callable[[], None]
    crowd: Callable[[], int] = lambda: 1
    _volumes: Shared[Mapping[str, LiveVolume]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_volumes", Shared(lambda: self.cloud.volumes(), self.crowd))

    def remove(self, change: Delete | Replace, lingers: Callable[[], None] = lambda: None) -> bool:
        """Cancel and wait until it is over, or have a volume deleted; False when it was over already. That is success,
        once a second look of another kind agrees: a 404 alone proves nothing. Nor does the answer to a deletion:
        `deleted` shows it, or else `hold_deleted`. `lingers` is called where a bid whose cancellation is answered has
        not ended at once."""
        return self.delete(change.id) if change.address.kind == "volume" else self.cancel(change.id, lingers)

    def cancel(self, id: str, lingers: Callable[[], None] = lambda: None) -> bool:
        """Cancel a bid and wait until it is over; False when it was over already. `lingers` as of `remove`."""
        return self._removed("bid", id, partial(self._cancel, lingers=lingers))

    def vacate(self, bid: str, limit: Decimal) -> None:
        """Cancel a bid that waits, with the `limit` price that it is known to have, for it to be placed elsewhere. Who
        has ended it, paused it or given it another limit price since wants something else of it, and what runs by now
        needs no other place: raises Refused then, and when the API does not know it at the first attempt."""

        def hold_waiting(found: LiveBid) -> None:
            if found.status != OPEN or found.instances:
                raise _not_moved(f"{bid} {'has ended' if found.ended else 'does not wait any more'}")
            if found.bid.limit_price != limit:
                raise _not_moved(f"the limit price of {bid} is another")

        hold_waiting(self._as_it_is(bid))
        attempts: list[None] = []

        def attempted() -> None:
            self.hold_lock()
            attempts.append(None)

        cancel = partial(self._cancel, before=attempted, again=hold_waiting)
        if not self._removed("bid", bid, cancel) and len(attempts) == 1:
            raise _not_moved(f"{bid} has ended")

    def delete(self, id: str) -> bool:
        """Have a volume deleted once nothing uses it any more; False when it was deleted already."""
        return self._removed("volume", id, self._delete_volume)

    def deleted(self) -> frozenset[str]:
        """The ids of the volumes that are listed as deleted: one look for all whose deletion was answered before."""
        return self.cloud.deleted_volumes()

    def _removed(self, kind: str, id: str, remove: Callable[[str], bool]) -> bool:
        """What `remove` returns: False for what is proved to have been over already. It leaves that proof to this where
        the API does not find what it was asked to remove before."""
        try:
            return remove(id)
        except NotFound as error:
            self._hold_gone(kind, id, error)
            return False

    def _hold_gone(self, kind: str, id: str, error: NotFound, *, asked: bool = True) -> None:
        """Raise CloudError unless what the API does not find is proved to be over. `asked`: as of `Cloud.is_gone`."""
        for _ in self.patience.until_it_shows():
            if self.cloud.is_gone(kind, id, asked=asked):
                return
        raise CloudError(
            f"{error}; but the list shows {id} as live: it stays in the state",
            status=error.status,
            hint=f"check in the console whether {id} still runs; run the same command again to retry",
        )

    def _cancel(
        self,
        id: str,
        *,
        before: Callable[[], None] | None = None,
        lingers: Callable[[], None] = lambda: None,
        again: Callable[[LiveBid], None] = lambda _: None,
    ) -> bool:
        send = partial(self.cloud.cancel_bid, id, before=before or self.hold_lock)
        try:
            by_api = send()
        except NotFound as error:  # it may be so new that the API does not know it yet
            self._hold_gone("bid", id, error, asked=False)
            return False
        except (Refused, Unauthorized):
            raise
        except CloudError:  # its answer was lost, however often it was asked: the bid itself tells
            if self._as_it_is(id).ended:
                return True
            raise
        self._await_end(id, by_api, send, lingers, again)
        return True

    def _await_end(
        self,
        id: str,
        by_api: bool,
        send: Callable[[], bool],
        lingers: Callable[[], None],
        again: Callable[[LiveBid], None],
    ) -> None:
        """Wait until a cancelled bid has ended; `lingers` is called once if it has not at the first look. `send`
        cancels it once more, every now and then: what has answered before may not have been the API (`by_api`: whether
        the last answer was no web page). `again` is called before that with the bid as it is, and raises what forbids
        it. A bid with an unknown status gets less time than other removals: its status may never change."""
        strange_since: float | None = None
        sent = self.patience.clock.monotonic()
        for turn in self.patience.turns(self.patience.at_most):
            found = self._as_it_is(id)
            if found.ended:
                return
            if not turn:
                lingers()
            now = self.patience.clock.monotonic()
            strange_since = (strange_since or now) if found.has_strange_status else None
            if strange_since is not None and now - strange_since >= patience.ENDING:
                raise CloudError(
                    f"{id} was cancelled, but this flowplan does not know its status {shown(found.status)!r}: "
                    "it stays in "
                    "the state",
                    hint=f"check in the console whether {id} still runs; if it has ended, `flowplan state rm ADDRESS` "
                    "releases it",
                )
            if now - sent >= patience.ENDING:
                sent = now
                again(found)
                with suppress(CloudError):  # the next look tells what became of the bid
                    by_api = send()
        if not by_api:
            raise CloudError(
                f"{id} has not ended: its cancellation was answered with a web page, and so not by the API",
                hint="a proxy or a login page seems to answer instead of the API; run the same command again to retry",
            )
        raise _gave_up(f"{id} to end")

    def _as_it_is(self, id: str) -> LiveBid:
        """A bid as it is now: read by its id, or, if that fails, from the list."""
        try:
            return self.cloud.bid(id)
        except (NotFound, Unauthorized):
            raise
        except CloudError as error:
            try:
                return self.cloud.live().bids[id]
            except (CloudError, KeyError):
                raise CloudError(
                    f"flowplan could not check whether {id} has ended: {error}",
                    status=error.status,
                    hint="; ".join(filter(None, [error.hint, f"check in the console whether {id} still runs"])),
                ) from error

    def _delete_volume(self, id: str) -> bool:
        """Delete once nothing uses it any more: a cancelled bid releases its volumes a little later. The users are read
        right before the call, since the API may delete a volume that somebody has taken since the plan was made."""
        late, over = 0, set[str]()
        for _ in self.patience.turns(self.patience.at_most):
            users, seen = self._users(id), since_boot()
            if self._held(id, users, over):
                continue
            try:
                self._delete_as_seen(id, seen)
            except _Late as error:
                late += error.attempts > 0
                if late == _TIMES_LATE:
                    raise CloudError(str(error), hint="run the same command again") from error
            except Refused as error:
                if error.status != 409:
                    raise
            else:
                return True
        raise _gave_up(f"{id} to be released")

    def _delete_as_seen(self, id: str, seen: float) -> None:
        """Ask for the deletion of a volume that a list, which was there at `seen` (by `since_boot`), has as used by
        nobody. Raises _Late where an attempt had to wait since (429, an answer that was lost, a user that was asked
        for, a machine that slept): somebody may have taken the volume."""
        attempts = 0

        def attempted() -> None:
            nonlocal attempts
            self.hold_lock()
            if since_boot() - seen > patience.FRESH:
                raise _Late(f"the API did not answer the deletion of {id} within {patience.FRESH:g} s", attempts)
            attempts += 1

        self.cloud.delete_volume(id, before=attempted)

    def hold_deleted(self, id: str) -> None:
        """Raise CloudError unless a volume, whose deletion was answered with success, is deleted, although a list did
        not show it: it is listed so by now, or, where lists lag, the API does not know it any more when it is asked
        once more."""
        over = set[str]()
        for _ in self.patience.until_it_shows():
            listed, seen = self._volumes().get(id), since_boot()
            if listed is None or not self._held(id, _users_of(listed), over):
                try:
                    self._delete_as_seen(id, seen)
                except NotFound:
                    return
                except _Late:
                    continue
            if id in self.deleted():
                return
        raise CloudError(
            f"the deletion of {id} was answered with success, but it is not listed as deleted: it stays in the state",
            hint="a proxy or a login page may have answered instead of the API; run the same command again to retry",
        )

    def _users(self, id: str) -> tuple[str, ...]:
        """Who uses a volume, by a look that begins now. Raises NotFound when it is deleted."""
        volumes = self._volumes()
        if id in volumes:
            return _users_of(volumes[id])
        self.cloud.look_again(Live(volumes), (), (id,))  # raises, unless it is listed as deleted
        raise NotFound(f"{id} is already deleted")

    def _held(self, volume: str, users: Iterable[str], over: set[str]) -> set[str]:
        """Who of `users`, as a list has them that may lag, does use the volume. Raises Refused for a bid that is live
        and has it: it will not release it by itself. `over`: who is known to have ended, which is not asked for
        again; those who are found to have are added."""
        held = {*users} - over
        for user in sorted(held):
            try:
                found = self.cloud.bid(user)
            except NotFound:  # an instance, or a reservation: only the list tells of those
                continue
            if not found.ended and "volumes" in found.bid.unreported:
                continue
            if not found.ended and volume in found.bid.volumes:
                raise Refused(
                    f"{found.bid.name} ({user}) uses it now; the volume and its data are kept",
                    hint="run the same command again once nothing uses it",
                )
            held -= {user, *found.instances}
            if found.ended:
                over.update((user, *found.instances))
        return held


def _users_of(volume: LiveVolume) -> tuple[str, ...]:
    """Who uses a volume, as it is listed. Raises Refused when that is not reported."""
    if volume.users_unreported:
        raise Refused(f"the API does not say who uses {volume.id}: {volume.unfit}", hint="look at it in the console")
    return volume.users


def _not_moved(what: str) -> Refused:
    return Refused(
        f"{what} since it was decided to place it elsewhere: it is not", hint="run `flowplan plan` and decide"
    )


def _gave_up(what: str) -> CloudError:
    return CloudError(f"gave up waiting for {what}", hint="run the same command again")

"""What the cloud has, as listed at one moment: the live counterpart of a configuration. Pure data."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import attrs
from attrs import field

from flowplan.classes import frozen
from flowplan.clock import Moment
from flowplan.errors import CloudError
from flowplan.model.address import Address, Kind
from flowplan.model.resources import Bid, Inputs, Mount, PortPair, Script, Volume
from flowplan.patterns import regex

OPEN, TERMINATED, ALLOCATED, PREEMPTING, PAUSED = "Open", "Terminated", "Allocated", "Preempting", "Paused"
UP = "STATUS_RUNNING"  # of an instance
# Seconds since its create was sent in which a bid may still come about, or be one that the API does not show yet: 30
# until the create is answered or given up, 45 (the settle window) in which it may be carried out anyway, or a look may
# lag, and what the server's clock, last heard, may be behind.
SHOWS_WITHIN = 120.0
STATUSES = (OPEN, ALLOCATED, PREEMPTING, PAUSED, TERMINATED)


_NO_TEXT = regex(r"[\0\ud800-\udfff]")
_MARKED = regex(r"[^\n]*\n# flowplan:")  # by a flowplan that this one does not understand
_ENCODED = regex(r"(?:IyE|H4sI)[A-Za-z0-9+/\s]*={0,2}")  # base64 of what begins with #!, or of gzip


def is_new(placed: Moment, now: Moment) -> bool:
    """Whether the API need not show a bid yet at `now` that was placed at `placed`: that it does not know the id either
    proves nothing then. One clock by which it may be so is enough, also one that shows an earlier time now than when
    the bid was placed: a bid that is taken for gone is bought again."""
    return placed.age(now) < SHOWS_WITHIN


def _is_no_script(sent: str) -> bool:
    """Whether what an API shows as a startup script cannot be what somebody wrote as one."""
    return any(
        one is not None for one in (_NO_TEXT.search(sent), _MARKED.match(sent), _ENCODED.fullmatch(sent.strip()))
    )


def billed_as(status: str) -> bool | None:
    """Whether the instances of a live bid of this status are paid for now: of what runs, also on notice of its end.
    None: of a status that flowplan does not know, or that is not reported, nobody knows."""
    return None if status not in STATUSES else status in (ALLOCATED, PREEMPTING)


@frozen
class Marker:
    """The line by which flowplan knows its own bids again (written and read by startup/marker.py): where a bid
    came from (`generation` and `intent`: which attempt placed it) and what its script does.

    `inputs` is `Inputs.sha256`. The mounts' volumes are ids; as read back they have neither `interface`
    nor `volume_name`, which take no part in comparisons. `ports` read back are made when they are looked at.
    """

    stack: str
    lineage: str
    address: Address
    generation: int
    intent: str
    inputs: str
    ports: Sequence[PortPair] = ()
    mounts: tuple[Mount, ...] = ()

    @classmethod
    def of(cls, inputs: Inputs, *, stack: str, lineage: str, address: Address, generation: int, intent: str) -> Marker:
        """The marker of a script that carries `inputs`. Raises ValueError while a volume has no id."""
        return cls(stack, lineage, address, generation, intent, inputs.sha256, inputs.ports, inputs.mounts)


@frozen
class LiveBid:
    """A bid as listed, terminated ones included. `status` is the API's word, also one we do not know.

    `unfit`: what of its answer could not be read; the fields concerned are `unreported`, and it can still be cancelled.
    `sent`: its startup script as the API has it, None where that is not reported.
    """

    id: str
    bid: Bid
    status: str
    created_at: str = ""
    marker: Marker | None = None
    instances: tuple[str, ...] = ()
    deactivated: bool = False  # the API says since when it is over
    unfit: str = ""
    sent: str | None = field(default=None, eq=False, repr=False)

    def beside(self, other: LiveBid) -> LiveBid:
        """What two rows about one bid say together: it is live while one of them says so."""
        return other if self.ended else self

    @property
    def script(self) -> Script | None:
        """The startup script of a bid that flowplan did not place, of 0 bytes where it has none. None: flowplan placed
        it, or what it runs is not reported, or is no text that could be sent again."""
        if self.marker is not None or self.sent is None or _is_no_script(self.sent):
            return None
        return Script.of(self.sent)

    @property
    def ended(self) -> bool:
        """Whether it is over. TERMINATED says so by itself: the API may leave out since when. An unknown status counts
        as live: never buy again because of a new word, unless the API says besides it that the bid is deactivated."""
        return self.status == TERMINATED or (self.deactivated and self.has_strange_status)

    @property
    def is_billed(self) -> bool | None:
        """Whether its instances are paid for now (`billed_as`)."""
        return False if self.ended else billed_as(self.status)

    @property
    def has_strange_status(self) -> bool:
        """Whether the API has a word for its status that flowplan does not know."""
        return self.status not in STATUSES


@frozen
class Made:
    """What the answer to a create says. `reported`: what it says of the object, by the names of its class's fields;
    what cannot be read of it is left out. `created_at`: of a volume, as the API has it; "": it does not say."""

    id: str
    reported: Mapping[str, Any] = field(factory=dict)
    project: str | None = None
    status: str | None = None
    marker: Marker | None = None
    created_at: str = ""


@frozen
class LiveVolume:
    """A volume as listed. Who uses it: ids of `bids` and of `reservations`; `attachments`: what it is attached to, as
    pairs of whatever the API names (instances and their bids, where it is known what they mean).

    `created_at` as the API has it; "": it does not say. `unfit`: what of its answer could not be read;
    `users_unreported`: whether that is who uses it.
    """

    id: str
    volume: Volume
    bids: tuple[str, ...] = ()
    created_at: str = ""
    reservations: tuple[str, ...] = ()
    attachments: tuple[tuple[str, str], ...] = ()
    unfit: str = ""
    users_unreported: bool = False

    def beside(self, other: LiveVolume) -> LiveVolume:
        """Two rows about one volume as one: a user in either row is a user."""
        return attrs.evolve(
            self,
            bids=tuple(dict.fromkeys((*other.bids, *self.bids))),
            reservations=tuple(dict.fromkeys((*other.reservations, *self.reservations))),
            attachments=tuple(dict.fromkeys((*other.attachments, *self.attachments))),
            unfit=self.unfit or other.unfit,
            users_unreported=self.users_unreported or other.users_unreported,
        )

    @property
    def users(self) -> tuple[str, ...]:
        """Whatever uses it, by the ids that the API names it by; an attachment by the first of its two."""
        return tuple(dict.fromkeys((*self.bids, *self.reservations, *(one for one, _ in self.attachments))))


@frozen
class Live:
    """Everything of one project. `gone`: ids that are proved to be no more; what is merely not listed may
    still be there, because lists lag. `unlisted`: kinds whose list could not be fetched, and why: its content is
    unknown. `unread`: objects that are here as they were applied, as they could not be looked at, and why."""

    volumes: Mapping[str, LiveVolume] = field(factory=dict)
    bids: Mapping[str, LiveBid] = field(factory=dict)
    gone: frozenset[str] = frozenset()
    unlisted: Mapping[Kind, CloudError] = field(factory=dict)
    unread: Mapping[str, CloudError] = field(factory=dict)

    def without(self, ended: Collection[str]) -> Live:
        """The same, where `ended` are known to be over: a list that lags may still show them as live."""
        late = {id for id in ended if id in self.volumes or (id in self.bids and not self.bids[id].ended)}
        if not late:
            return self
        volumes = {id: one for id, one in self.volumes.items() if id not in late}
        bids = {id: one for id, one in self.bids.items() if id not in late}
        return attrs.evolve(self, volumes=volumes, bids=bids, gone=self.gone | late)

    def volumes_named(self, name: str) -> tuple[LiveVolume, ...]:
        """The volumes of this name, of which there may be several."""
        return tuple(v for v in self.volumes.values() if v.volume.name == name)

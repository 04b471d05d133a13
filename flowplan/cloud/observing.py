"""What is offered and what is there: one list call a kind, whatever the number of resources."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from flowplan.cloud import fields
from flowplan.cloud import rows as reading
from flowplan.cloud.asking import PAGE, Asking
from flowplan.cloud.looks import NO_CALL_STOPS, Looks, or_why
from flowplan.cloud.rows import Instance
from flowplan.errors import CloudError
from flowplan.model.address import Kind
from flowplan.model.catalogue import Catalogue, Named, Quota, SshKey
from flowplan.model.live import Live, LiveBid, LiveVolume
from flowplan.printable import shown
from flowplan.startup import marker


class Observing(Asking):
    """The lists. Where a method says "as far as it is reported", what cannot be listed is part of the result."""

    def projects(self) -> tuple[Named, ...]:
        """The projects that the credentials see: one list."""
        found = self.rows_of("/v2/projects", reading.named)
        self.seen_projects = {project.id: project.name for project in found}
        return found

    def project_called(self, id: str) -> str:
        """How people know a project: by its name, with the id, where it was listed."""
        name = self.seen_projects.get(id)
        return id if name is None else f"{name} ({id})"

    def everything(self) -> Looks[tuple[Catalogue, Live]]:
        """What is offered and what is there: five lists. They set `names`."""

        def made(found: Sequence[Any]) -> tuple[Catalogue, Live]:
            types, auctions, keys, volumes, bids = found
            self.names = Catalogue(types, auctions, keys)
            return self.names, Live(volumes, _by_id(self._live_bids(bids))).without(self.ended)

        return Looks(made, self._offers(), (self.ssh_keys, *self._objects()))

    def everything_as_reported(self) -> Looks[tuple[Catalogue, Live]]:
        """The same, as far as it is reported: what of the five cannot be listed is in `unread` and in `unlisted`."""

        def made(found: Sequence[Any]) -> tuple[Catalogue, Live]:
            types, auctions, keys = ([] if isinstance(one, CloudError) else one for one in found[:3])
            unread = tuple(one for one in found[:3] if isinstance(one, CloudError))
            self.names = Catalogue(tuple(types), tuple(auctions), tuple(keys), unread)
            return self.names, self._live(found[3:])

        whole = self.everything()
        return Looks(made, [or_why(one) for one in whole.of_all], [or_why(one) for one in whole.of_project])

    def all_but_bids(self) -> Looks[tuple[Catalogue, Live]]:
        """What is offered and the volumes that are there; nobody asks for bids."""

        def made(found: Sequence[Any]) -> tuple[Catalogue, Live]:
            types, auctions, keys, volumes = found
            self.names = Catalogue(types, auctions, keys)
            return self.names, Live(volumes, {})

        return Looks(made, self._offers(), (self.ssh_keys, self._volumes))

    def offered(self) -> Catalogue:
        """What is offered to everybody, without a project: two lists. It sets `names`."""
        self.names = Catalogue(*self.side_by_side(self._offers()))
        return self.names

    def live(self) -> Live:
        """What is there now, by `names`."""
        volumes, bids = self.side_by_side(self._objects())
        return Live(volumes, _by_id(self._live_bids(bids))).without(self.ended)

    def objects_as_reported(self) -> Looks[Live]:
        """What is there, as far as it is reported: what cannot be listed is in `unlisted`. Nothing that is offered is
        asked for: what is to be stopped needs none of that."""
        return Looks(self._live, (), [or_why(one, NO_CALL_STOPS) for one in self._objects()])

    def _live(self, listed: Sequence[Any]) -> Live:
        volumes, bids = listed
        if not isinstance(bids, CloudError):
            bids = or_why(partial(self._live_bids, bids), NO_CALL_STOPS)()
        lists: list[tuple[Kind, Any]] = [("volume", volumes), ("bid", bids)]
        unlisted = {kind: one for kind, one in lists if isinstance(one, CloudError)}
        there = Live(
            {} if "volume" in unlisted else volumes, {} if "bid" in unlisted else _by_id(bids), unlisted=unlisted
        )
        return there.without(self.ended)

    def _offers(self) -> list[Callable[[], Any]]:
        return [
            lambda: self.rows_of("/v2/instance-types", reading.instance_type),
            lambda: self.rows_of("/v2/spot/availability", partial(reading.auction, note=self.note)),
        ]

    def ssh_keys(self) -> tuple[SshKey, ...]:
        """The SSH keys of the project: one list."""
        return self.rows_of("/v2/ssh-keys", reading.ssh_key, project=self.project)

    def _objects(self) -> list[Callable[[], Any]]:
        return [self._volumes, lambda: tuple(self._bids())]

    def volumes(self) -> Mapping[str, LiveVolume]:
        """The volumes that are there now, by id: one list. Each is read when it is asked for, since a run that deletes
        volumes looks again before each, and asks for that one."""
        return _ReadLate(self._volume_rows(), self._read_volumes)

    def quotas(self) -> tuple[Quota, ...]:
        """The project's quotas, as far as it is known what they count."""
        rows = self.list_of("/v2/quotas", project=self.project)
        with fields.answer_of("/v2/quotas"):  # a row left out could be the one that forbids
            return tuple(filter(reading.is_counted, map(reading.quota, rows)))

    def instances(self) -> tuple[Instance, ...]:
        """The machines of the project's bids. What cannot be read is left out, and noted: nobody takes one that is not
        listed for one that has ended, or runs."""
        found = []
        for page in self.http.pages("/v2/instances", {"project": self.project, "limit": PAGE}):
            for row in page:
                try:
                    found.append(reading.instance(row))
                except fields.Unfit as error:
                    self.omit("an instance", row, str(error))
        return tuple(found)

    def _volumes(self) -> dict[str, LiveVolume]:
        return self._read_volumes(self._volume_rows())

    def _volume_rows(self) -> list[Mapping[str, Any]]:
        rows = self.list_of("/v2/volumes", project=self.project)
        return [row for row in rows if not reading.is_over(row, "deleted_at")]

    def _read_volumes(self, rows: Iterable[Mapping[str, Any]]) -> dict[str, LiveVolume]:
        with fields.answer_of("/v2/volumes"):
            volumes = [reading.live_volume(row) for row in rows]
        self.note_unfit(volumes)
        return _by_id(volumes)

    def _bids(self) -> Iterator[Mapping[str, Any]]:
        query = {"project": self.project, "limit": PAGE, "sort_by": "created_at", "sort_dir": "asc"}
        for page in self.http.pages("/v2/spot/bids", query, repeated=True):  # `_by_id` puts them together
            yield from page

    def key_names(self) -> dict[str, str]:
        """What the SSH keys are called, by id."""
        return {key.id: key.name for key in self.names.ssh_keys}

    def _live_bids(self, rows: Iterable[Mapping[str, Any]]) -> list[LiveBid]:
        keys = self.key_names()
        with fields.answer_of("/v2/spot/bids"):
            bids = [reading.live_bid(row, self.names, keys) for row in rows if not self._is_nobodys(row)]
        self.note_unfit(bids)
        return bids

    def note_unfit(self, found: Iterable[LiveBid | LiveVolume]) -> None:
        """Name the objects that do not fit. Nothing is done with them that needs what cannot be read."""
        for one in found:
            if one.unfit and not (isinstance(one, LiveBid) and one.ended):
                kind = "bid" if isinstance(one, LiveBid) else "volume"
                self.note(f"the {kind} {shown(one.id)} cannot be read in full: {shown(one.unfit, 300)}")

    def _is_nobodys(self, row: Mapping[str, Any]) -> bool:
        """Whether a bid without an id is certainly not ours: what flowplan places carries a marker."""
        launch = row.get("launch_specification")
        script = launch.get("startup_script") if isinstance(launch, dict) else None
        if type(row.get("fid")) is str or type(script) is not str or marker.read(script) is not None:
            return False
        self.omit("a bid", row, "it lacks the text 'fid'")
        return True


def _by_id(rows: Iterable[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in rows:
        found[row.id] = row.beside(found[row.id]) if row.id in found else row
    return found


class _ReadLate(Mapping[str, LiveVolume]):
    """The volumes of a list by id, of which `read` makes each that is asked for. Raises CloudError for a row without an
    id, as if all were read."""

    def __init__(
        self,
        rows: Sequence[Mapping[str, Any]],
        read: Callable[[Iterable[Mapping[str, Any]]], dict[str, LiveVolume]],
    ) -> None:
        self._read, self._all = read, rows
        ids = [row.get("fid") for row in rows]
        if not {str}.issuperset(map(type, ids)):
            with fields.answer_of("/v2/volumes"):
                ids = [fields.text(row, "fid") for row in rows]
        self._rows: dict[Any, Mapping[str, Any]] = dict(zip(ids, rows, strict=True))

    def __getitem__(self, id: str) -> LiveVolume:
        row = self._rows[id]
        listed_once = len(self._rows) == len(self._all)
        return self._read([row] if listed_once else [one for one in self._all if one["fid"] == id])[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

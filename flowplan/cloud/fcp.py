"""FCP API v2 in flowplan's own classes. Units, case and names are normalised here and nowhere else:

    money       "$25.60" on bids and auctions, integer cents in prices    -> Decimal dollars
    volumes     `size_gb` and `disk_interface` in requests, `capacity_gb` and `interface` in answers
    bids        `status` "Paused"                                         -> `paused`

One list call per kind, whatever the number of resources: never one call a resource.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from flowplan.cloud import rows as reading
from flowplan.cloud.http.transport import Transport, segment
from flowplan.cloud.rows import Instance, Past
from flowplan.errors import (
    Ambiguous,
    CloudError,
    NotFound,
    Refused,
    Unauthorized,
    Unreachable,
)
from flowplan.model import bounds
from flowplan.model.address import Kind
from flowplan.model.catalogue import Catalogue, Named, Quota, SshKey
from flowplan.model.live import Live, LiveBid, LiveVolume, Made
from flowplan.model.resources import Bid, Volume
from flowplan.pricing import Billed, Key, Market, Steered
from flowplan.printable import shown
from flowplan.startup import marker

T = TypeVar("T")
PAGE = 100  # rows a page: the most the API gives
SHOWN_ONLY = 2  # tries of a call that nothing depends on
_COLLECTIONS = {"volume": "/v2/volumes", "bid": "/v2/spot/bids"}


class Fcp:
    """The cloud, for one `project` (an id, set once it is known). Methods raise CloudError and its children
    (see http.py)."""

    def __init__(
        self,
        transport: Transport,
        *,
        parallelism: int = 8,
        close: Callable[[], object] = lambda: None,
        note: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.http = transport
        self._note = note
        self._noted: set[str] = set()
        self.project = ""
        self.ended: Collection[str] = ()  # ids that this stack has ended, which lists may still show
        self._projects: frozenset[str] = frozenset()  # those that the credentials see, once they were listed
        self._parallelism = parallelism
        self._close = close
        self._catalogue = Catalogue((), ())
        self.omitted: dict[str, None] = {}  # what was left out of answers, or done without, told in order

    def close(self) -> None:
        """Let go of connections, and of the simulator inside this process."""
        self.http.close()
        self._close()

    def note(self, sentence: str) -> None:
        """Tell the user, once, of something in the answers that was left out or counts as unknown."""
        if sentence not in self._noted:
            self._noted.add(sentence)
            self._note(sentence)

    # -- reading

    def projects(self) -> tuple[Named, ...]:
        found = self._rows("/v2/projects", reading.named)
        self._projects = frozenset(project.id for project in found)
        return found

    def observe(self) -> tuple[Catalogue, Live]:
        """What is offered and what is there: five lists, side by side."""
        (types, auctions, keys), (volumes, bids) = self._listed([*self._offers(), self._keys], self._objects())
        self._catalogue = Catalogue(types, auctions, keys)
        return self._catalogue, Live(volumes, _by_id(self._live_bids(bids))).without(self.ended)

    def quotas(self) -> tuple[Quota, ...]:
        """The project's quotas, as far as it is known what they count."""
        rows = self._list("/v2/quotas", project=self.project)
        with reading.answer_of("/v2/quotas"):  # a row left out could be the one that forbids
            return tuple(filter(reading.is_counted, map(reading.quota, rows)))

    def observe_as_told(self) -> tuple[Catalogue, Live]:
        """The same, as far as it is told: what of the five cannot be listed is in `unread` and in `unlisted`."""
        offers = [or_why(one) for one in (*self._offers(), self._keys)]
        told, there = self._listed(offers, [or_why(one) for one in self._objects()])
        types, auctions, keys = ([] if isinstance(one, CloudError) else one for one in told)
        unread = tuple(one for one in told if isinstance(one, CloudError))
        self._catalogue = Catalogue(tuple(types), tuple(auctions), tuple(keys), unread)
        return self._catalogue, self._live(there)

    def offered(self) -> Catalogue:
        """What is offered to everybody, without a project: two lists."""
        return Catalogue(*self.side_by_side(self._offers()))

    def live(self) -> Live:
        """What is there now; names of types and keys are those of the last `observe`."""
        volumes, bids = self.side_by_side(self._objects())
        return Live(volumes, _by_id(self._live_bids(bids))).without(self.ended)

    def live_as_told(self) -> Live:
        """The same, as far as it is told: what cannot be listed is in `unlisted`. It asks for nothing that is offered:
        what is to be stopped needs none of that."""
        return self._live(self.side_by_side([or_why(one) for one in self._objects()]))

    def _live(self, told: Sequence[Any]) -> Live:
        volumes, bids = told
        if not isinstance(bids, CloudError):
            bids = or_why(partial(self._live_bids, bids))()
        lists: list[tuple[Kind, Any]] = [("volume", volumes), ("bid", bids)]
        unlisted = {kind: one for kind, one in lists if isinstance(one, CloudError)}
        there = Live(
            {} if "volume" in unlisted else volumes, {} if "bid" in unlisted else _by_id(bids), unlisted=unlisted
        )
        return there.without(self.ended)

    def _offers(self) -> list[Callable[[], Any]]:
        return [
            lambda: self._rows("/v2/instance-types", reading.instance_type),
            lambda: self._rows("/v2/spot/availability", partial(reading.auction, note=self.note)),
        ]

    def _keys(self) -> tuple[SshKey, ...]:
        return self._rows("/v2/ssh-keys", reading.ssh_key, project=self.project)

    def _objects(self) -> list[Callable[[], Any]]:
        return [self._volumes, lambda: tuple(self._bids())]

    def _listed(self, *groups: Sequence[Callable[[], Any]]) -> Iterator[list[Any]]:
        """The results of several groups of calls, all side by side."""
        found = iter(self.side_by_side([call for group in groups for call in group]))
        return (list(islice(found, len(group))) for group in groups)

    def look_again(self, live: Live, bids: Iterable[str], volumes: Iterable[str]) -> Live:
        """`live`, which was listed in full, with certainty about objects it should hold and does not.

        A bid is gone when two looks of different kinds agree: a list that does not have it, of a project that the
        credentials are seen to see, and the API's own 404 to its id. A volume is gone when it is among the deleted
        ones.
        Raises CloudError for what is neither there nor proved gone.
        """
        found = dict(live.bids)
        gone: set[str] = set(live.gone)
        unclear: list[str] = []
        for id in bids:
            if id in found or id in gone:
                continue
            try:
                found[id] = self.bid(id)
            except NotFound:
                (gone.add if self._sees_its_project(live) else unclear.append)(id)
        missing = [id for id in volumes if id not in live.volumes and id not in gone]
        if missing:
            gone |= self.deleted_volumes()
        unclear += [id for id in missing if id not in gone]
        if unclear:
            raise CloudError(
                f"{', '.join(unclear)}: in the state, but listed neither as live nor as ended; nothing proves that "
                "it is gone",
                hint="lists may lag: run the same command again a little later. Check the API's URL, the project and "
                "the console; if it is gone for good, `flowplan state rm ADDRESS` forgets it",
            )
        return Live(live.volumes, found, frozenset(gone), live.unlisted, live.unread)

    def volumes(self) -> dict[str, LiveVolume]:
        """The volumes that are there now, by id: one list."""
        return self._volumes()

    def deleted_volumes(self) -> frozenset[str]:
        """The ids of the volumes that are listed with the moment of their deletion: one list."""
        rows = self._list("/v2/volumes", project=self.project, include_deleted="true")
        with reading.answer_of("/v2/volumes"):
            return frozenset(reading.text(row, "fid") for row in rows if reading.is_over(row, "deleted_at"))

    def _sees_its_project(self, live: Live) -> bool:
        """Whether these credentials are seen to see the project: otherwise an empty list and a 404 prove nothing."""
        return self.project in self._projects or bool(live.bids or live.volumes)

    def is_gone(self, kind: str, id: str) -> bool:
        """Whether what the API does not find is over, by a second look of another kind: a list shows it as over, or,
        for a bid, does not show it at all (see `look_again`). Raises CloudError when that look fails, or is unclear."""
        live = self.live()
        if kind == "volume":
            return id not in live.volumes and id in self.look_again(live, [], [id]).gone
        live = self.look_again(live, [id], [])
        return id in live.gone or live.bids[id].ended

    def _volumes(self) -> dict[str, LiveVolume]:
        rows = self._list("/v2/volumes", project=self.project)
        with reading.answer_of("/v2/volumes"):
            volumes = [reading.live_volume(row) for row in rows if not reading.is_over(row, "deleted_at")]
        self._tell_unfit(volumes)
        return _by_id(volumes)

    def _bids(self) -> Iterator[Mapping[str, Any]]:
        query = {"project": self.project, "limit": PAGE, "sort_by": "created_at", "sort_dir": "asc"}
        for page in self.http.pages("/v2/spot/bids", query, repeated=True):  # `_by_id` puts them together
            yield from page

    def _key_names(self) -> dict[str, str]:
        return {key.id: key.name for key in self._catalogue.ssh_keys}

    def _live_bids(self, rows: Iterable[Mapping[str, Any]]) -> list[LiveBid]:
        keys = self._key_names()
        with reading.answer_of("/v2/spot/bids"):
            bids = [reading.live_bid(row, self._catalogue, keys) for row in rows if not self._is_nobodys(row)]
        self._tell_unfit(bids)
        return bids

    def _tell_unfit(self, found: Iterable[LiveBid | LiveVolume]) -> None:
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

    def bid(self, id: str) -> LiveBid:
        """One bid as it is now; names of types and keys are those of the last `observe`. Raises NotFound."""
        return self._bid(id)[0]

    def bid_here(self, id: str) -> LiveBid:
        """The same; raises Refused for one of another project, which no list of ours would have."""
        found, row = self._bid(id)
        if self.project and row.get("project", self.project) != self.project:
            raise Refused(f"{id} belongs to another project", hint="give --project, where that one is meant")
        return found

    def _bid(self, id: str) -> tuple[LiveBid, Mapping[str, Any]]:
        path = f"/v2/spot/bids/{segment(id)}"
        row = self._object("GET", path)
        with reading.answer_of(path):
            reading.hold_about(row, id)
            found = reading.live_bid(row, self._catalogue, self._key_names())
        self._tell_unfit([found])
        return found, row

    def instances(self) -> tuple[Instance, ...]:
        pages = self.http.pages("/v2/instances", {"project": self.project, "limit": PAGE})
        with reading.answer_of("/v2/instances"):
            return tuple(reading.instance(row) for page in pages for row in page)

    def markets(self, keys: Sequence[Key], shown_only: Collection[Key] = ()) -> dict[Key, Market]:
        """The prices of each distinct (type, region, quantity): one call each. Of those for show only, one that cannot
        be had is unknown, and noted."""
        calls = [partial(self.market, key, SHOWN_ONLY if key in shown_only else None) for key in keys]
        found = self.side_by_side([or_why(c) if key in shown_only else c for key, c in zip(keys, calls, strict=True)])
        return {key: self._or_unknown(key, one) for key, one in zip(keys, found, strict=True)}

    def _or_unknown(self, key: Key, found: Market | CloudError) -> Market:
        if isinstance(found, Market):
            return found
        self.note(f"what it costs now is not known: {found}")
        return Market(*key)

    def market(self, key: Key, tries: int | None = None) -> Market:
        instance_type, region, quantity = key
        path = "/v2/pricing/current"
        query = {"instance_type": instance_type, "region": region, "instance_quantity": quantity}
        try:
            answer = self.http.call("GET", path, query=query, most=tries)
        except NotFound:  # the auction was withdrawn: what runs there has no price any more that anybody knows
            return Market(instance_type, region, quantity)
        row = reading.mapping(answer.data, path)
        with reading.answer_of(path):
            return self._market(key, row)

    def _market(self, key: Key, row: Mapping[str, Any]) -> Market:
        instance_type, region, quantity = key
        told = partial(reading.told, row, note=self.note)
        price = partial(told, read=bounds.cents)
        if not any(name.endswith("_cents") for name in row):
            raise reading.Unfit("it has no price")
        return Market(
            instance_type,
            region,
            quantity,
            spot=price("spot_price_cents"),
            minimum=price("minimum_price_cents"),
            lowest_allocated=price("lowest_allocated_bid_cents"),
            win_price=price("dynamic_win_price_cents"),
            available=told("available_capacity", read=bounds.count),
            total=told("total_capacity", read=bounds.count),
            reserved=price("reserved_price_cents"),
            as_of=reading.rfc3339(self.http.server_time),
        )

    def pasts(
        self, auctions: Iterable[tuple[str, str]], since: datetime | None = None, *, shown_only: bool = False
    ) -> dict[tuple[str, str], Past]:
        """The price changes of the last 14 days (or `since` then) of each (instance type, region): one call a region.

        Of what the API has no history for, or gives none, nothing is in the answer: a forecast is then unknown. So it
        is, and noted, where it is for show only and cannot be had.
        """
        types: dict[str, list[str]] = {}
        for instance_type, region in auctions:
            types.setdefault(region, []).append(instance_type)
        calls = [partial(self._pasts_in, region, sorted(kinds), since) for region, kinds in types.items()]
        found = self.side_by_side(
            [or_why(call) if shown_only else call for call in calls],
        )
        for error in found:
            if isinstance(error, CloudError):
                self.note(f"what it costs over time is not known: {error}")
        return {auction: past for part in found if isinstance(part, dict) for auction, past in part.items()}

    def _pasts_in(self, region: str, types: Sequence[str], since: datetime | None) -> dict[tuple[str, str], Past]:
        path = "/v2/pricing/history"
        query = {
            "instance_types": ",".join(types),
            "region": region,
            "num_samples": -1,
            "start_time": reading.rfc3339(since),
        }
        try:
            answer = self.http.call("GET", path, query=query)
        except CloudError as error:
            if not isinstance(error, (NotFound, Refused)) and error.status not in (404, 501):
                raise
            return {}
        row = reading.mapping(answer.data, path)
        with reading.answer_of(path):
            series = row.get("series")
            if not isinstance(series, list):
                raise reading.Unfit("it lacks the list 'series'")
            complete = row.get("complete", True) is True
            found = [self._past(reading.mapping(one, path), complete) for one in series]
        return {(past.instance_type, past.region): past for past in found if past is not None}

    def _past(self, row: Mapping[str, Any], complete: bool) -> Past | None:
        try:
            return reading.past(row, complete=complete)
        except reading.Unfit as error:
            self.note(f"past prices that cannot be read are left out: {error}")
            return None

    def now(self) -> datetime | None:
        """The server's clock, as its last answer had it."""
        return self.http.server_time

    def billed(self) -> tuple[Billed, ...]:
        """What every instance of every bid was billed so far: its periods of one price each."""
        path = "/v2/instances/pricing/history"
        pages = self.http.pages(path, {"project": self.project, "limit": PAGE}, rows="instances")
        with reading.answer_of(path):
            return tuple(one for page in pages for row in page if row.get("bid_fid") for one in reading.billed(row))

    def steered(self, bids: Sequence[str]) -> dict[str, tuple[Steered, ...]]:
        """What was done to each bid, the first first: one call a bid. A bid that is unknown is left out."""
        found = self.side_by_side([partial(self._steered, bid) for bid in bids])
        return {bid: one for bid, one in zip(bids, found, strict=True) if one is not None}

    def _steered(self, bid: str) -> tuple[Steered, ...] | None:
        path = f"/v2/spot/bids/{segment(bid)}/history"
        try:
            row = self._object("GET", path)
        except NotFound:
            return None
        with reading.answer_of(path):
            events = row.get("events")
            if not isinstance(events, list):
                raise reading.Unfit("it lacks the list 'events'")
            rows = [reading.mapping(event, path) for event in events]
            return tuple(reading.steered(one) for one in rows if one.get("event_type") in reading.STEERING)

    # -- changing. A create is one POST; what is raised says whether it may have happened.

    def volume_request(self, volume: Volume) -> dict[str, Any]:
        """CreateVolumeRequest."""
        return {
            "name": volume.name,
            "project": self.project,
            "disk_interface": volume.interface,
            "region": volume.region,
            "size_gb": volume.size_gb,
        }

    def bid_request(self, bid: Bid, script: str | None) -> dict[str, Any]:
        """CreateBidRequest. Every volume of `bid` must have an id."""
        return {
            "project": self.project,
            "region": bid.region,
            "instance_type": bid.instance_type,
            "limit_price": reading.dollars(bid.limit_price),
            "instance_quantity": bid.instance_quantity,
            "name": bid.name,
            "launch_specification": {
                "volumes": [str(volume) for volume in bid.volumes],
                "ssh_keys": list(bid.ssh_keys),
                "startup_script": script,
                "memory_gb": bid.memory_gb,
            },
        }

    # -- changes: `before` is called before each attempt, and may raise what forbids it

    def create(
        self, kind: str, request: Mapping[str, Any], *, key: str, before: Callable[[], None] = lambda: None
    ) -> Made:
        """Make a volume or place a bid; returns what the answer says. Raises NameTaken, Refused, Ambiguous, others."""
        path = _COLLECTIONS[kind]
        answer = self.http.call("POST", path, body=request, key=key, before=before)
        id = answer.data.get("fid") if isinstance(answer.data, dict) else None
        if not isinstance(id, str) or not id:
            raise Ambiguous(f"POST {path} was accepted, but the answer has no id", status=answer.status)
        return reading.made(kind, id, answer.data, self._catalogue)

    def update_bid(self, id: str, *, before: Callable[[], None] = lambda: None, **fields: Any) -> Made:
        """PATCH with absolute values: `limit_price` (Decimal), `paused`, `volumes` (ids), `memory_gb`. Returns what the
        answer tells, which is nothing when it is not about this bid."""
        if "limit_price" in fields:
            fields["limit_price"] = reading.dollars(fields["limit_price"])
        answer = self.http.call("PATCH", f"/v2/spot/bids/{segment(id)}", body=fields, before=before).data
        about_it = isinstance(answer, dict) and answer.get("fid") == id
        return reading.made("bid", id, answer, self._catalogue) if about_it else Made(id)

    def cancel_bid(self, id: str, *, before: Callable[[], None] = lambda: None) -> None:
        """Cancel; raises NotFound when it is gone already."""
        self.http.call("DELETE", f"/v2/spot/bids/{segment(id)}", before=before)

    def rename_volume(self, id: str, name: str, *, before: Callable[[], None] = lambda: None) -> None:
        self.http.call("PATCH", f"/v2/volumes/{segment(id)}", body={"name": name}, before=before)

    def delete_volume(self, id: str, *, before: Callable[[], None] = lambda: None) -> None:
        """Delete for good; raises NotFound when it is gone already, Refused while it is in use. That it is deleted, the
        answer does not prove: `deleted_volumes` does."""
        self.http.call("DELETE", f"/v2/volumes/{segment(id)}", before=before)

    # -- calling

    def _list(self, path: str, **query: Any) -> list[Mapping[str, Any]]:
        rows = self.http.call("GET", path, query=query or None).data
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise CloudError(f"GET {path}: expected a list of objects")
        return rows

    def _rows(self, path: str, read: Callable[[Mapping[str, Any]], T], **query: Any) -> tuple[T, ...]:
        """A list that comes as one page, each row read by `read`. A row that does not fit is left out, and noted: of
        what is offered to everybody nothing is ours."""
        found = []
        for row in self._list(path, **query):
            try:
                found.append(read(row))
            except reading.Unfit as error:
                self.omit(f"a row of {path}", row, str(error))
        return tuple(found)

    def omit(self, what: str, row: Mapping[str, Any], why: str) -> None:
        """Tell the user that a row is left out."""
        named = [value for value in (row.get("fid"), row.get("name")) if type(value) is str]
        self.note(f"{what} is left out{f' ({shown(named[0])})' if named else ''}: {shown(why, 200)}")

    def _object(self, method: str, path: str) -> Mapping[str, Any]:
        return reading.mapping(self.http.call(method, path).data, path)

    def side_by_side(self, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        """The results of `calls` in their order; with a parallelism of 1 (in the process itself there is
        nothing to wait for) without threads."""
        workers = min(self._parallelism, len(calls))
        if workers < 2:
            return [call() for call in calls]
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(lambda call: call(), calls))


def or_why(call: Callable[[], T]) -> Callable[[], T | CloudError]:
    """`call`, with the reason in place of a result that cannot be had; but where nothing can be asked at all, it
    raises."""

    def told() -> T | CloudError:
        try:
            return call()
        except (Unauthorized, Unreachable):
            raise
        except CloudError as error:
            return error

    return told


def _by_id(rows: Iterable[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in rows:
        found[row.id] = row.beside(found[row.id]) if row.id in found else row
    return found

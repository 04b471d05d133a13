"""FCP API v2 in flowplan's own classes. Units, case and names are normalised here and nowhere else:

    money       "$25.60" on bids and auctions, integer cents in prices    -> Decimal dollars
    volumes     `size_gb` and `disk_interface` in requests, `capacity_gb` and `interface` in answers
    bids        `status` "Paused"                                         -> `paused`

One list call per kind, whatever the number of resources: never one call a resource.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any, TypeVar

from attrs import frozen

from flowplan.catalogue import Auction, Catalogue, InstanceType, Named
from flowplan.cloud.http import Transport, segment
from flowplan.errors import Ambiguous, CloudError, NotFound, Refused
from flowplan.live import Live, LiveBid, LiveVolume
from flowplan.pricing import Billed, Key, Market, Steered, Steering
from flowplan.resources import Bid, Volume
from flowplan.startup import marker

T = TypeVar("T")
PAGE = 100  # rows a page: the most the API gives
# Events of a bid that somebody caused, in our words; allocation and preemption are the market's.
STEERING: dict[str, Steering] = {
    "Placed": "placed",
    "Limit Price Changed": "limit_changed",
    "Paused": "paused",
    "Resumed": "resumed",
    "Terminated": "cancelled",
}
_COLLECTIONS = {"volume": "/v2/volumes", "bid": "/v2/spot/bids"}


@frozen
class Instance:
    """One machine of a bid. `ssh_destination` is `host` or `host:port`, None until it is up."""

    id: str
    name: str
    bid: str | None
    status: str
    region: str
    ssh_destination: str | None


class Fcp:
    """The cloud, for one `project` (an id, set once it is known). Methods raise CloudError and its children
    (see http.py)."""

    def __init__(
        self, transport: Transport, *, parallelism: int = 8, close: Callable[[], object] = lambda: None
    ) -> None:
        self.http = transport
        self.project = ""
        self._parallelism = parallelism
        self._close = close
        self._catalogue = Catalogue((), ())

    def close(self) -> None:
        """Let go of connections, and of the simulator inside this process."""
        self.http.close()
        self._close()

    # -- reading

    def projects(self) -> tuple[Named, ...]:
        return self._rows("/v2/projects", _named)

    def observe(self) -> tuple[Catalogue, Live]:
        """What is offered and what is there: five lists, side by side."""
        types, auctions, keys, volumes, bids = self.side_by_side(
            [
                lambda: self._rows("/v2/instance-types", _instance_type),
                lambda: self._rows("/v2/spot/availability", _auction),
                lambda: self._rows("/v2/ssh-keys", _named, project=self.project),
                self._volumes,
                lambda: tuple(self._bids()),
            ]
        )
        self._catalogue = Catalogue(types, auctions, keys)
        return self._catalogue, Live(volumes, _by_id(self._live_bids(bids)))

    def offered(self) -> Catalogue:
        """What is offered to everybody, without a project: two lists."""
        types, auctions = self.side_by_side(
            [
                lambda: self._rows("/v2/instance-types", _instance_type),
                lambda: self._rows("/v2/spot/availability", _auction),
            ]
        )
        return Catalogue(types, auctions)

    def live(self) -> Live:
        """What is there now; names of types and keys are those of the last `observe`."""
        volumes, bids = self.side_by_side([self._volumes, lambda: tuple(self._bids())])
        return Live(volumes, _by_id(self._live_bids(bids)))

    def look_again(self, live: Live, bids: Iterable[str], volumes: Iterable[str]) -> Live:
        """`live` with certainty about objects it should hold and does not: a bid is asked for by its id, a
        volume among the deleted ones. Raises CloudError for what is neither there nor proved gone."""
        found = dict(live.bids)
        gone: set[str] = set()
        for id in bids:
            if id in found:
                continue
            try:
                found[id] = self.bid(id)
            except NotFound:
                gone.add(id)
        missing = [id for id in volumes if id not in live.volumes]
        if missing:
            rows = self._list("/v2/volumes", project=self.project, include_deleted="true")
            with _answer_of("/v2/volumes"):
                gone |= {_text(row, "fid") for row in rows if row.get("deleted_at") is not None}
        unclear = [id for id in missing if id not in gone]
        if unclear:
            raise CloudError(
                f"{', '.join(unclear)}: in the state, but listed neither as live nor as deleted",
                hint="lists may lag: run the same command again a little later; if it is gone for good, "
                "`flowplan state rm ADDRESS` forgets it",
            )
        return Live(live.volumes, found, frozenset(gone))

    def _volumes(self) -> dict[str, LiveVolume]:
        rows = self._list("/v2/volumes", project=self.project)
        with _answer_of("/v2/volumes"):
            return _by_id(_live_volume(row) for row in rows if row.get("deleted_at") is None)

    def _bids(self) -> Iterator[Mapping[str, Any]]:
        query = {"project": self.project, "limit": PAGE, "sort_by": "created_at", "sort_dir": "asc"}
        for page in self.http.pages("/v2/spot/bids", query):
            yield from page

    def _live_bids(self, rows: Iterable[Mapping[str, Any]], path: str = "/v2/spot/bids") -> list[LiveBid]:
        keys = {key.id: key.name for key in self._catalogue.ssh_keys}
        with _answer_of(path):
            return [_live_bid(row, self._catalogue, keys) for row in rows]

    def bid(self, id: str) -> LiveBid:
        """One bid as it is now; names of types and keys are those of the last `observe`. Raises NotFound, and Refused
        for one of another project, which no list of ours would have."""
        path = f"/v2/spot/bids/{segment(id)}"
        row = self._object("GET", path)
        [found] = self._live_bids([row], path)
        if self.project and row.get("project", self.project) != self.project:
            raise Refused(f"{id} belongs to another project", hint="give --project, where that one is meant")
        return found

    def instances(self) -> tuple[Instance, ...]:
        pages = self.http.pages("/v2/instances", {"project": self.project, "limit": PAGE})
        with _answer_of("/v2/instances"):
            return tuple(_instance(row) for page in pages for row in page)

    def markets(self, keys: Sequence[Key]) -> dict[Key, Market]:
        """The prices of each distinct (type, region, quantity): one call each."""
        found = self.side_by_side([partial(self.market, key) for key in keys])
        return dict(zip(keys, found, strict=True))

    def market(self, key: Key) -> Market:
        instance_type, region, quantity = key
        path = "/v2/pricing/current"
        query = {"instance_type": instance_type, "region": region, "instance_quantity": quantity}
        try:
            answer = self.http.call("GET", path, query=query)
        except NotFound:  # the auction was withdrawn: what runs there has no price any more that anybody knows
            return Market(instance_type, region, quantity)
        row = _mapping(answer.data, path)
        with _answer_of(path):
            return self._market(key, row)

    def _market(self, key: Key, row: Mapping[str, Any]) -> Market:
        instance_type, region, quantity = key
        return Market(
            instance_type,
            region,
            quantity,
            spot=_cents(row, "spot_price_cents"),
            minimum=_cents(row, "minimum_price_cents"),
            lowest_allocated=_cents(row, "lowest_allocated_bid_cents"),
            win_price=_cents(row, "dynamic_win_price_cents"),
            available=_integer_or_none(row, "available_capacity"),
            total=_integer_or_none(row, "total_capacity"),
            reserved=_cents(row, "reserved_price_cents"),
            as_of=_rfc3339(self.http.server_time),
        )

    def pasts(self, auctions: Iterable[tuple[str, str]], since: datetime | None = None) -> dict[tuple[str, str], Past]:
        """The price changes of the last 14 days (or `since` then) of each (instance type, region): one call a region.

        Of what the API has no history for, or gives none, nothing is in the answer: a forecast is then unknown.
        """
        types: dict[str, list[str]] = {}
        for instance_type, region in auctions:
            types.setdefault(region, []).append(instance_type)
        found = self.side_by_side(
            [partial(self._pasts_in, region, sorted(kinds), since) for region, kinds in types.items()]
        )
        return {auction: past for part in found for auction, past in part.items()}

    def _pasts_in(self, region: str, types: Sequence[str], since: datetime | None) -> dict[tuple[str, str], Past]:
        path = "/v2/pricing/history"
        query = {
            "instance_types": ",".join(types),
            "region": region,
            "num_samples": -1,
            "start_time": _rfc3339(since),
        }
        try:
            answer = self.http.call("GET", path, query=query)
        except (NotFound, Refused):
            return {}
        row = _mapping(answer.data, path)
        with _answer_of(path):
            series = row.get("series")
            if not isinstance(series, list):
                raise _Unfit("it lacks the list 'series'")
            complete = row.get("complete", True) is True
            found = [_past(_mapping(one, path), complete=complete) for one in series]
        return {(past.instance_type, past.region): past for past in found}

    def now(self) -> datetime | None:
        """The server's clock, as its last answer had it."""
        return self.http.server_time

    def billed(self) -> tuple[Billed, ...]:
        """What every instance of every bid was billed so far: its periods of one price each."""
        path = "/v2/instances/pricing/history"
        pages = self.http.pages(path, {"project": self.project, "limit": PAGE}, rows="instances")
        with _answer_of(path):
            return tuple(one for page in pages for row in page if row.get("bid_fid") for one in _billed(row))

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
        with _answer_of(path):
            events = row.get("events")
            if not isinstance(events, list):
                raise _Unfit("it lacks the list 'events'")
            rows = [_mapping(event, path) for event in events]
            return tuple(_steered(one) for one in rows if one.get("event_type") in STEERING)

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
            "limit_price": dollars(bid.limit_price),
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
    ) -> str:
        """Make a volume or place a bid; returns its id. Raises NameTaken, Refused, Ambiguous and others."""
        path = _COLLECTIONS[kind]
        answer = self.http.call("POST", path, body=request, key=key, before=before)
        id = answer.data.get("fid") if isinstance(answer.data, dict) else None
        if not isinstance(id, str) or not id:
            raise Ambiguous(f"POST {path} was accepted, but the answer has no id", status=answer.status)
        return id

    def update_bid(self, id: str, *, before: Callable[[], None] = lambda: None, **fields: Any) -> None:
        """PATCH with absolute values: `limit_price` (Decimal), `paused`, `volumes` (ids), `memory_gb`."""
        if "limit_price" in fields:
            fields["limit_price"] = dollars(fields["limit_price"])
        self.http.call("PATCH", f"/v2/spot/bids/{segment(id)}", body=fields, before=before)

    def cancel_bid(self, id: str, *, before: Callable[[], None] = lambda: None) -> None:
        """Cancel; raises NotFound when it is gone already."""
        self.http.call("DELETE", f"/v2/spot/bids/{segment(id)}", before=before)

    def rename_volume(self, id: str, name: str, *, before: Callable[[], None] = lambda: None) -> None:
        self.http.call("PATCH", f"/v2/volumes/{segment(id)}", body={"name": name}, before=before)

    def delete_volume(self, id: str, *, before: Callable[[], None] = lambda: None) -> None:
        """Delete for good; raises NotFound when it is gone already, Refused while it is in use, CloudError when it
        is still there although something (a proxy?) answered with success."""
        path = f"/v2/volumes/{segment(id)}"
        answer = self.http.call("DELETE", path, before=before)
        if answer.status != 204 and id in self._volumes():
            raise CloudError(
                f"DELETE {path}: answered with {answer.status}, but the volume is still there",
                status=answer.status,
                request_id=answer.request_id,
                hint="a proxy or a login page may have answered instead of the API",
            )

    # -- calling

    def _list(self, path: str, **query: Any) -> list[Mapping[str, Any]]:
        rows = self.http.call("GET", path, query=query or None).data
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise CloudError(f"GET {path}: expected a list of objects")
        return rows

    def _rows(self, path: str, read: Callable[[Mapping[str, Any]], T], **query: Any) -> tuple[T, ...]:
        """A list that comes as one page, each row read by `read`."""
        rows = self._list(path, **query)
        with _answer_of(path):
            return tuple(map(read, rows))

    def _object(self, method: str, path: str) -> Mapping[str, Any]:
        return _mapping(self.http.call(method, path).data, path)

    def side_by_side(self, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        """The results of `calls` in their order; with a parallelism of 1 (in the process itself there is
        nothing to wait for) without threads."""
        workers = min(self._parallelism, len(calls))
        if workers < 2:
            return [call() for call in calls]
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(lambda call: call(), calls))


class _Unfit(CloudError):
    """A field of an answer is not as it must be; which answer, `_answer_of` adds."""


@contextmanager
def _answer_of(path: str) -> Iterator[None]:
    """Inside, the answer to `GET path` is read: what is wrong with it is told with its place."""
    try:
        yield
    except _Unfit as error:
        raise CloudError(f"GET {path}: invalid response: {error}", detail=error.detail) from None


def dollars(amount: Decimal) -> str:
    """Money as bids carry it: "$25.60"."""
    return f"${amount:.2f}"


@frozen
class Past:
    """The price changes of one auction, the oldest first, in dollars per instance-hour; each holds until the next.
    `complete`: none is left out."""

    instance_type: str
    region: str
    prices: tuple[tuple[datetime, Decimal], ...]
    complete: bool


# ---- answers ----------------------------------------------------------------------------------------------


def _past(row: Mapping[str, Any], *, complete: bool) -> Past:
    times, prices = row.get("timestamps"), row.get("spot_prices")
    if not isinstance(times, list) or not isinstance(prices, list) or len(times) != len(prices):
        raise _Unfit("a series lacks as many spot_prices as timestamps")
    moments = [_moment(time, "a series") for time in times]
    known = tuple((at, money(price, "spot_prices")) for at, price in zip(moments, prices, strict=True))
    return Past(_text(row, "instance_type"), _text(row, "region"), known, complete)


def _moment(text: Any, where: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise _Unfit(f"{where} has a timestamp that is none") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _billed(row: Mapping[str, Any]) -> Iterator[Billed]:
    events = row.get("events")
    if not isinstance(events, list):
        raise _Unfit("an instance lacks the list 'events'")
    for event in (_mapping(one, "a price period") for one in events):
        end = event.get("end_time")
        yield Billed(
            bid=_text(row, "bid_fid"),
            instance=_text(row, "instance_fid"),
            price=Decimal(_integer(event, "price_cents")) / 100,
            start=_moment(event.get("start_time"), "a price period"),
            end=None if end is None else _moment(end, "a price period"),
        )


def _steered(event: Mapping[str, Any]) -> Steered:
    limit = event.get("limit_price")
    return Steered(
        at=_moment(event.get("timestamp"), "an event"),
        how=STEERING[_text(event, "event_type")],
        limit=None if limit is None else money(limit, "limit_price"),
    )


def _live_bid(row: Mapping[str, Any], catalogue: Catalogue, keys: Mapping[str, str]) -> LiveBid:
    launch = _mapping(row.get("launch_specification"), "launch_specification")
    type_id = _spelled(_text(row, "instance_type"), catalogue.types)
    kind = catalogue.type(type_id)
    ssh_keys = tuple(_spelled(key, catalogue.ssh_keys) for key in launch.get("ssh_keys") or ())
    status = _text(row, "status")
    bid = Bid(
        name=_text(row, "name"),
        instance_type=type_id,
        region=row.get("region") or "",
        instance_quantity=_integer(row, "instance_quantity"),
        limit_price=money(row.get("limit_price"), "limit_price"),
        ssh_keys=ssh_keys,
        volumes=tuple(launch.get("volumes") or ()),
        paused=status == "Paused",
        memory_gb=launch.get("memory_gb"),
        instance_type_name=kind.name if kind else "",
        ssh_key_names=tuple(keys.get(key, key) for key in ssh_keys),
        gpus=kind.gpus if kind else None,
        untold=_untold(row, launch),
    )
    return LiveBid(
        id=_text(row, "fid"),
        bid=bid,
        status=status,
        created_at=_text(row, "created_at"),
        marker=marker.read(launch.get("startup_script") or ""),
        instances=tuple(row.get("instances") or ()),
    )


def _live_volume(row: Mapping[str, Any]) -> LiveVolume:
    interface = _text(row, "interface")
    if interface not in ("Block", "File"):
        raise _Unfit(f"a volume has the interface {interface!r}, which this flowplan does not know")
    size, region = _integer_or_none(row, "capacity_gb"), row.get("region") or None
    untold = tuple(name for name, value in (("region", region), ("size_gb", size)) if value is None)
    volume = Volume(
        _text(row, "name"), size or 0, "Block" if interface == "Block" else "File", region or "", untold=untold
    )
    return LiveVolume(
        _text(row, "fid"),
        volume,
        tuple(row.get("bids") or ()),
        row.get("created_at") or "",
        tuple(row.get("reservations") or ()),
        _attachments(row.get("attachments")),
    )


def _attachments(value: Any) -> tuple[tuple[str, str], ...]:
    """What a volume is attached to. What the map means is documented nowhere: both sides are kept."""
    pairs = value.items() if isinstance(value, dict) else ((one, "") for one in value or ())
    return tuple((str(one), str(other)) for one, other in pairs)


def _untold(row: Mapping[str, Any], launch: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields of a bid that its answer leaves open: null and missing are the same, and are not empty."""
    given = {name: launch.get(name) for name in ("ssh_keys", "volumes")}
    given |= {"region": row.get("region") or None, "inputs": launch.get("startup_script")}
    return tuple(sorted(name for name, value in given.items() if value is None))


def _spelled(text: str, known: Iterable[InstanceType | Named]) -> str:
    """The id that `text` stands for: it should be one, but may be the name of just one of `known`."""
    known = tuple(known)
    if any(one.id == text for one in known):
        return text
    named = [one.id for one in known if one.name.lower() == text.strip().lower()]
    return named[0] if len(named) == 1 else text


def _instance_type(row: Mapping[str, Any]) -> InstanceType:
    return InstanceType(
        id=_text(row, "fid"),
        name=_text(row, "name"),
        gpu_type=_text(row, "gpu_type"),
        gpus=_integer(row, "num_gpus"),
        gpu_memory_gb=_integer(row, "gpu_memory_gb"),
        gpu_socket=_text(row, "gpu_socket"),
        network_type=row.get("network_type"),
    )


def _auction(row: Mapping[str, Any]) -> Auction:
    lowest = row.get("lowest_allocated_price")
    return Auction(
        id=_text(row, "fid"),
        instance_type=_text(row, "instance_type"),
        region=_text(row, "region"),
        capacity=_integer(row, "capacity"),
        last_price=money(row["last_instance_price"], "last_instance_price") if row.get("last_instance_price") else None,
        lowest_allocated=money(lowest, "lowest_allocated_price") if lowest else None,
    )


def _instance(row: Mapping[str, Any]) -> Instance:
    return Instance(
        id=_text(row, "fid"),
        name=_text(row, "name"),
        bid=row.get("bid") or row.get("bid_id"),
        status=_text(row, "status"),
        region=row.get("region") or "",
        ssh_destination=row.get("ssh_destination"),
    )


def _named(row: Mapping[str, Any]) -> Named:
    return Named(_text(row, "fid"), _text(row, "name"))


def money(value: Any, name: str) -> Decimal:
    """Dollars from "$1,234.50". Raises CloudError naming the field."""
    try:
        amount = Decimal(str(value).replace("$", "").replace(",", ""))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise _Unfit(f"the API gives {value!r} as {name}, which is not an amount")
    return amount


def _cents(row: Mapping[str, Any], name: str) -> Decimal | None:
    value = _integer_or_none(row, name)
    return None if value is None else Decimal(value) / 100


def _rfc3339(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if type(value) is not str:
        raise _Unfit(f"it lacks the text {name!r}", detail=f"it has: {', '.join(sorted(row))}")
    return value


def _integer(row: Mapping[str, Any], name: str) -> int:
    value = row.get(name)
    if type(value) is not int:
        raise _Unfit(f"it lacks the integer {name!r}", detail=f"it has: {', '.join(sorted(row))}")
    return value


def _integer_or_none(row: Mapping[str, Any], name: str) -> int | None:
    return None if row.get(name) is None else _integer(row, name)


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise CloudError(f"{where}: expected an object")
    return value


def _by_id(rows: Iterable[Any]) -> dict[str, Any]:
    return {row.id: row for row in rows}

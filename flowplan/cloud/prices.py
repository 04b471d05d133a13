"""What things cost: the prices of this moment, those of the last days, and what was billed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from flowplan.cloud import fields
from flowplan.cloud import rows as reading
from flowplan.cloud.asking import PAGE, Asking
from flowplan.cloud.http.request import segment
from flowplan.cloud.looks import NO_CALL, NO_CALL_STOPS, Looks, or_why
from flowplan.errors import CloudError, NotFound, Refused
from flowplan.model import bounds
from flowplan.pricing.entry import Key, Market
from flowplan.pricing.past import Past

if TYPE_CHECKING:
    from flowplan.pricing.billing import Billed, Bills, Ender, Steered

SHOWN_ONLY = 2  # tries of a call that nothing depends on


class Prices(Asking):
    """Prices and bills. None of them is needed to stop paying."""

    def markets(
        self, keys: Collection[Key], shown_only: Collection[Key] = (), *, hurried: bool = False
    ) -> dict[Key, Market]:
        """The prices of each distinct (type, region, quantity): one call each. Of those that are only for show, what
        could not be fetched is unknown, and a note says so."""
        return self.read(self.each_market(keys, shown_only, hurried=hurried))

    def each_market(
        self,
        keys: Collection[Key],
        shown_only: Collection[Key] = (),
        company: Collection[Key] = (),
        *,
        hurried: bool = False,
    ) -> Looks[dict[Key, Market]]:
        """The calls of `markets`. `hurried`: made now, while something runs that is to stop: they hold that up no
        longer than `soon`. `company`: those that only tell what bids cost beside each other. What could not be
        fetched of these is unknown, too, and another note says so."""
        spared = {*shown_only, *company}
        by = self.http.soon() if hurried else None
        calls = [partial(self.market, key, SHOWN_ONLY if key in spared else None, by) for key in keys]

        def made(found: Sequence[Any]) -> dict[Key, Market]:
            results = dict(zip(keys, found, strict=True))
            alone = [one for key, one in results.items() if key in shown_only or key not in company]
            self._note_unknown("the current cost is unknown", "auctions", alone)
            beside = [results[key] for key in company if key not in shown_only]
            self._note_unknown("what bids of one auction cost side by side is unknown", "quantities", beside)
            return {key: one if isinstance(one, Market) else Market(*key) for key, one in results.items()}

        raising = NO_CALL_STOPS if hurried else NO_CALL
        return Looks(made, (), [or_why(c, raising) if key in spared else c for key, c in zip(keys, calls, strict=True)])

    def _note_unknown(self, what: str, of: str, found: Iterable[object]) -> None:
        """One note, with the first reason, of all that could not be fetched."""
        errors = [one for one in found if isinstance(one, CloudError)]
        if errors:
            where = f" for {len(errors)} {of}" if len(errors) > 1 else ""
            self.note(f"{what}{where}: {errors[0]}")

    def with_one_more(self, markets: Mapping[Key, Market], more: Mapping[Key, Key]) -> dict[Key, Market]:
        """`markets`, in which those of `more` have the win price for one instance more as `next_win`: one call each.
        Nothing depends on it: what cannot be fetched is unknown."""
        asked = sorted({key for key in more.values() if key not in markets})
        answers = self.side_by_side([or_why(partial(self.market, key, SHOWN_ONLY), NO_CALL_STOPS) for key in asked])
        found = {**markets, **{key: one for key, one in zip(asked, answers, strict=True) if isinstance(one, Market)}}
        return {
            key: attrs.evolve(one, next_win=found[more[key]].win_price) if more.get(key) in found else one
            for key, one in markets.items()
        }

    def market(self, key: Key, tries: int | None = None, by: float | None = None) -> Market:
        """The auction of a key (instance type, region, quantity) as it is now, in dollars per instance-hour: one call,
        tried `tries` times (None: as often as any), `by` then (see `Transport.call`). What an auction that was
        withdrawn costs is unknown. Raises CloudError."""
        instance_type, region, quantity = key
        path = "/v2/pricing/current"
        query = {"instance_type": instance_type, "region": region, "instance_quantity": quantity}
        try:
            answer = self.http.call("GET", path, query=query, most=tries, by=by)
        except NotFound:  # the auction was withdrawn: what runs there has no price any more that anybody knows
            return Market(instance_type, region, quantity)
        row = fields.mapping(answer.data, path)
        with fields.answer_of(path):
            return self._market(key, row)

    def _market(self, key: Key, row: Mapping[str, Any]) -> Market:
        instance_type, region, quantity = key
        reported = partial(fields.reported, row, note=self.note)
        price = partial(reported, read=bounds.cents)
        if not any(name.endswith("_cents") for name in row):
            raise fields.Unfit("it has no price")
        return Market(
            instance_type,
            region,
            quantity,
            spot=price("spot_price_cents"),
            minimum=price("minimum_price_cents"),
            lowest_allocated=price("lowest_allocated_bid_cents"),
            win_price=price("dynamic_win_price_cents"),
            available=reported("available_capacity", read=bounds.count),
            total=reported("total_capacity", read=bounds.count),
            reserved=price("reserved_price_cents"),
            as_of=reading.rfc3339(self.http.server_time),
        )

    def pasts(
        self,
        auctions: Iterable[tuple[str, str]],
        since: datetime | None = None,
        *,
        shown_only: bool = False,
        hurried: bool = False,
    ) -> dict[tuple[str, str], Past]:
        """The price changes of the last 14 days (or `since` then) of each (instance type, region): one call a region.

        Of what the API has no history for, or gives none, nothing is in the answer: a forecast is then unknown. So it
        is, with a note, if it is only for show and could not be fetched.
        """
        return self.read(self.each_past(auctions, since, shown_only=shown_only, hurried=hurried))

    def each_past(
        self,
        auctions: Iterable[tuple[str, str]],
        since: datetime | None = None,
        *,
        shown_only: bool = False,
        hurried: bool = False,
    ) -> Looks[dict[tuple[str, str], Past]]:
        """The calls of `pasts`. `hurried`: as of `each_market`."""
        by = self.http.soon() if hurried else None
        types: dict[str, list[str]] = {}
        for instance_type, region in auctions:
            types.setdefault(region, []).append(instance_type)
        calls = [partial(self._pasts_in, region, sorted(kinds), since, by) for region, kinds in types.items()]

        def made(found: Sequence[Any]) -> dict[tuple[str, str], Past]:
            self._note_unknown("the cost over time is unknown", "regions", found)
            return {auction: past for part in found if isinstance(part, dict) for auction, past in part.items()}

        raising = NO_CALL_STOPS if hurried else NO_CALL
        return Looks(made, (), [or_why(call, raising) if shown_only else call for call in calls])

    def _pasts_in(
        self, region: str, types: Sequence[str], since: datetime | None, by: float | None
    ) -> dict[tuple[str, str], Past]:
        path = "/v2/pricing/history"
        query = {
            "instance_types": ",".join(types),
            "region": region,
            "num_samples": -1,
            "start_time": reading.rfc3339(since),
        }
        try:
            answer = self.http.call("GET", path, query=query, by=by)
        except CloudError as error:
            if not isinstance(error, (NotFound, Refused)) and error.status not in (404, 501):
                raise
            return {}
        row = fields.mapping(answer.data, path)
        with fields.answer_of(path):
            series = row.get("series")
            if not isinstance(series, list):
                raise fields.Unfit("it lacks the list 'series'")
            complete = row.get("complete", True) is True
            found = [self._past(fields.mapping(one, path), complete) for one in series]
        return {(past.instance_type, past.region): past for past in found if past is not None}

    def _past(self, row: Mapping[str, Any], complete: bool) -> Past | None:
        try:
            return reading.past(row, complete=complete)
        except fields.Unfit as error:
            self.note(f"unreadable past prices are left out: {error}")
            return None

    def billed(self, *, shown_only: bool = False) -> Bills:
        """What every instance of every bid of the project was billed so far: its periods of one price each. What cannot
        be read of one bid leaves the bills of all others as they are. `shown_only`: nothing depends on it, so it is not
        tried for long."""
        from flowplan.pricing.billing import Bills, each_once

        path, most = "/v2/instances/pricing/history", SHOWN_ONLY if shown_only else None
        pages = self.http.pages(path, {"project": self.project, "limit": PAGE}, rows="instances", most=most)
        found: list[Billed] = []
        unread: dict[str, str] = {}
        with fields.answer_of(path):
            for row in (row for page in pages for row in page if row.get("bid_fid")):
                bid = fields.text(row, "bid_fid")
                try:
                    for one in reading.billed(row):
                        found.append(one)  # what comes before an error is kept
                except CloudError as error:
                    unread[bid] = f"GET {path}: {error}"
        return Bills(each_once(found), unread)

    def steered(self, bids: Sequence[str]) -> dict[str, tuple[Steered, ...]]:
        """What was done to each bid, the first first: one call a bid. A bid that is unknown is left out, and so is one
        whose history cannot be read, which is noted: earlier forecasts alone are judged by it."""
        found = self.side_by_side([or_why(partial(self._steered, bid)) for bid in bids])
        self._note_unknown("what came of forecasts is unknown", "bids", found)
        return {bid: one for bid, one in zip(bids, found, strict=True) if isinstance(one, tuple)}

    def enders(self, bids: Sequence[str]) -> dict[str, Ender]:
        """Who ended each bid that is over, as its history says: somebody, or the cloud itself. One of which it does not
        say that is left out, and so is one whose history cannot be read, which is noted: it is never taken for the
        cloud's."""
        found = self.side_by_side([or_why(partial(self._ender, bid)) for bid in bids])
        self._note_unknown("who ended a bid is unknown", "bids", found)
        return {
            bid: one
            for bid, one in zip(bids, found, strict=True)
            if one is not None and not isinstance(one, CloudError)
        }

    def _ender(self, bid: str) -> Ender | None:
        path = f"/v2/spot/bids/{segment(bid)}/history"
        row = self.object_of("GET", path)
        with fields.answer_of(path):
            events = row.get("events")
            if not isinstance(events, list):
                raise fields.Unfit("it lacks the list 'events'")
            if row.get("bid_fid", bid) != bid:
                raise fields.Unfit("it is about another bid")
            return reading.ender([fields.mapping(event, path) for event in events])

    def _steered(self, bid: str) -> tuple[Steered, ...] | None:
        path = f"/v2/spot/bids/{segment(bid)}/history"
        try:
            row = self.object_of("GET", path)
        except NotFound:
            return None
        with fields.answer_of(path):
            events = row.get("events")
            if not isinstance(events, list):
                raise fields.Unfit("it lacks the list 'events'")
            rows = [fields.mapping(event, path) for event in events]
            return tuple(reading.steered(one) for one in rows if one.get("event_type") in reading.STEERING)

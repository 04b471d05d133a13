"""What is offered in the auctions somebody asks for: the price now, what one instance would pay, and what is ahead.
Pure: the prices are given. `flowplan market` shows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs

from flowplan.classes import frozen
from flowplan.diagnostics import Diagnostic, candidates
from flowplan.errors import ConfigError, UsageProblem
from flowplan.exact import exact
from flowplan.model.catalogue import Auction, Catalogue, InstanceType
from flowplan.model.near_types import type_hint
from flowplan.model.type_names import find_types, has_word, read_type_name
from flowplan.pricing.advice import AVAILABILITY, CONFIDENCE, Advice, advise_of
from flowplan.pricing.entry import EntryPrice, Estimate, Market, Outlook, at_any_limit, estimate, first_price
from flowplan.pricing.forecasting import Forecast, forecast_of
from flowplan.pricing.history import Stream
from flowplan.pricing.slices import Prices
from flowplan.printable import shown


@frozen
class Offer:
    """One auction, for one instance. `entry` and `ahead`: whatever it costs; `bid` and `forecast`: at the limit asked
    about; `past`: the price changes that are known. What is not known is None, or says so itself."""

    kind: InstanceType
    auction: Auction
    market: Market
    past: Prices
    entry: EntryPrice
    ahead: Forecast
    bid: Estimate | None = None
    forecast: Forecast | None = None
    advice: Advice | None = None

    @property
    @exact
    def per_gpu(self) -> Decimal | None:
        """Dollars per GPU-hour now; None for what has none, and where no price is known."""
        spot = self.market.spot
        return None if spot is None or not self.kind.gpus else spot / self.kind.gpus

    @property
    def runs_at_most(self) -> bool:
        """Whether `forecast` says the most that a bid at the limit would run: a forecast goes by the price, and by that
        of now the bid would run, but winning takes more than its limit."""
        spot, bid = self.market.spot, self.bid
        return bid is not None and bid.outlook == "waits" and spot is not None and spot <= bid.limit_price

    @property
    @exact
    def steady(self) -> Decimal | None:
        """Dollars of one instance over the hours ahead, did the price stay; None where no price is known."""
        return None if self.market.spot is None else self.market.spot * Decimal(str(self.ahead.hours))


def wanted(catalogue: Catalogue, types: Sequence[str], region: str | None) -> tuple[tuple[InstanceType, Auction], ...]:
    """What `types` mean: each spelt as in a task file, the name of a GPU (all its sizes), or the id of an auction. None
    given: everything. Raises ConfigError with what is near, UsageProblem for what can be no name."""
    problems: list[Diagnostic] = []
    if region is not None and region not in catalogue.regions:
        hint = candidates(region, catalogue.regions) or "there is no auction now"
        problems.append(Diagnostic("region-unknown", f"--region: there is no region {shown(region)}", hint))
    kinds: dict[str, InstanceType] = {}
    ids = [text for text in types if text.startswith("auc_")]
    problems += [one for one in (_no_auction(catalogue, id, region) for id in ids) if one is not None]
    for text in types:
        if text in ids:
            continue
        meant = _meant(catalogue, text)
        kinds |= {kind.id: kind for kind in meant}
        problem = _not_sold(catalogue, text, meant, None if problems else region)
        problems += [problem] if problem else []
    if problems:
        raise ConfigError(problems)
    return tuple(
        (_kind_of(catalogue, auction), auction)
        for auction in catalogue.auctions
        if region in (None, auction.region) and (not types or auction.instance_type in kinds or auction.id in ids)
    )


def _no_auction(catalogue: Catalogue, id: str, region: str | None) -> Diagnostic | None:
    """What is wrong with the id of an auction: there is none, or it is in another region."""
    found = next((auction for auction in catalogue.auctions if auction.id == id), None)
    if found is None:
        hint = "`flowplan market --format json` lists the ids"
        return Diagnostic("no-auction", f"there is no auction {shown(id)} now", hint)
    if region not in (None, found.region):
        return Diagnostic("no-auction", f"the auction {id} is in {found.region}", "leave out --region")
    return None


def _meant(catalogue: Catalogue, text: str) -> tuple[InstanceType, ...]:
    """The types of this name, else those with this GPU."""
    try:
        exact = find_types(read_type_name(text), catalogue.types)
    except ValueError as error:
        raise UsageProblem(str(error), hint=type_hint(text, catalogue.types)) from None
    return exact or tuple(kind for kind in catalogue.types if has_word(kind.gpu_type, text))


def _not_sold(catalogue: Catalogue, text: str, meant: Iterable[InstanceType], region: str | None) -> Diagnostic | None:
    """What is wrong with a type asked for: it does not exist, or nobody sells it (there)."""
    kinds = tuple(meant)
    if not kinds:
        hint = type_hint(text, catalogue.types)
        return Diagnostic("type-unknown", f"there is no instance type {shown(text)}", hint)
    sold = sorted({auction.region for kind in kinds for auction in catalogue.auctions_of(kind.id)})
    if not sold:
        return Diagnostic("no-auction", f"{shown(text)} has no auction now")
    if region is not None and region not in sold:
        return Diagnostic(
            "no-auction", f"{shown(text)} is not offered in {region}", f"it is offered in {', '.join(sold)}"
        )
    return None


def _kind_of(catalogue: Catalogue, auction: Auction) -> InstanceType:
    """Its type; of one that is not listed nothing is known but the id."""
    return catalogue.type(auction.instance_type) or InstanceType(auction.instance_type, auction.instance_type, "", 0)


@frozen
class View:
    """How the auctions are looked at: at `now`, over the next `hours`, `since` ago, at `limit` dollars per
    instance-hour."""

    now: datetime
    hours: float
    since: timedelta
    limit: Decimal | None = None

    @property
    def ago(self) -> float:
        """Hours."""
        return self.since / timedelta(hours=1)


@frozen
class Question:
    """What somebody wants to know of every auction: at `now`, over the next `hours`, at `limit` (dollars per
    instance-hour; None: at any), with `advice` on the limit or without."""

    now: datetime
    hours: float
    limit: Decimal | None = None
    advice: bool = True


def offer(
    kind: InstanceType, auction: Auction, market: Market | None, past: Prices, complete: bool, asked: Question
) -> Offer:
    """`market`: the prices for one instance, None where they could not be fetched: then the list of auctions says what
    it can. `complete`: no change of `past` is left out."""
    seen = _as_listed(market, auction)
    stream = Stream.of(past, asked.now, reserve=seen.minimum, complete=complete)
    entry = at_any_limit(seen)
    first = first_price(entry, stream.last)
    made = Offer(kind, auction, seen, past, entry, forecast_of(stream, None, 1, asked.hours, first))
    if asked.advice:
        advice = advise_of(stream, AVAILABILITY, CONFIDENCE, asked.hours, first)
        made = attrs.evolve(made, advice=advice)
    if asked.limit is None:
        return made
    bid = estimate(seen, asked.limit, 1, gpus=kind.gpus or None, paused=False, holding=False)
    then = first_price(bid.entry, stream.last)
    return attrs.evolve(made, bid=bid, forecast=forecast_of(stream, asked.limit, 1, asked.hours, then))


def _as_listed(market: Market | None, auction: Auction) -> Market:
    found = market or Market(auction.instance_type, auction.region, 1, lowest_allocated=auction.lowest_allocated)
    return found if found.spot is not None else attrs.evolve(found, spot=auction.last_price)


def outlook_of(offers: Iterable[Offer]) -> Outlook:
    """What a bid at the limit asked about would do where it fares best; "unknown" also where nothing is offered, or no
    limit was asked about. It can never win only where that is sure of every auction."""
    found = {one.bid.outlook for one in offers if one.bid is not None}
    order: tuple[Outlook, ...] = ("runs", "waits", "unknown", "cannot_win")
    return next((one for one in order if one in found), "unknown")


def by_type_and_price(offers: Iterable[Offer]) -> list[Offer]:
    """The sizes of a GPU one after the other; of each the cheapest region first, unknown prices last."""

    def key(one: Offer) -> Any:
        spot, kind = one.market.spot, one.kind
        return (kind.gpu_type, kind.gpus, kind.name, kind.id, spot is None, spot or 0, one.auction.region)

    return sorted(offers, key=key)

"""flowplan market."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
from attrs import frozen

from flowplan.cli import Command, options
from flowplan.cli.durations import Duration
from flowplan.errors import CloudError, FlowplanError, Unauthorized, UsageProblem
from flowplan.operations.settings import Session
from flowplan.printable import shown

if TYPE_CHECKING:
    from flowplan.cloud.fcp import Fcp
    from flowplan.cloud.rows import Past
    from flowplan.model.catalogue import Auction, InstanceType
    from flowplan.pricing import Market
    from flowplan.pricing.offers import Offer
    from flowplan.reports.text.market import View

T = TypeVar("T")
_NOTABLE = 1.0  # seconds: what takes longer says what it does
_WINDOW = timedelta(days=14)  # what a forecast looks back on
_TREND = timedelta(days=7)  # what a table's trend shows where nothing says otherwise


@click.command(cls=Command)
@click.argument("types", nargs=-1, metavar="[TYPE...]")
@click.option("--region", metavar="R", help="Only this region.")
@click.option("--limit", metavar="USD", help="What a bid at this limit would do: dollars per instance-hour.")
@click.option("--horizon", type=Duration(), default="24h", show_default=True, metavar="TIME", help="How far ahead.")
@click.option(
    "--history", type=Duration(), metavar="TIME", help="How far back the past is shown.  [default: 14d; a table: 7d]"
)
@click.option("--svg", metavar="FILE", help="Draw the past prices into FILE.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_context
def market(
    ctx: click.Context,
    types: tuple[str, ...],
    region: str | None,
    limit: str | None,
    horizon: str,
    history: str | None,
    svg: str | None,
    form: str,
) -> int:
    """Show what instances cost, will cost, and at which limit they keep running.

    TYPE is an instance type as in a task file, or a GPU (h100): all its sizes. With types, each auction is shown with
    its past and with advice on a limit; otherwise a line each. Needs no task file, and changes nothing.

    \b
    Exit codes: 0 done; 64 wrong usage; 65 there is no such type or region.
    """
    from flowplan.pricing.offers import by_type_and_price

    session = Session.of(ctx)
    hours = options.hours_of(horizon, "--horizon")
    since = None if history is None else timedelta(hours=options.hours_of(history, "--history"))
    asked = None if limit is None else _limit(limit)
    if svg is not None:
        from flowplan.reports.svg.market import BEGINS

        options.hold_writable(svg, "picture of flowplan", BEGINS.encode())
    notes: list[str] = []
    found, view = _look(session, types, region, _Asked(hours, since, asked, form == "json"), notes)
    offers = by_type_and_price(found)
    if svg is not None:
        _draw(session, svg, offers, view)
    for note in notes:
        session.terminal.note(note)
    if form == "json":
        from flowplan.documents.market import document
        from flowplan.documents.plan import dumps

        body = document(
            offers, view, timestamp=session.now(), api_url=session.api_url, notes=notes, history=since is not None
        )
        session.terminal.out(dumps(body), end="")
        return 0
    from flowplan.reports.text.market import card, table

    paint = session.terminal.paint
    text = "\n".join(card(one, view, paint) for one in offers) if types and offers else table(offers, view, paint)
    session.terminal.out(text, end="")
    return 0


def _limit(text: str) -> Decimal:
    from flowplan.model.budget import dollars

    try:
        found = dollars(text)
    except ValueError as error:
        raise UsageProblem(f"--limit: {shown(text)!r} is not an amount", hint=str(error)) from None
    if not found:
        raise UsageProblem("--limit: nothing is sold for nothing", hint="write it like 17.92: dollars an instance-hour")
    return found


@frozen
class _Asked:
    """What the options say: `hours` ahead, `since` when, at which `limit`; with `advice` on a limit in any case."""

    hours: float
    since: timedelta | None
    limit: Decimal | None
    advice: bool


def _look(
    session: Session, types: Sequence[str], region: str | None, asked: _Asked, notes: list[str]
) -> tuple[list[Offer], View]:
    """The auctions with their prices: two lists, one call an auction, one call a region. What could not be had is
    noted, and unknown."""
    from flowplan.pricing.offers import Question, offer, wanted
    from flowplan.reports.text.market import View

    cloud = session.cloud()
    meant = wanted(cloud.offered(), types, region)
    since = asked.since or (_WINDOW if types else _TREND)
    with _told_when_slow(session, f"asking for the prices of {len(meant)} auction{'s' if len(meant) != 1 else ''}..."):
        markets = _markets(cloud, meant, notes)
        now = cloud.now() or datetime.now(UTC)
        pasts = _pasts(cloud, meant, None if since <= _WINDOW else now - since, notes)
    question = Question(now, asked.hours, asked.limit, advice=bool(types) or asked.advice)
    offers = []
    for kind, auction in meant:
        key = (auction.instance_type, auction.region)
        past = pasts.get(key)
        known = ((), True) if past is None else (past.prices, past.complete)
        offers.append(offer(kind, auction, markets[key], *known, question))
    return offers, View(now, asked.hours, since, asked.limit)


def _markets(
    cloud: Fcp, auctions: Iterable[tuple[InstanceType, Auction]], notes: list[str]
) -> dict[tuple[str, str], Market | None]:
    """The prices for one instance in each; None, with a note, where they could not be had."""
    keys = [(auction.instance_type, auction.region) for _, auction in auctions]
    found = dict(
        zip(
            keys,
            cloud.side_by_side([partial(_or_error, partial(cloud.market, (*key, 1))) for key in keys]),
            strict=True,
        )
    )
    failed = {key: one for key, one in found.items() if isinstance(one, CloudError)}
    if failed:
        (kind, region), error = next(iter(failed.items()))
        more = f", and those of {len(failed) - 1} more" if len(failed) > 1 else ""
        notes.append(f"the prices of {kind} in {region}{more} could not be had: {error}")
    return found | dict.fromkeys(failed)


def _pasts(
    cloud: Fcp, auctions: Iterable[tuple[InstanceType, Auction]], since: datetime | None, notes: list[str]
) -> dict[tuple[str, str], Past]:
    """The past prices of each: 14 days, or `since` then. Of a region where they could not be had, a note."""
    regions: dict[str, list[tuple[str, str]]] = {}
    for _, auction in auctions:
        regions.setdefault(auction.region, []).append((auction.instance_type, auction.region))
    found = cloud.side_by_side([partial(_or_error, partial(cloud.pasts, keys, since)) for keys in regions.values()])
    failed = {region: one for region, one in zip(regions, found, strict=True) if isinstance(one, CloudError)}
    if failed:
        where, error = ", ".join(sorted(failed)), next(iter(failed.values()))
        notes.append(f"past prices in {where} could not be had: {error}; nothing is known of what is ahead there")
    return {key: past for part in found if not isinstance(part, CloudError) for key, past in part.items()}


def _or_error(call: Callable[[], T]) -> T | CloudError:
    """What came of a call, so that one which fails hides no other. Raises Unauthorized: then all would."""
    try:
        return call()
    except Unauthorized:
        raise
    except CloudError as error:
        return error


@contextmanager
def _told_when_slow(session: Session, text: str) -> Iterator[None]:
    """Says what is being done, once that takes long."""
    timer = threading.Timer(_NOTABLE, session.terminal.err, [text])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _draw(session: Session, path: str, offers: Sequence[Offer], view: View) -> None:
    """Write the picture. Raises FlowplanError when the file cannot be written."""
    from flowplan.reports.svg.market import svg

    try:
        Path(path).write_text(svg(offers, view), encoding="utf-8")
    except OSError as error:
        raise FlowplanError(f"{shown(path)} could not be written: {error.strerror}") from error
    session.terminal.note(f"drawn into {path}")

"""The simulator's auctions with their books -> text. What only the auctioneer sees."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from flowplan.documents.books import Auction, Books, Line
from flowplan.pricing.units import length
from flowplan.pricing.units import usd as _usd
from flowplan.printable import shown
from flowplan.reports.text.paint import Paint, apart, wrapped
from flowplan.reports.text.plot import PLOT_LINES, plot, sparkline
from flowplan.reports.text.tables import lined, room_beside

_BELOW = "         "


def text(found: Books, paint: Paint) -> str:
    """A line an auction; of one type alone its auctions in full. Ends in a newline."""
    if len({one.name for one in found.auctions}) > 1:
        said = _table(found.auctions, found.now, found.since, paint)
    else:
        said = "\n".join(_auction(one, found.now, found.since, found.depth, paint) for one in found.auctions)
    first = wrapped(
        f"{found.now:%Y-%m-%d %H:%M} UTC in the simulator; prices are per instance-hour", "", "", paint.width
    )
    return "\n".join([*first, "", said])


def _table(auctions: Sequence[Auction], now: datetime, since: timedelta, paint: Paint) -> str:
    """A line an auction: price now, reserve, what is free, its past, and your own bids in it."""
    title = f"last {length(since / timedelta(hours=1))}"
    titles = ["type and region", "price", "reserve", "free"]
    cells = [
        [
            f"{shown(one.name)} in {shown(one.region)}",
            _usd(one.price),
            _usd(one.minimum),
            f"{one.available}/{one.capacity}",
        ]
        for one in auctions
    ]
    room = room_beside([titles, *cells], paint.width, "") - len("  ")
    head, *rows = lined([titles, *cells], paint.width, "")
    lines = [paint(line, "bold") for line in ([f"{head[0]}  {title}"] if room >= len(title) else head)]
    for one, row in zip(auctions, rows, strict=True):
        drawn = sparkline(one.history, now - since, now, room, ascii=paint.ascii) if room >= len(title) else ""
        lines += [f"{row[0]}  {drawn}"] if drawn else row
    return "\n".join([*lines, *_own(auctions, paint)]) + "\n"


def _own(auctions: Sequence[Auction], paint: Paint) -> list[str]:
    """Your own bids, each once: a book is shown with every size of its pool."""
    lines = []
    for auction in auctions:
        for line in auction.book:
            if line.bid and line.instance_type == auction.name:
                what = f"{line.quantity} x {auction.name} in {auction.region}, limit {_usd(line.limit_price)}"
                name = [_state(line, paint), shown(line.bid[1]), f"({line.bid[0]})"]
                lines += apart(name, "  ", _BELOW, paint.width)
                lines += wrapped(what, _BELOW, _BELOW, paint.width)
    return ["", paint("your bids", "bold"), *lines] if lines else ["", "You have no bids in these auctions."]


def _state(line: Line, paint: Paint) -> str:
    return paint("wins ", "green") if line.winning else paint("waits", "yellow")


def _auction(one: Auction, now: datetime, since: timedelta, depth: int, paint: Paint) -> str:
    """An auction in full: its prices as a picture, and its book around the line between winners and losers."""
    lowest = "nobody wins" if one.lowest_allocated is None else f"lowest winning limit {_usd(one.lowest_allocated)}"
    lines = [
        f"{paint(one.name, 'bold')} in {one.region}",
        f"  {_usd(one.price)} per instance-hour now, reserve {_usd(one.minimum)}",
        f"  {lowest}, {one.available} of {one.capacity} free",
        "",
        *plot(
            one.history,
            now - since,
            now,
            width=paint.width,
            height=PLOT_LINES,
            ascii=paint.ascii,
            lines={"reserve": one.minimum},
        ),
        "",
        *_book(one, depth, paint),
    ]
    return "\n".join(lines) + "\n"


def _book(one: Auction, depth: int, paint: Paint) -> list[str]:
    """`depth` orders on either side of the cut, and your own wherever they are."""
    winners = [line for line in one.book if line.winning]
    losers = [line for line in one.book if not line.winning]
    if not one.book:
        return ["The book is empty."]
    shared = ": all sizes share the stock, limits compete per GPU" if _is_shared(one) else ""
    lines = wrapped(f"{len(winners)} winning, {len(losers)} waiting{shared}", "", "  ", paint.width)
    lines += _some(winners, len(winners) - depth, len(winners), "winning", paint)
    lines.append(paint(f"  {'-' * 20} winning above, waiting below", "dim"))
    lines += _some(losers, 0, depth, "waiting", paint)
    return lines


def _is_shared(one: Auction) -> bool:
    return any(line.instance_type != one.name for line in one.book)


def _some(lines: Sequence[Line], first: int, last: int, what: str, paint: Paint) -> list[str]:
    """Those from `first` to `last` and your own; for the others, their number."""
    made, hidden = [], 0
    for index, line in enumerate(lines):
        if first <= index < last or line.bid:
            made += _hidden(hidden, what, paint)
            hidden = 0
            made += _order(line, paint)
        else:
            hidden += 1
    return made + _hidden(hidden, what, paint)


def _hidden(count: int, what: str, paint: Paint) -> list[str]:
    return [paint(f"  ... {count} more {what}", "dim")] if count else []


def _order(line: Line, paint: Paint) -> list[str]:
    limit = f"{_usd(line.limit_price):>9} {_usd(line.limit_price / line.gpus):>9} a GPU"
    own = [paint("<- " + shown(line.bid[1]), "bold")] if line.bid else []
    what = f"{line.quantity:>3} x {line.instance_type}"
    return apart([_state(line, paint), limit, what, *own], "  ", _BELOW, paint.width)

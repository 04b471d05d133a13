"""The auctions as anybody sees them -> a table, or a card each. What only the auctioneer sees: book.py."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import groupby

from flowplan.cost.advised import is_far_above_need, kept_by, risk_of_lowering
from flowplan.documents.market import Auctions
from flowplan.pricing.entry import EntryPrice, Estimate, Market
from flowplan.pricing.forecasting import Band, Forecast
from flowplan.pricing.history import why_rough
from flowplan.pricing.notable import is_hardly_ever, lies_apart
from flowplan.pricing.offers import Offer, View
from flowplan.pricing.units import cents, length, per_instance, percent, span, usd
from flowplan.printable import shown
from flowplan.reports.text.paint import Paint, wrapped
from flowplan.reports.text.plot import PLOT_LINES, plot, sparkline
from flowplan.reports.text.tables import lined, room_beside

_BEFORE_TREND = "  "
_TREND = 8  # columns: a shorter trend says nothing
_LABEL = 13  # columns of what a line of a card is about
_NOW = {"runs": "wins", "waits": "loses", "cannot_win": "never"}


def text(found: Auctions, paint: Paint) -> str:
    """A card each where types were asked for, else a table."""
    if found.named and found.offers:
        return "\n".join(card(one, found.view, paint) for one in found.offers)
    return table(found.offers, found.view, paint)


def table(offers: Sequence[Offer], view: View, paint: Paint) -> str:
    """A line an auction, under its type."""
    if not offers:
        return "No auction is held now.\n"
    titles, rows = _titles(view), [_cells(one, view) for one in offers]
    room = room_beside([titles, *rows], paint.width) - len(_BEFORE_TREND)
    trend = _trend(view, room)
    head, *made = lined([titles, *rows], paint.width)
    if trend:
        head = [f"{head[0]}{_BEFORE_TREND}{trend}"]
    lines = [*_preface(offers, view, paint.width), "", *(paint(line, "bold") for line in head)]
    pairs = zip(offers, made, strict=True)
    for _, group in groupby(pairs, key=lambda pair: pair[0].kind):
        several = list(group)
        lines.append(_type_line(several[0][0], offers, paint))
        for one, row in several:
            drawn = sparkline(one.past, view.now - view.since, view.now, room, ascii=paint.ascii) if trend else ""
            lines += [f"{row[0]}{_BEFORE_TREND}{drawn}".rstrip()] if trend else row
    return "\n".join([*lines, *_legend(offers, view.hours)]) + "\n"


def _trend(view: View, room: int) -> str:
    """What is over the trends; "" where there is no room for them."""
    if room < _TREND:
        return ""
    return next((title for title in (f"last {length(view.ago)}", length(view.ago)) if len(title) <= room), "trend")


def _preface(offers: Sequence[Offer], view: View, width: int) -> list[str]:
    many = f"{len(offers)} auctions" if len(offers) > 1 else "1 auction"
    ahead = f"next {length(view.hours)}"
    said = (
        f"{many} at {view.now:%Y-%m-%d %H:%M} UTC. Prices are per instance-hour; {ahead}: what an hour costs on average"
        " over that time, in 8 of 10 cases."
    )
    lines = wrapped(said, "", "", width)
    if view.limit is not None:
        asked = f"At a limit of {usd(view.limit)}: whether one instance would win now, and how much of the {ahead}"
        lines += wrapped(f"{asked} it would run.", "", "", width)
    return lines


def _titles(view: View) -> list[str]:
    ahead = f"next {length(view.hours)}"
    if view.limit is None:
        return ["region", "price", "per GPU", "reserve", ahead, "free"]
    return ["region", "price", "reserve", ahead, "now", "runs", "free"]


def _cells(one: Offer, view: View) -> list[str]:
    market = one.market
    cells = [
        shown(one.auction.region),
        _short(market.spot),
        *([_short(one.per_gpu)] if view.limit is None else []),
        _short(market.minimum),
        _band(one.ahead),
    ]
    if view.limit is not None:
        cells += [_NOW.get(one.bid.outlook, "-") if one.bid else "-", _share(one)]
    free = "-" if market.available is None else str(market.available)
    return [*cells, free if market.total is None else f"{free}/{market.total}"]


def _type_line(one: Offer, offers: Sequence[Offer], paint: Paint) -> str:
    """The name and the machine; the id, too, where another type has the same name."""
    kind = one.kind
    twins = any(other.kind.name == kind.name and other.kind.id != kind.id for other in offers)
    about = "  ".join(filter(None, [what(one), kind.id if twins else ""]))
    return paint(shown(kind.name), "bold") + (f"  {paint(about, 'dim')}" if about else "")


def what(one: Offer) -> str:
    """The machine in words; "" where nothing is known of it."""
    kind = one.kind
    if not kind.gpus:
        return ""
    memory = f"{kind.gpu_memory_gb} GB" if kind.gpu_memory_gb else ""
    return " ".join(filter(None, [f"{kind.gpus} x", shown(kind.gpu_type), memory, shown(kind.gpu_socket)]))


def _legend(offers: Sequence[Offer], hours: float) -> list[str]:
    rough = any(one.ahead.is_rough for one in offers)
    unknown = any(one.ahead.basis == "unknown" or one.market.minimum is None for one in offers)
    said = ([f"~ rough: {why_rough(hours)}"] if rough else []) + (["- unknown"] if unknown else [])
    return ["", "; ".join(said)] if said else []


def _band(found: Forecast) -> str:
    paid = found.price_paid
    if paid.p10 is None or paid.p90 is None:
        return "-"
    mark = "~" if found.is_rough else ""
    low, high = usd(paid.p10), usd(paid.p90)
    return mark + (low if low == high else f"{low}-{high}")


def _share(one: Offer) -> str:
    found = one.forecast
    if found is None or found.availability.expected is None:
        return "-"
    return f"{'<=' if one.runs_at_most else ''}{percent(found.availability.expected)}"


def _short(amount: Decimal | None) -> str:
    return "-" if amount is None else usd(amount)


# ---- a card -----------------------------------------------------------------------------------------------


def card(one: Offer, view: View, paint: Paint) -> str:
    """All about one auction: now, what is ahead, a limit and what it does, advice, and a picture of the past."""
    about = what(one)
    title = paint(shown(one.kind.name), "bold") + f" in {shown(one.auction.region)}"
    lines = wrapped(f"{title} ({about})" if about else title, "", "  ", paint.width)
    for label, text in [*_now(one), *_ahead(one), *_at_limit(one), *_advice(one)]:
        lines += wrapped(text, f"  {label:<{_LABEL}}", " " * (_LABEL + 2), paint.width)
    picture = _picture(one, view, paint)
    return "\n".join([*lines, "", *(picture or ["    No past price is known, so there is nothing to draw."])]) + "\n"


def _now(one: Offer) -> list[tuple[str, str]]:
    """The prices of this moment, the stock, and what one instance would pay first."""
    market = one.market
    free, total = market.available, market.total
    stock = (
        "unknown"
        if free is None
        else str(free)
        if total is None
        else f"{free} of {total} instance{'' if total == 1 else 's'}"
    )
    pays = "a new bid pays the highest limit among the bids it pushes out"
    why = {
        "room": ": there is room, so the price stays",
        "displacing": f": the market is full; {pays}" if free is not None else f": if nothing is free, {pays}",
    }.get(one.entry.basis, "")
    return [
        ("price now", per_instance(market.spot, one.kind.gpus)),
        ("reserve", usd(market.minimum)),
        ("free", stock),
        ("to enter", _to_enter(one.entry) + why),
    ]


def _to_enter(entry: EntryPrice) -> str:
    """What one instance would pay first: a range where it pushes others out."""
    if entry.basis != "displacing" or entry.low == entry.high:
        return usd(entry.point)
    return f"about {usd(entry.point)} ({usd(entry.low)} to {usd(entry.high)})"


def _ahead(one: Offer) -> list[tuple[str, str]]:
    """What one that runs will pay, whatever the limit."""
    found = one.ahead
    label, paid = f"next {length(found.hours)}", found.price_paid
    if paid.p50 is None:
        return [(label, f"unknown: {found.evidence}")]
    said = f"{_about(paid)} per instance-hour at any limit"
    return [(label, said), ("", f"confidence {found.basis}: {found.evidence}")]


def _about(found: Band) -> str:
    """The expected value with its band, and how often it is in that."""
    middle = found.expected if found.expected is not None else found.p50
    if found.p10 is not None and found.p10 == found.p90:
        return usd(middle)
    band = f"{usd(found.p10)} to {usd(found.p90)}"
    if middle is None or found.p10 is None or found.p90 is None:
        return f"about {usd(middle)} ({band})"  # of the prices of now alone: how often is not known
    if lies_apart(middle, found.p10, found.p90):
        return f"{usd(middle)} on average ({band} in 8 of 10 cases)"
    return f"about {usd(middle)} ({band} in 8 of 10 cases)"


def _at_limit(one: Offer) -> list[tuple[str, str]]:
    """What a bid for one instance at the limit asked about would do."""
    bid, found = one.bid, one.forecast
    if bid is None or found is None:
        return []
    label = f"at {usd(bid.limit_price)}"
    if bid.outlook == "cannot_win":
        return [(label, f"never wins: {_why_never(bid, one.market)}")]
    win = bid.entry.low if bid.entry.basis == "losing" else None
    most = "at most " if bid.entry.is_most else ""
    now = {
        "runs": f"wins now, for {most}{usd(bid.now)} an hour",
        "waits": f"would wait now: the smallest limit that wins is {usd(win)}",
    }.get(bid.outlook, "whether it would win now is unknown")
    lines = [(label, now), ("", _runs(found, "at most " if one.runs_at_most else ""))]
    if one.runs_at_most:
        lines.append(("", "the forecast counts each hour in which the price is within the limit, this one too"))
    if found.cost.p50 is not None:
        lines.append(("", f"{_about(found.cost)} over {span(found.hours)}, at most {usd(found.worst_case)}"))
    if one.advice is not None and is_far_above_need(bid, one.advice):
        lines.append(
            ("", "far above what it needs, and right if it is worth that: you are charged the price, not the limit")
        )
        lines.append(("", risk_of_lowering(one.advice)))
    return lines


def _why_never(bid: Estimate, market: Market) -> str:
    if bid.entry.basis == "too_large":
        return "the auction has no instance"
    return f"the limit is below the reserve of {usd(market.minimum)}"


def _runs(found: Forecast, most: str) -> str:
    share, often = found.availability, found.preemptions_per_day.expected
    if share.expected is None:
        return "how much of the time it would run is unknown"
    band = (
        ""
        if share.p10 == share.p90 or share.p10 is None or share.p90 is None
        else (f" ({percent(share.p10)} to {percent(share.p90)} in 8 of 10 cases)")
    )
    return f"runs {most}{percent(share.expected)} of {span(found.hours)}{band}, {_preempted(often)}"


def _preempted(often: Decimal | None) -> str:
    if often is None:
        return "how often it would be preempted is unknown"
    if is_hardly_ever(often):
        return "hardly ever preempted"
    return f"preempted {often:.1f} times a day"


def _advice(one: Offer) -> list[tuple[str, str]]:
    """The smallest limit that keeps it running, and what that costs, beside the limit asked about or the price now."""
    advice = one.advice
    if advice is None:
        return []
    found = advice.forecast
    if found is None:
        return [("advice", f"none: {advice.evidence}")]
    often = _preempted(found.preemptions_per_day.expected)
    said = f"{often}; {_about(found.cost)} over {span(found.hours)}{_compared(one)}"
    return [("advice", kept_by(advice)), ("", said)]


def _compared(one: Offer) -> str:
    """What the limit advised costs beside the one asked about or, without one, beside the price now."""
    found = one.advice.forecast.cost.expected if one.advice is not None and one.advice.forecast is not None else None
    if one.bid is None or one.forecast is None or one.bid.outlook == "cannot_win":
        if one.steady is None:
            return ""
        same = found is not None and cents(found) == cents(one.steady)
        return ", as at the price now" if same else f"; at the price now it would be {usd(one.steady)}"
    asked, than = one.forecast.cost.expected, f"at {usd(one.bid.limit_price)}"
    if found is None or asked is None:
        return ""
    more = cents(found) - cents(asked)  # both are shown, to the cent
    return f", {usd(abs(more))} {'more' if more > 0 else 'less'} than {than}" if more else f", as {than}"


def _picture(one: Offer, view: View, paint: Paint) -> list[str]:
    lines = lines_across(one)
    start = view.now - view.since
    return plot(one.past, start, view.now, width=paint.width, height=PLOT_LINES, ascii=paint.ascii, lines=lines)


def lines_across(one: Offer) -> dict[str, Decimal]:
    """What is drawn across a picture of the prices: the reserve, and the limit asked about."""
    found = {} if one.market.minimum is None else {"reserve": one.market.minimum}
    return found if one.bid is None else {**found, "limit": one.bid.limit_price}

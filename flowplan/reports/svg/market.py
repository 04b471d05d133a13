"""Prices of auctions -> one SVG file, a panel each. It stands alone: no script, no font, nothing fetched; light or dark
as the reader's system is; what it shows is said in words, too."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from html import escape

from attrs import frozen

from flowplan.pricing.offers import Offer, View
from flowplan.pricing.slices import from_then_on, slices
from flowplan.pricing.units import length, usd
from flowplan.printable import shown
from flowplan.reports.svg.colours import Colour, style
from flowplan.reports.text.market import lines_across, what
from flowplan.reports.text.plot import is_near

BEGINS = '<svg id="flowplan-market"'  # by this a file is known for one written here
_WIDTH, _HEIGHT = 880, 330  # of a panel, in pixels
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 124, 64, 56  # around the plot
_STEPS = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))  # between two labels, times a power of ten
_PRICES = 5  # about as many labels
_TIMES = 8  # at most so many labels
_HOURS = (1, 3, 6, 12, 24, 48, 96, 168, 336, 720, 2160, 8760)  # between two labels
_LABEL = 14  # pixels that two labels need

_COLOURS = {
    "grid": Colour("#dfe3e8", "#2b323b"),
    "price": Colour("#0a5bc4", "#62acff"),
    "limit": Colour("#a8480a", "#f29149"),
}
_RULES = """
    text { fill: $soft } .title { fill: $ink; font-size: 17px; font-weight: 600 }
    .ground { fill: $ground } .grid { stroke: $grid }
    .price { fill: none; stroke: $price; stroke-width: 1.6; stroke-linejoin: round }
    .under { fill: $price; opacity: .13 } .now { fill: $price } text.now { font-weight: 600 }
    .reserve, .limit { stroke-width: 1.4; stroke-dasharray: 6 4 }
    .reserve { stroke: $soft } .limit { stroke: $limit; stroke-dasharray: 2 3 }
    text.limit { fill: $limit; stroke: none } text.reserve { stroke: none }
    .right { text-anchor: end } .middle { text-anchor: middle }
"""


def svg(offers: Sequence[Offer], view: View) -> str:
    """The whole file. Of an auction without a known price a panel says so."""
    height = _HEIGHT * len(offers)
    many = f"{len(offers)} auctions" if len(offers) != 1 else _name(offers[0])
    parts = [
        f'{BEGINS} xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}"'
        f' viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="title desc">',
        f'<title id="title">{_text(f"Prices of {many} over the last {length(view.ago)}")}</title>',
        f'<desc id="desc">{_text(" ".join(_in_words(one, view) for one in offers), 20_000)}</desc>',
        f"<style>{style(_RULES, _COLOURS)}</style>",
        f'<rect class="ground" width="{_WIDTH}" height="{height}"/>',
    ]
    for number, one in enumerate(offers):
        parts += [f'<g transform="translate(0 {number * _HEIGHT})">', *_panel(one, view), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _text(text: str, limit: int = 120) -> str:
    """Fit to stand in XML, whatever it came from."""
    return escape(shown(text, limit))


def _name(one: Offer) -> str:
    return f"{one.kind.name} in {one.auction.region}"


def _in_words(one: Offer, view: View) -> str:
    """The picture in words."""
    whole = slices(one.past, view.now - view.since, view.now, 1)[0]
    if whole is None:
        return f"{_name(one)}: no price is known."
    lines = "".join(f", {name} {usd(price)}" for name, price in lines_across(one).items())
    return (
        f"{_name(one)}, dollars per instance-hour: from {usd(whole.least)} to {usd(whole.greatest)},"
        f" {usd(whole.mean)} on average, {usd(one.past[-1][1])} now{lines}."
    )


@frozen
class _Frame:
    """Where prices and times are, in pixels of a panel."""

    start: datetime
    end: datetime
    top: Decimal

    def x(self, at: datetime) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * ((at - self.start) / (self.end - self.start))

    def y(self, price: Decimal) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * float(price / self.top)


def _panel(one: Offer, view: View) -> Iterator[str]:
    start = view.now - view.since
    whole = slices(one.past, start, view.now, 1)[0]
    yield f'<text class="title" x="24" y="30">{_text(_name(one))}</text>'
    yield f'<text x="24" y="49">{_text(_subtitle(one, view))}</text>'
    if whole is None:
        yield f'<text class="middle" x="{_WIDTH / 2}" y="{_HEIGHT / 2}">no price is known</text>'
        return
    lines = lines_across(one)
    greatest = max(whole.greatest, *(price for price in lines.values() if is_near(price, whole.greatest)), Decimal(0))
    step = _step_of(greatest)
    frame = _Frame(start, view.now, step * (math.floor(greatest / step) + 1))
    yield from _price_axis(frame, step)
    yield from _time_axis(frame)
    yield from _course(one, frame)
    yield from _lines(one, frame)


def _subtitle(one: Offer, view: View) -> str:
    about = what(one)
    return (
        f"{about + ', ' if about else ''}spot price of the last {length(view.ago)}, until {view.now:%Y-%m-%d %H:%M} UTC"
    )


def _step_of(greatest: Decimal) -> Decimal:
    """A round number of dollars between two labels."""
    wanted = max(greatest, Decimal("0.01")) / _PRICES
    power = Decimal(10) ** wanted.adjusted()
    return next(step * power for step in _STEPS if step * power >= wanted)


def _price_axis(frame: _Frame, step: Decimal) -> Iterator[str]:
    places = max(2, -int(step.normalize().as_tuple().exponent)) if step % 1 else 0
    for number in range(int(frame.top / step) + 1):
        price = step * number
        y = f"{frame.y(price):.1f}"
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
        yield f'<text class="right" x="{_LEFT - 8}" y="{y}" dy=".35em">${price:,.{places}f}</text>'
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    yield f'<text class="middle" transform="translate(18 {middle}) rotate(-90)">dollars per instance-hour</text>'


def _time_axis(frame: _Frame) -> Iterator[str]:
    bottom = _HEIGHT - _BOTTOM
    hours = (frame.end - frame.start) / timedelta(hours=1)
    every = next((step for step in _HOURS if hours / step <= _TIMES), _HOURS[-1])
    form = "%d %b" if every >= 24 else "%H:%M"
    at = frame.start.replace(hour=0, minute=0, second=0, microsecond=0)
    while at <= frame.end:
        if at >= frame.start:
            x = f"{frame.x(at):.1f}"
            said = f"{at:%d %b}" if at.hour == 0 else f"{at:{form}}"
            yield f'<line class="grid" x1="{x}" x2="{x}" y1="{_TOP}" y2="{bottom}"/>'
            yield f'<text class="middle" x="{x}" y="{bottom + 20}">{said}</text>'
        at += timedelta(hours=every)
    yield f'<text class="middle" x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{bottom + 42}">time, UTC</text>'


def _course(one: Offer, frame: _Frame) -> Iterator[str]:
    """The price as steps, and what is under it."""
    kept = from_then_on(one.past, frame.start)
    first_x, first_y = frame.x(kept[0][0]), frame.y(kept[0][1])
    path = f"M{first_x:.1f} {first_y:.1f}" + "".join(
        f"H{frame.x(at):.1f}V{frame.y(price):.1f}" for at, price in kept[1:]
    )
    path += f"H{frame.x(frame.end):.1f}"
    bottom = _HEIGHT - _BOTTOM
    yield f'<path class="under" d="{path}V{bottom}H{first_x:.1f}Z"/>'
    yield f'<path class="price" d="{path}"/>'
    yield f'<circle class="now" cx="{frame.x(frame.end):.1f}" cy="{frame.y(kept[-1][1]):.1f}" r="3.5"/>'


def _lines(one: Offer, frame: _Frame) -> Iterator[str]:
    """The reserve and the limit across, and beside them, none over another, their names and the price now."""
    labels = [("now", one.past[-1][1], f"now {usd(one.past[-1][1])}")]
    for name, price in lines_across(one).items():
        above = price > frame.top
        labels.append((name, min(price, frame.top), f"{name} {usd(price)}{' ↑' if above else ''}"))
        if not above:
            at = f"{frame.y(price):.1f}"
            yield f'<line class="{name}" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at}" y2="{at}"/>'
    lowest = float(_HEIGHT - _BOTTOM + _LABEL)
    for name, price, said in sorted(labels, key=lambda label: label[1]):
        y = min(frame.y(price), lowest - _LABEL)
        yield f'<text class="{name}" x="{_WIDTH - _RIGHT + 10}" y="{y:.1f}" dy=".35em">{said}</text>'
        lowest = y

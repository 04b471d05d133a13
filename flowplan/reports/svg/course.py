"""The prices of one auction as a picture: a panel of an SVG file, or of a page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from flowplan.classes import frozen
from flowplan.pricing.slices import Prices, from_then_on, slices
from flowplan.pricing.units import length, on_axis, usd
from flowplan.reports.svg.colours import Colour, fit

_WIDTH, _HEIGHT = 880, 330  # of a panel, in pixels
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 124, 64, 56  # around the plot
_STEPS = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))  # between two labels, times a power of ten
_PRICES = 5  # about as many labels
_TIMES = 8  # at most so many labels
_HOURS = (1, 3, 6, 12, 24, 48, 96, 168, 336, 720, 2160, 8760)  # between two labels
_FAR = 3  # times the greatest price: a line further up would press the prices flat
_LABEL = 14  # pixels that two labels need

COLOURS = {
    "grid": Colour("#dfe3e8", "#2b323b"),
    "price": Colour("#0a5bc4", "#62acff"),
    "limit": Colour("#a8480a", "#f29149"),
}
RULES = """
    text { fill: $soft } .title { fill: $ink; font-size: 17px; font-weight: 600 }
    .ground { fill: $ground } .grid { stroke: $grid }
    .price { fill: none; stroke: $price; stroke-width: 1.6; stroke-linejoin: round }
    .under { fill: $price; opacity: .13 } .now { fill: $price } text.now { font-weight: 600 }
    .reserve, .limit { stroke-width: 1.4; stroke-dasharray: 6 4 }
    .reserve { stroke: $soft } .limit { stroke: $limit; stroke-dasharray: 2 3 }
    text.limit { fill: $limit; stroke: none } text.reserve { stroke: none }
    .right { text-anchor: end } .middle { text-anchor: middle }
"""
PANEL = (_WIDTH, _HEIGHT)


@frozen
class Course:
    """What is drawn of an auction: its prices from `start` to `now`. `about`: the machine in words, "" where nothing is
    known of it; `lines`: what is drawn across, with its name: the reserve, and limits."""

    name: str
    about: str
    past: Prices
    start: datetime
    now: datetime
    lines: Sequence[tuple[str, Decimal]]

    @property
    def ago(self) -> float:
        """Hours."""
        return (self.now - self.start) / timedelta(hours=1)


def in_words(one: Course) -> str:
    """The picture in words."""
    whole = slices(one.past, one.start, one.now, 1)[0]
    if whole is None:
        return f"{one.name}: no price is known."
    lines = "".join(f", {name} {usd(price)}" for name, price in one.lines)
    return (
        f"{one.name}, dollars per instance-hour: from {usd(whole.least)} to {usd(whole.greatest)},"
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


def panel(one: Course) -> Iterator[str]:
    """The picture: PANEL pixels wide and high, from 0 0."""
    whole = slices(one.past, one.start, one.now, 1)[0]
    yield f'<text class="title" x="24" y="30">{fit(one.name, 120)}</text>'
    yield f'<text x="24" y="49">{fit(_subtitle(one))}</text>'
    if whole is None:
        yield f'<text class="middle" x="{_WIDTH / 2}" y="{_HEIGHT / 2}">no price is known</text>'
        return
    near = (price for _, price in one.lines if price <= whole.greatest * _FAR)
    greatest = max(whole.greatest, *near, Decimal(0))
    step = _step_of(greatest)
    frame = _Frame(one.start, one.now, step * (math.floor(greatest / step) + 1))
    yield from _price_axis(frame, step)
    yield from _time_axis(frame)
    yield from _course(one, frame)
    yield from _lines(one, frame)


def _subtitle(one: Course) -> str:
    about = f"{one.about}, " if one.about else ""
    return f"{about}spot price of the last {length(one.ago)}, until {one.now:%Y-%m-%d %H:%M} UTC"


def _step_of(greatest: Decimal) -> Decimal:
    """A round number of dollars between two labels."""
    wanted = max(greatest, Decimal("0.01")) / _PRICES
    power = Decimal(10) ** wanted.adjusted()
    return next(step * power for step in _STEPS if step * power >= wanted)


def _price_axis(frame: _Frame, step: Decimal) -> Iterator[str]:
    for number in range(int(frame.top / step) + 1):
        price = step * number
        y = f"{frame.y(price):.1f}"
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
        yield f'<text class="right" x="{_LEFT - 8}" y="{y}" dy=".35em">{on_axis(price, step)}</text>'
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


def _course(one: Course, frame: _Frame) -> Iterator[str]:
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


def _lines(one: Course, frame: _Frame) -> Iterator[str]:
    """The reserve and the limits across, and beside them, none over another, their names and the price now."""
    labels = [("now", one.past[-1][1], f"now {usd(one.past[-1][1])}")]
    for name, price in one.lines:
        above, kind = price > frame.top, _kind(name)
        labels.append((kind, min(price, frame.top), f"{name} {usd(price)}{' ↑' if above else ''}"))
        if not above:
            at = f"{frame.y(price):.1f}"
            yield f'<line class="{kind}" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at}" y2="{at}"/>'
    lowest = float(_HEIGHT - _BOTTOM + _LABEL)
    for kind, price, said in sorted(labels, key=lambda label: label[1]):
        y = min(frame.y(price), lowest - _LABEL)
        yield f'<text class="{kind}" x="{_WIDTH - _RIGHT + 10}" y="{y:.1f}" dy=".35em">{said}</text>'
        lowest = y


def _kind(name: str) -> str:
    """How a line is drawn."""
    return "reserve" if name == "reserve" else "limit"

"""Past prices -> a picture that stands by itself: SVG without scripts, light or dark as its reader is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from html import escape
from math import floor, log10

from flowplan.errors import shown
from flowplan.offers import Offer
from flowplan.pricing import usd
from flowplan.reports.amounts import length
from flowplan.reports.market_text import View, lines_across
from flowplan.reports.plot import from_then_on, is_near

_WIDTH, _PANEL = 860, 260  # of the picture; the height of one auction
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 100, 48, 40  # what is left free around the prices of one
_TICKS = 4

_STYLE = """
  svg { color-scheme: light dark; font: 13px system-ui, sans-serif; background: var(--paper);
        --paper: #ffffff; --ink: #1f2328; --faint: #6e7781; --rule: #d8dee4; --price: #0969da; --area: #0969da22;
        --reserve: #57606a; --limit: #bc4c00; }
  @media (prefers-color-scheme: dark) { svg { --paper: #0d1117; --ink: #e6edf3; --faint: #8b949e; --rule: #30363d;
        --price: #58a6ff; --area: #58a6ff22; --reserve: #8b949e; --limit: #f0883e; } }
  text { fill: var(--ink); } .faint { fill: var(--faint); font-size: 11px; } .title { font-weight: 600; }
  .rule { stroke: var(--rule); } .price { stroke: var(--price); fill: none; stroke-width: 1.6; }
  .area { fill: var(--area); } .reserve { stroke: var(--reserve); stroke-dasharray: 2 3; }
  .limit { stroke: var(--limit); stroke-dasharray: 6 4; } text.limit { fill: var(--limit); stroke: none; }
  text.reserve { fill: var(--reserve); stroke: none; }
"""


def svg(offers: Sequence[Offer], view: View) -> str:
    """The past of every auction, one below the other, with its reserve and the limit asked about."""
    height = max(len(offers), 1) * _PANEL
    told = f"Prices of {len(offers)} auctions over the last {length(view.ago)}, in dollars per instance-hour"
    panels = "".join(_panel(one, view, n * _PANEL) for n, one in enumerate(offers))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img" aria-labelledby="title description">\n'
        f'<title id="title">{_text(told)}</title>\n'
        f'<desc id="description">{_text("; ".join(_said(one) for one in offers) or "No auction is held.")}</desc>\n'
        f"<style>{_STYLE}</style>\n{panels}</svg>\n"
    )


def _text(text: str) -> str:
    return escape(shown(text, 2000))


def _name(one: Offer) -> str:
    return f"{one.kind.name} in {one.auction.region}"


def _said(one: Offer) -> str:
    low, high = (min(prices), max(prices)) if (prices := [price for _, price in one.past]) else (None, None)
    return f"{_name(one)}: {usd(one.market.spot)} now, {usd(low)} to {usd(high)} in the past that is known"


def _panel(one: Offer, view: View, top: int) -> str:
    start, end = view.now - view.since, view.now
    points = from_then_on(one.past, start)
    title = f'<text class="title" x="{_LEFT}" y="20">{_text(_name(one))}</text>'
    now = f'<text class="faint" x="{_LEFT}" y="37">{_text(f"{usd(one.market.spot)} an instance-hour now")}</text>'
    parts = [title, now, *(_drawn(points, one, start, end) if points else [_nothing()])]
    return f'<g transform="translate(0 {top})">\n' + "\n".join(parts) + "\n</g>\n"


def _nothing() -> str:
    return f'<text class="faint" x="{_LEFT}" y="{_PANEL // 2}">No past price is known.</text>'


def _drawn(points: Sequence[tuple[datetime, Decimal]], one: Offer, start: datetime, end: datetime) -> Iterator[str]:
    greatest = max(price for _, price in points)
    across = {name: price for name, price in lines_across(one).items() if is_near(price, greatest)}
    ticks = _ticks(max([greatest, *across.values()]))
    top = float(ticks[-1])

    def x(at: datetime) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * ((at - start) / (end - start))

    def y(price: Decimal) -> float:
        return _PANEL - _BOTTOM - (_PANEL - _TOP - _BOTTOM) * float(price) / top

    for tick in ticks:
        yield f'<line class="rule" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        yield f'<text class="faint" text-anchor="end" x="{_LEFT - 8}" y="{y(tick) + 4:.1f}">{usd(tick)}</text>'
    for at in _days(start, end):
        yield f'<text class="faint" text-anchor="middle" x="{x(at):.1f}" y="{_PANEL - 20}">{at:%d %b}</text>'
    steps = _steps([(x(at), y(price)) for at, price in points], x(end))
    yield f'<path class="area" d="{steps} V{y(Decimal(0)):.1f} H{x(points[0][0]):.1f} Z"/>'
    yield f'<path class="price" d="{steps}"/>'
    for name, price in across.items():
        yield f'<line class="{name}" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(price):.1f}" y2="{y(price):.1f}"/>'
    for name, height in _apart({name: y(price) for name, price in across.items()}).items():
        place = f'x="{_WIDTH - _RIGHT + 6}" y="{height + 4:.1f}" font-size="11"'
        yield f'<text class="{name}" {place}>{name} {usd(across[name])}</text>'


def _steps(points: Sequence[tuple[float, float]], end: float) -> str:
    """A price holds until the next."""
    (first_x, first_y), *others = points
    moves = "".join(f" H{x:.1f} V{y:.1f}" for x, y in others)
    return f"M{first_x:.1f} {first_y:.1f}{moves} H{end:.1f}"


def _apart(heights: dict[str, float]) -> dict[str, float]:
    """Labels that do not lie on each other."""
    placed: dict[str, float] = {}
    for name, height in sorted(heights.items(), key=lambda one: one[1]):
        placed[name] = max([height, *(other + 14 for other in placed.values())])
    return placed


def _ticks(greatest: Decimal) -> list[Decimal]:
    """Round prices from 0 to just above the greatest."""
    rough = float(greatest) * 1.05 / _TICKS or 1.0
    unit = 10 ** floor(log10(rough))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= rough)
    exact = Decimal(str(round(step, 4)))
    count = int(greatest * Decimal("1.05") / exact) + 1
    return [exact * n for n in range(count + 1)]


def _days(start: datetime, end: datetime) -> Iterator[datetime]:
    """At most eight midnights."""
    day = start.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    every = max(1, -(-(end - start).days // 8))
    while day <= end:
        yield day
        day += timedelta(days=every)

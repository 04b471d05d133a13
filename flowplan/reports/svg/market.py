"""Prices of auctions -> one SVG file, a panel each. It stands alone: no script, no font, nothing fetched; light or dark
as the reader's system is; what it shows is said in words, too."""

from __future__ import annotations

from collections.abc import Sequence

from flowplan.pricing.offers import Offer, View
from flowplan.pricing.units import length
from flowplan.reports.svg.colours import fit, style
from flowplan.reports.svg.course import COLOURS, PANEL, RULES, Course, in_words, panel
from flowplan.reports.text.market import lines_across, what

BEGINS = '<svg id="flowplan-market"'  # by this a file is known for one written here


def svg(offers: Sequence[Offer], view: View) -> str:
    """The whole file. Of an auction without a known price a panel says so."""
    courses = [_course(one, view) for one in offers]
    width, each = PANEL
    height = each * len(offers)
    many = f"{len(offers)} auctions" if len(offers) != 1 else courses[0].name
    parts = [
        f'{BEGINS} xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" role="img" aria-labelledby="title desc">',
        f'<title id="title">{fit(f"Prices of {many} over the last {length(view.ago)}")}</title>',
        f'<desc id="desc">{fit(" ".join(map(in_words, courses)), 20_000)}</desc>',
        f"<style>{style(RULES, COLOURS)}</style>",
        f'<rect class="ground" width="{width}" height="{height}"/>',
    ]
    for number, one in enumerate(courses):
        parts += [f'<g transform="translate(0 {number * each})">', *panel(one), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _course(one: Offer, view: View) -> Course:
    name = f"{one.kind.name} in {one.auction.region}"
    return Course(name, what(one), one.past, view.now - view.since, view.now, [*lines_across(one).items()])

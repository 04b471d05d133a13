"""The pictures of a page about a plan: its graph, and the past prices of its auctions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from markupsafe import Markup

from flowplan.classes import frozen
from flowplan.documents.graph import Node
from flowplan.documents.plan_graph import folded, graph_of_plan
from flowplan.pricing.history import WINDOW
from flowplan.reports.html.changes import anchors_of, kind_of
from flowplan.reports.svg.colours import fit
from flowplan.reports.svg.course import PANEL, Course, in_words, panel
from flowplan.reports.svg.graph import inline, legend_of
from flowplan.reports.svg.nodes import Look

if TYPE_CHECKING:
    from flowplan.documents.shapes.plan import Entry, PastPrices, PlanBody

_LARGEST = 400  # nodes of a picture that somebody still reads
_SMALL = 40  # nodes of one that is shown without being asked for
_LIMITS = 3  # limits of one auction that are drawn; of more, the lowest and the highest
_WORDS = {
    "delete": "destroy",
    "replace": "replace",
    "update": "update",
    "import": "import",
    "forget": "forget",
    "create": "create",
}


@frozen
class GraphPicture:
    """`svg` is None where the graph is too large to be drawn. `nodes`: how many resources it shows."""

    svg: Markup | None
    nodes: int
    legend: Sequence[str]
    is_open: bool


@frozen
class CoursePicture:
    """The past prices of one auction; `words`: what the picture shows."""

    svg: Markup
    name: str
    words: str


def graph_picture(entries: Sequence[Entry]) -> GraphPicture | None:
    """The graph of a plan, what is alike as one node; None where nothing is in it."""
    graph = graph_of_plan(entries)
    if not graph.users:
        return None
    kinds = {entry["address"]: kind_of(entry) for entry in entries}
    anchors = anchors_of(entries)
    found = folded(graph, lambda node: kinds.get(node.address, "same"))
    looks = {node: _look(members, kinds, anchors) for node, members in found.members.items()}
    legend = [line for line in legend_of(found.graph) if line]
    if any(len(members) > 1 for members in found.members.values()):
        legend.append("Where many are alike, one shape stands for all of them.")
    size = len(found.members)
    made = None if size > _LARGEST else Markup(inline(found.graph, looks, "drawing"))  # noqa: S704 - its texts are fit
    return GraphPicture(made, len(graph.users), legend, is_open=size <= _SMALL)


def _look(members: Sequence[Node], kinds: dict[str, str], anchors: dict[str, str]) -> Look:
    """The style of what happens to it, in words beside what it is, and where it is listed."""
    first = members[0]
    kind = kinds.get(first.address, "same")
    what = "attached" if first.attached else first.address.partition(".")[0]
    many = "" if len(members) == 1 else f"{len(members):,} × "
    done = f" · {_WORDS[kind]}" if kind in _WORDS else ""
    link = f"#{anchors[first.address]}" if kind in _WORDS else None
    return Look(kind, f"{many}{what}{done}", link)


def course_pictures(body: PlanBody) -> list[CoursePicture]:
    """The past prices of each auction in which the plan has bids, with their limits."""
    found = []
    for number, past in enumerate(body.get("price_history", ())):
        course = _course(past, body["resource_changes"])
        found.append(CoursePicture(_drawn(course, number), course.name, in_words(course)))
    return found


def _course(past: PastPrices, entries: Iterable[Entry]) -> Course:
    now = datetime.fromisoformat(past["until"])
    times = (datetime.fromisoformat(at) for at in past["timestamps"])
    reserve = [] if past["reserve"] is None else [("reserve", Decimal(past["reserve"]))]
    return Course(
        name=f"{past['instance_type_name']} in {past['region']}",
        about="",
        past=[*zip(times, map(Decimal, past["spot_prices"]), strict=True)],
        start=now - timedelta(hours=WINDOW),
        now=now,
        lines=reserve + _limits(past, entries),
    )


def _limits(past: PastPrices, entries: Iterable[Entry]) -> list[tuple[str, Decimal]]:
    """The limits of the bids that are in this auction afterwards, each once; of many the lowest and the highest."""
    auction = (past["instance_type"], past["region"])
    bids = [one["change"]["after"] for one in entries if one["type"] == "bid"]
    limits = sorted(
        {
            Decimal(bid["limit_price"])
            for bid in bids
            if bid and bid["limit_price"] and auction == (bid["instance_type"], bid["region"])
        }
    )
    if len(limits) > _LIMITS:
        return [("limit from", limits[0]), ("limit to", limits[-1])]
    return [("limit", limit) for limit in limits]


def _drawn(course: Course, number: int) -> Markup:
    width, height = PANEL
    parts = [
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img"'
        f' aria-labelledby="course-{number}-title course-{number}-desc">',
        f'<title id="course-{number}-title">{fit(f"Past prices of {course.name}")}</title>',
        f'<desc id="course-{number}-desc">{fit(in_words(course), 2_000)}</desc>',
        *panel(course),
        "</svg>",
    ]
    return Markup("\n".join(parts))  # noqa: S704 - its texts are fit

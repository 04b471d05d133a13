"""The resource graph -> one SVG file: what is needed stands left of what needs it. It stands alone: no script, no font,
nothing fetched; light or dark as the reader's system is; what it shows is said in words, too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise

from attrs import field

from flowplan.classes import frozen
from flowplan.documents.graph import Graph, Node, waits
from flowplan.reports.svg.colours import Colour, fit, style
from flowplan.reports.svg.layers import Layers, layers_of
from flowplan.reports.svg.nodes import HEIGHT, Look, drawn, kind_of, plain, width_of
from flowplan.reports.text.paint import Paint

_ROW = 50  # from one node to the one below it
_GAP = 84  # between two layers
_MARGIN, _HEAD, _LINE = 28, 52, 18  # around the whole; the title; a line below it
_NARROWEST = 600
_WORD = 13  # from one word beside edges to the one below it
_ALONG = 0.6  # how far along its last curve an edge is labelled

COLOURS = {
    "line": Colour("#8a939d", "#6b7580"),
    "volume": Colour("#e5f2e7", "#12261a"),
    "volume_line": Colour("#2c7a3d", "#57ab6a"),
    "bid": Colour("#e3eefb", "#10233d"),
    "bid_line": Colour("#0a5bc4", "#62acff"),
    "ports": Colour("#fbeedd", "#2e1f10"),
    "ports_line": Colour("#a8480a", "#f29149"),
}
RULES = """
    text { fill: $ink } .soft { fill: $soft } .title { font-size: 17px; font-weight: 600 }
    .kind { fill: $soft; font-size: 11px } .ground { fill: $ground }
    .until { fill: $soft; font-size: 11px; text-anchor: middle }
    .halo { stroke: $ground; stroke-width: 4; stroke-linejoin: round }
    .edge { fill: none; stroke: $line; stroke-width: 1.4 } .waits { stroke-dasharray: 6 4 }
    .head { fill: $line }
    .shape { stroke-width: 1.4 } .attached { stroke-dasharray: 4 3 }
    .volume { fill: $volume; stroke: $volume_line } .bid { fill: $bid; stroke: $bid_line }
    .ports { fill: $ports; stroke: $ports_line }
"""


def inline(graph: Graph, looks: Mapping[Node, Look], name: str) -> str:
    """The picture for a page, which has `RULES` and `COLOURS`: it draws no title and no legend. `name`: what the ids in
    it begin with."""
    picture = _Picture.of(graph, _MARGIN, looks, f"{name}-head")
    width, height = picture.width, picture.height
    parts = [
        f'<svg width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" role="group"'
        f' aria-labelledby="{name}-title" aria-describedby="{name}-desc">',
        f'<title id="{name}-title">{fit(_counted(graph))}</title>',
        f'<desc id="{name}-desc">{fit(" ".join(_in_words(graph)), 20_000)}</desc>',
        _arrow_head(picture.arrow),
        *picture.edges(),
        *picture.nodes(),
    ]
    return "\n".join([*parts, "</svg>"])


def svg(graph: Graph, _: Paint) -> str:
    """The whole file."""
    legend = legend_of(graph)
    picture = _Picture.of(graph, _HEAD + _LINE * len(legend) + _LINE)
    width, height = max(_NARROWEST, picture.width), picture.height
    parts = [
        f'<svg id="flowplan-graph" xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"'
        f' viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-labelledby="title desc">',
        f'<title id="title">{fit(_counted(graph))}</title>',
        f'<desc id="desc">{fit(" ".join(_in_words(graph)), 20_000)}</desc>',
        f"<style>{style(RULES, COLOURS)}</style>",
        _arrow_head(picture.arrow),
        f'<rect class="ground" width="{width:.0f}" height="{height:.0f}"/>',
        f'<text class="title" x="{_MARGIN}" y="34">{fit(_counted(graph))}</text>',
        *(
            f'<text class="soft" x="{_MARGIN}" y="{_HEAD + _LINE * number:.0f}" dy=".3em">{fit(line)}</text>'
            for number, line in enumerate(legend)
        ),
        *picture.edges(),
        *picture.nodes(),
    ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _arrow_head(name: str) -> str:
    return (
        f'<defs><marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="head" d="M0 0L8 4L0 8Z"/></marker></defs>'
    )


def _counted(graph: Graph) -> str:
    """How many of each there are."""
    kinds = Counter(kind_of(node) for node in graph.users)
    forms = (("volume", "{} volume"), ("bid", "{} bid"), ("ports", "ports of {} bid"))
    words = [form.format(n) + ("" if n == 1 else "s") for kind, form in forms if (n := kinds[kind])]
    return ", ".join(words) or "nothing is declared"


def _in_words(graph: Graph) -> Iterator[str]:
    """The picture in words."""
    for node, users in graph.users.items():
        if users:
            yield f"{node} is needed by {', '.join(map(str, users))}."
    for one, other, until in waits(graph):
        yield f"{other} waits until {one} is {until}."


def legend_of(graph: Graph) -> list[str]:
    """What the lines and shapes mean that are drawn, a line each."""
    says = ["An arrow leads from what is needed to what needs it."]
    if graph.waits:
        says.append("A dashed arrow leads to what waits: until the other is placed, or as far as it says.")
    if any(node.attached for node in graph.users):
        says.append("A dashed outline is a volume that flowplan only reads.")
    return says


# ---- places -------------------------------------------------------------------------------------------------


@frozen
class _Picture:
    """Where everything is, in pixels. `lefts`, `widths`: of layers; `top`: where the first row begins."""

    graph: Graph
    layers: Layers
    lefts: list[float]
    widths: list[float]
    depth: Mapping[object, int]
    top: float
    looks: Mapping[Node, Look] = field(factory=dict)
    arrow: str = "head"

    @classmethod
    def of(cls, graph: Graph, top: float, looks: Mapping[Node, Look] | None = None, arrow: str = "head") -> _Picture:
        needed = [(node, user) for node, users in graph.users.items() for user in users]
        layers = layers_of([*graph.users], [*needed, *((one, other) for one, other, _ in waits(graph))])
        looks = {node: plain(node) for node in graph.users} | dict(looks or {})
        widths = [max((width_of(one, looks) for one in layer), default=0.0) for layer in layers.layers]
        lefts = [_MARGIN + sum(widths[:number]) + _GAP * number for number in range(len(widths))]
        depth = {node: number for number, layer in enumerate(layers.layers) for node in layer}
        return cls(graph, layers, lefts, widths, depth, top, looks, arrow)

    @property
    def width(self) -> float:
        return self.lefts[-1] + self.widths[-1] + _MARGIN if self.lefts else 2 * _MARGIN

    @property
    def height(self) -> float:
        return self.top + _ROW * max(self.layers.rows.values(), default=-1) + HEIGHT + _MARGIN

    def nodes(self) -> Iterator[str]:
        for node in self.graph.users:
            number = self.depth[node]
            y = self._middle(node) - HEIGHT / 2
            yield from drawn(node, self.looks[node], self.lefts[number], y, self.widths[number])

    def edges(self) -> Iterator[str]:
        """Those that wait last, their words above the lines."""
        for one, users in self.graph.users.items():
            for user in users:
                yield self._edge(one, user, f"{user} needs {one}", "edge")
        for one, other, until in waits(self.graph):
            yield self._edge(one, other, f"{other} waits until {one} is {until}", "edge waits")
        yield from self._untils()

    def _untils(self) -> Iterator[str]:
        """How far others must be: beside the ends of the edges, with ground around, none over another."""
        words = [(*self._beside(one, other), until) for one, other, until in waits(self.graph) if until != "placed"]
        lowest: dict[float, float] = {}
        for x, wanted, until in sorted(words):
            y = lowest[x] = max(wanted, lowest.get(x, 0.0) + _WORD)
            at = f'x="{x:.1f}" y="{y:.1f}" dy=".35em"'
            yield f'<text class="until halo" {at} aria-hidden="true">{until}</text>'
            yield f'<text class="until" {at}>{until}</text>'

    def _beside(self, one: Node, other: Node) -> tuple[float, float]:
        """A place on the last curve of an edge."""
        here = self.layers.routes[one, other][-2]
        start, end = self._right(here), self.lefts[self.depth[other]]
        y = self._middle(here) + (self._middle(other) - self._middle(here)) * _ALONG**2 * (3 - 2 * _ALONG)
        return start + (end - start) * _ALONG, y

    def _edge(self, one: Node, other: Node, says: str, how: str) -> str:
        """A curve from right to left sides, straight through the layers that it passes."""
        route = self.layers.routes[one, other]
        path = f"M{self._right(one):.1f} {self._middle(one):.1f}"
        for here, there in pairwise(route):
            x, y, start = self.lefts[self.depth[there]], self._middle(there), self._right(here)
            bend = (start + x) / 2
            path += f"C{bend:.1f} {self._middle(here):.1f} {bend:.1f} {y:.1f} {x:.1f} {y:.1f}"
            if there is not route[-1]:
                path += f"H{self._right(there):.1f}"
        return f'<path class="{how}" d="{path}" marker-end="url(#{self.arrow})"><title>{fit(says)}</title></path>'

    def _right(self, node: object) -> float:
        number = self.depth[node]
        return self.lefts[number] + self.widths[number]

    def _middle(self, node: object) -> float:
        return self.top + HEIGHT / 2 + _ROW * self.layers.rows[node]

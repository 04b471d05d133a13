"""The resource graph -> one SVG file: what is needed stands left of what needs it. It stands alone: no script, no font,
nothing fetched; light or dark as the reader's system is; what it shows is said in words, too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from html import escape
from itertools import pairwise

from attrs import frozen

from flowplan.documents.graph import Graph, Node, waits
from flowplan.printable import shown
from flowplan.reports.svg.colours import Colour, style
from flowplan.reports.svg.layers import Layers, layers_of
from flowplan.reports.text.paint import Paint

_ROW, _HEIGHT = 50, 36  # from one node to the one below it; of a node
_GAP = 84  # between two layers
_MARGIN, _HEAD, _LINE = 28, 52, 18  # around the whole; the title; a line below it
_LID = 3  # of a drum
_LETTER, _PADDING = 7.3, 40  # the width of a character, and what a node has around its name
_LONGEST = 44  # characters of a name; the rest is in the title that a pointer shows
_NARROWEST = 600
_WORD = 13  # from one word beside edges to the one below it
_ALONG = 0.6  # how far along its last curve an edge is labelled

_COLOURS = {
    "line": Colour("#8a939d", "#6b7580"),
    "volume": Colour("#e5f2e7", "#12261a"),
    "volume_line": Colour("#2c7a3d", "#57ab6a"),
    "bid": Colour("#e3eefb", "#10233d"),
    "bid_line": Colour("#0a5bc4", "#62acff"),
    "ports": Colour("#fbeedd", "#2e1f10"),
    "ports_line": Colour("#a8480a", "#f29149"),
}
_RULES = """
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


def svg(graph: Graph, _: Paint) -> str:
    """The whole file."""
    picture = _Picture.of(graph)
    width, height = picture.width, picture.height
    parts = [
        f'<svg id="flowplan-graph" xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"'
        f' viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-labelledby="title desc">',
        f'<title id="title">{_text(_counted(graph))}</title>',
        f'<desc id="desc">{_text(" ".join(_in_words(graph)), 20_000)}</desc>',
        f"<style>{style(_RULES, _COLOURS)}</style>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="head" d="M0 0L8 4L0 8Z"/></marker></defs>',
        f'<rect class="ground" width="{width:.0f}" height="{height:.0f}"/>',
        f'<text class="title" x="{_MARGIN}" y="34">{_text(_counted(graph))}</text>',
        *(
            f'<text class="soft" x="{_MARGIN}" y="{_HEAD + _LINE * number:.0f}" dy=".3em">{_text(line)}</text>'
            for number, line in enumerate(_legend(graph))
        ),
        *picture.edges(),
        *picture.nodes(),
    ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _text(text: str, limit: int = 300) -> str:
    """Fit to stand in XML, whatever it came from."""
    return escape(shown(text, limit))


def _kind(node: Node) -> str:
    return node.address.partition(".")[0]


def _name(node: Node) -> str:
    return node.address.partition(".")[2]


def _counted(graph: Graph) -> str:
    """How many of each there are."""
    kinds = Counter(_kind(node) for node in graph.users)
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


# ---- shapes -------------------------------------------------------------------------------------------------


def _shape(node: Node, x: float, y: float, width: float) -> str:
    """A volume is a drum, a bid a box, ports a hexagon; dashed: flowplan only reads it."""
    kind = _kind(node)
    how = f'class="shape {kind}{" attached" if node.attached else ""}"'
    right, bottom, middle = x + width, y + _HEIGHT, y + _HEIGHT / 2
    if kind == "volume":
        arc = f"A{width / 2:.1f} {_LID} 0 0 0"
        body = f"M{x:.1f} {y + _LID:.1f}V{bottom - _LID:.1f}{arc} {right:.1f} {bottom - _LID:.1f}V{y + _LID:.1f}"
        return f'<path {how} d="{body}{arc} {x:.1f} {y + _LID:.1f}{arc} {right:.1f} {y + _LID:.1f}"/>'
    if kind == "ports":
        points = [(x, middle), (x + 10, y), (right - 10, y), (right, middle), (right - 10, bottom), (x + 10, bottom)]
        return f'<polygon {how} points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in points)}"/>'
    return f'<rect {how} x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{_HEIGHT}" rx="6"/>'


def _drawn(node: Node, x: float, y: float, width: float) -> Iterator[str]:
    name = _name(node)
    cut = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    kind = "attached" if node.attached else _kind(node)
    yield f"<g><title>{_text(str(node))}</title>{_shape(node, x, y, width)}"
    top = y + (2 if _kind(node) == "volume" else 0)  # below the lid
    yield f'<text class="kind" x="{x + 14:.1f}" y="{top + 15:.1f}">{kind}</text>'
    yield f'<text x="{x + 14:.1f}" y="{top + 29:.1f}">{_text(cut)}</text></g>'


def _legend(graph: Graph) -> list[str]:
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

    @classmethod
    def of(cls, graph: Graph) -> _Picture:
        needed = [(node, user) for node, users in graph.users.items() for user in users]
        layers = layers_of([*graph.users], [*needed, *((one, other) for one, other, _ in waits(graph))])
        widths = [max(map(_width, layer), default=0.0) for layer in layers.layers]
        lefts = [_MARGIN + sum(widths[:number]) + _GAP * number for number in range(len(widths))]
        depth = {node: number for number, layer in enumerate(layers.layers) for node in layer}
        return cls(graph, layers, lefts, widths, depth, _HEAD + _LINE * len(_legend(graph)) + _LINE)

    @property
    def width(self) -> float:
        return max(_NARROWEST, self.lefts[-1] + self.widths[-1] + _MARGIN if self.lefts else 0)

    @property
    def height(self) -> float:
        return self.top + _ROW * max(self.layers.rows.values(), default=-1) + _HEIGHT + _MARGIN

    def nodes(self) -> Iterator[str]:
        for node in self.graph.users:
            number = self.depth[node]
            yield from _drawn(node, self.lefts[number], self._middle(node) - _HEIGHT / 2, self.widths[number])

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
        return f'<path class="{how}" d="{path}" marker-end="url(#head)"><title>{_text(says)}</title></path>'

    def _right(self, node: object) -> float:
        number = self.depth[node]
        return self.lefts[number] + self.widths[number]

    def _middle(self, node: object) -> float:
        return self.top + _HEIGHT / 2 + _ROW * self.layers.rows[node]


def _width(node: object) -> float:
    """Of a node, wide enough for its name; of a bend, none."""
    return _PADDING + _LETTER * min(len(_name(node)), _LONGEST) if isinstance(node, Node) else 0.0

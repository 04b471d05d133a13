"""The nodes of a resource graph as shapes of an SVG picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flowplan.classes import frozen
from flowplan.documents.graph import Node
from flowplan.reports.svg.colours import fit

HEIGHT = 36  # of a node, in pixels
_LID = 3  # of a drum
_LETTER, _PADDING = 7.3, 40  # the width of a character, and what a node has around its name
_SMALL = 6.0  # the width of a character above a name
_LONGEST = 44  # characters of a name; the rest is in the title that a pointer shows


@frozen
class Look:
    """How a node of a picture in a page is drawn: `style`, a class of its shape; `kind`, what stands above its name;
    where it leads."""

    style: str
    kind: str
    link: str | None = None


def kind_of(node: Node) -> str:
    """volume, bid or ports."""
    return node.address.partition(".")[0]


def name_of(node: Node) -> str:
    """The address without that."""
    return node.address.partition(".")[2]


def _shape(node: Node, x: float, y: float, width: float, style: str) -> str:
    """A volume is a drum, a bid a box, ports a hexagon; dashed: flowplan only reads it."""
    kind = kind_of(node)
    how = f'class="shape {kind}{" attached" if node.attached else ""}{style and f" {style}"}"'
    right, bottom, middle = x + width, y + HEIGHT, y + HEIGHT / 2
    if kind == "volume":
        arc = f"A{width / 2:.1f} {_LID} 0 0 0"
        body = f"M{x:.1f} {y + _LID:.1f}V{bottom - _LID:.1f}{arc} {right:.1f} {bottom - _LID:.1f}V{y + _LID:.1f}"
        return f'<path {how} d="{body}{arc} {x:.1f} {y + _LID:.1f}{arc} {right:.1f} {y + _LID:.1f}"/>'
    if kind == "ports":
        points = [(x, middle), (x + 10, y), (right - 10, y), (right, middle), (right - 10, bottom), (x + 10, bottom)]
        return f'<polygon {how} points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in points)}"/>'
    return f'<rect {how} x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{HEIGHT}" rx="6"/>'


def drawn(node: Node, look: Look, x: float, y: float, width: float) -> Iterator[str]:
    """The node with its upper left corner at `x` and `y`. A long name is cut in the middle: names often differ at an
    end."""
    name = name_of(node)
    cut = name if len(name) <= _LONGEST else f"{name[: _LONGEST // 2]}…{name[1 - _LONGEST // 2 :]}"
    if look.link:
        yield f'<a href="{fit(look.link)}">'
    yield f"<g><title>{fit(str(node))}</title>{_shape(node, x, y, width, look.style)}"
    top = y + (2 if kind_of(node) == "volume" else 0)  # below the lid
    yield f'<text class="kind" x="{x + 14:.1f}" y="{top + 15:.1f}">{fit(look.kind)}</text>'
    yield f'<text x="{x + 14:.1f}" y="{top + 29:.1f}">{fit(cut)}</text></g>'
    if look.link:
        yield "</a>"


def plain(node: Node) -> Look:
    """How it is drawn where only what it is matters."""
    return Look("", "attached" if node.attached else kind_of(node))


def width_of(node: object, looks: Mapping[Node, Look]) -> float:
    """Of a node, wide enough for its name and what stands above it; of a bend, none."""
    if not isinstance(node, Node):
        return 0.0
    return _PADDING + max(_LETTER * min(len(name_of(node)), _LONGEST), _SMALL * len(looks[node].kind))

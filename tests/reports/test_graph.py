"""The resource graph as SVG, DOT, Mermaid and JSON: what needs what, and what waits for what."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from flowplan.documents.graph import graph_of
from flowplan.model.address import Address
from flowplan.reports.svg.graph import svg
from flowplan.reports.svg.layers import layers_of
from flowplan.reports.text.paint import Paint
from tests.conftest import Place

STACK = """version: 2
defaults: {resources_specification: {fcp_instance: 8xh100, cluster_id: us-central1-b}}
volumes: {data: {size: 100, disk_interface: File}}
tasks:
  preprocess: {persistent_storage: {attach: {volume: data, mount_point: /mnt/d}}}
  train:
    depends_on: [{task: preprocess, until: terminated}]
    ports: [6006]
    persistent_storage:
      attach: [{volume: data, mount_point: /mnt/d}, {volume_name: theirs, mount_point: /mnt/t}]
"""
SVG = "{http://www.w3.org/2000/svg}"


def test_what_waits_is_dashed_in_each_format(place: Place) -> None:
    place.write(STACK)
    assert '  "bid.preprocess" -> "bid.train" [style = dashed, label = "terminated"];' in place.ok("graph")
    assert re.search(r"n\d -\. terminated \.-> n\d", place.ok("graph", "--format", "mermaid"))
    edges = json.loads(place.ok("graph", "--format", "json"))["edges"]
    assert {"from": "bid.preprocess", "to": "bid.train", "until": "terminated"} in edges
    assert sum("until" in edge for edge in edges) == 1


def test_the_picture_says_in_words_and_shapes_what_there_is(place: Place) -> None:
    place.write(STACK)
    text = place.ok("graph", "--format", "svg")
    root = ElementTree.fromstring(text)
    assert (root.get("role"), root.get("aria-labelledby")) == ("img", "title desc")
    assert root.findtext(f"{SVG}title") == "2 volumes, 2 bids, ports of 1 bid"
    assert root.findtext(f"{SVG}desc") == (
        "bid.train is needed by ports.train. volume.data is needed by bid.preprocess, bid.train. "
        "volume.theirs (attached) is needed by bid.train. bid.train waits until bid.preprocess is terminated."
    )
    tags = {found.findtext(f"{SVG}title"): found[1].tag.removeprefix(SVG) for found in root.findall(f"{SVG}g")}
    assert tags == {
        "bid.preprocess": "rect",
        "bid.train": "rect",
        "ports.train": "polygon",
        "volume.data": "path",
        "volume.theirs (attached)": "path",
    }
    lines = [one for one in root.findall(f"{SVG}path") if "edge" in (one.get("class") or "")]
    assert [one.findtext(f"{SVG}title") for one in lines if one.get("class") == "edge waits"] == [
        "bid.train waits until bid.preprocess is terminated"
    ]
    assert len(lines) == 5
    assert "<script" not in text and text.count("http://") == 1


def test_a_name_is_a_text_in_it_whatever_it_is() -> None:
    name = 'a["<b>&\x1b' + "x" * 80
    root = ElementTree.fromstring(svg(graph_of({Address("bid", name): ()}), Paint()))
    (group,) = root.findall(f"{SVG}g")
    assert (group.findtext(f"{SVG}title") or "").startswith('bid.a["<b>&\\x1bxxx')
    assert [len(one.text or "") <= 50 for one in group.findall(f"{SVG}text")] == [True, True]


def test_words_beside_edges_stand_apart(place: Place) -> None:
    waiting = "".join(f"  t{n}: {{depends_on: [{{task: preprocess, until: running}}]}}\n" for n in range(9))
    place.write(STACK + waiting)
    root = ElementTree.fromstring(place.ok("graph", "--format", "svg"))
    found = [(one.get("x"), float(one.get("y") or 0)) for one in root if one.get("class") == "until"]
    assert len(found) == 10
    for (x, y), (other_x, below) in pairwise(sorted(found, key=lambda at: (at[0] or "", at[1]))):
        assert x != other_x or below - y >= 12.9


def test_nothing_declared_is_a_picture_too() -> None:
    assert "nothing is declared" in svg(graph_of({}), Paint())


def chains(count: int) -> list[tuple[str, str]]:
    return [edge for n in range(count) for edge in ((f"v{n}", f"b{n}"), (f"b{n}", f"p{n}"))]


def test_forty_chains_are_forty_straight_lines() -> None:
    edges = chains(40)
    nodes = sorted({node for edge in edges for node in edge}, key=lambda node: (node[0], -int(node[1:])))
    found = layers_of(nodes, edges)
    assert [len(layer) for layer in found.layers] == [40, 40, 40]
    assert all(found.rows[one] == found.rows[other] for one, other in edges)


def test_what_nothing_leads_to_stands_right_before_what_needs_it() -> None:
    found = layers_of(["a", "b", "c", "late"], [("a", "b"), ("b", "c"), ("late", "c")])
    assert [set(layer) for layer in found.layers] == [{"a"}, {"b", "late"}, {"c"}]


GRAPHS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)).filter(lambda edge: edge[0] < edge[1]), max_size=30)


@given(GRAPHS)
def test_edges_lead_right_through_every_layer_and_nothing_stands_on_another(edges: list[tuple[int, int]]) -> None:
    found = layers_of(list(range(13)), edges)
    depth = {node: number for number, layer in enumerate(found.layers) for node in layer}
    assert {node for node in depth if isinstance(node, int)} == set(range(13))
    for edge in edges:
        route = found.routes[edge]
        assert (route[0], route[-1]) == edge
        assert [depth[node] for node in route] == list(range(depth[edge[0]], depth[edge[1]] + 1))
    for layer in found.layers:
        assert all(found.rows[other] - found.rows[one] > 0.999 for one, other in pairwise(layer))
    assert min(found.rows.values()) == 0

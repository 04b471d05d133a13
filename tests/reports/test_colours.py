"""The colours of pictures: literal ones, for light and for dark, in any program that shows an SVG."""

from __future__ import annotations

import re

import pytest

from flowplan.reports.svg import graph, market
from flowplan.reports.svg.colours import Colour, style

SHEETS = {"graph": style(graph._RULES, graph._COLOURS), "market": style(market._RULES, market._COLOURS)}


@pytest.mark.parametrize("name", SHEETS)
def test_every_colour_is_literal_and_said_for_both(name: str) -> None:
    light, _, dark = SHEETS[name].partition("@media (prefers-color-scheme: dark)")
    assert "var(" not in light + dark and "$" not in light + dark
    properties = [re.findall(r"(fill|stroke|background): (#\w{6})", part) for part in (light, dark)]
    assert [of for of, _ in properties[0]] == [of for of, _ in properties[1]]
    assert all(one != two for (_, one), (_, two) in zip(*properties, strict=True))


def test_what_names_no_colour_is_said_once() -> None:
    sheet = style(".a { fill: $hue; stroke-width: 2 } .b { font-size: 9px }", {"hue": Colour("#111111", "#eeeeee")})
    assert sheet.count("stroke-width") == sheet.count(".b {") == 1
    assert sheet.rstrip().endswith(".a { fill: #eeeeee }\n}")

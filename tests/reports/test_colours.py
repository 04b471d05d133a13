"""The colours of pictures: literal ones, for light and for dark, in any program that shows an SVG."""

from __future__ import annotations

import re

import pytest

from flowplan.reports.svg import course, graph
from flowplan.reports.svg.colours import Colour, style, variables, within

SHEETS = {"graph": style(graph.RULES, graph.COLOURS), "market": style(course.RULES, course.COLOURS)}


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


def test_in_a_page_they_are_the_colours_of_the_page() -> None:
    assert within(".graph svg", ".a, .b { fill: $hue; width: 1px }") == (
        ".graph svg .a, .graph svg .b { fill: var(--hue); width: 1px }"
    )
    light, dark = variables({"hue": Colour("#111111", "#eeeeee")}).split("@media")
    assert "--hue: #111111" in light and "--hue: #eeeeee" in dark and "--ink: #" in dark
    assert {*re.findall(r"var\(--(\w+)\)", within("x", graph.RULES))} <= {
        *re.findall(r"--(\w+):", variables(graph.COLOURS))
    }

"""The texts and the colours of pictures. Colours are literal: for light first, as many programs know no `var()`, then
for dark where the reader's system is dark."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from string import Template
from typing import NamedTuple

from flowplan.patterns import regex
from flowplan.printable import shown


def fit(text: str, limit: int = 300) -> str:
    """Fit to stand in XML, whatever it came from."""
    return escape(shown(text, limit))


class Colour(NamedTuple):
    """On a light ground, and on a dark one."""

    light: str
    dark: str


_OF_ALL = {
    "ground": Colour("#ffffff", "#0d1117"),
    "ink": Colour("#1f2328", "#e6edf3"),
    "soft": Colour("#59636e", "#9aa4af"),
}
_RULE = regex(r"([^{}]+)\{([^{}]*)\}")
_NAME = regex(r"\$(\w+)")
_HEAD = 'svg { color-scheme: light dark; background: $ground; font: 13px system-ui, "Segoe UI", sans-serif }\n'


def style(rules: str, colours: Mapping[str, Colour]) -> str:
    """A style sheet of `rules`, in which `$NAME` is one of `colours`, or the ground, ink or soft ink that every picture
    has. Only what names a colour is said again for dark."""
    found, template = {**_OF_ALL, **colours}, Template(_HEAD + rules)
    light = template.substitute({name: one.light for name, one in found.items()})
    dark = [
        f"{selector.strip()} {{ {'; '.join(coloured)} }}"
        for selector, body in _RULE.findall(template.template)
        if (coloured := [one.strip() for one in body.split(";") if "$" in one])
    ]
    again = Template("\n".join(dark)).substitute({name: one.dark for name, one in found.items()})
    return f"{light.strip()}\n@media (prefers-color-scheme: dark) {{\n{again}\n}}\n"


def within(selector: str, rules: str) -> str:
    """`rules` for a picture that stands in a page, as the element that `selector` selects: `$NAME` is the page's colour
    `--NAME`."""
    made = []
    for selectors, body in _RULE.findall(rules):
        inside = ", ".join(f"{selector} {one.strip()}" for one in selectors.split(","))
        made.append(f"{inside} {{ {_NAME.sub(_variable, body).strip()} }}")
    return "\n".join(made)


def variables(*colours: Mapping[str, Colour]) -> str:
    """The colours as a page has them: `--NAME`, for light, and for dark on a screen that is dark."""
    found = _OF_ALL | {name: one for some in colours for name, one in some.items()}
    light = "; ".join(f"--{name}: {one.light}" for name, one in found.items())
    dark = "; ".join(f"--{name}: {one.dark}" for name, one in found.items())
    return f":root {{ {light} }}\n@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}"


def _variable(found: re.Match[str]) -> str:
    return f"var(--{found[1]})"

"""The pictures of a terminal in the docs are what flowplan prints now; each stands alone, and can be read by all."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "docs" / "pictures"))
import make
from terminal import svg

PICTURES = ROOT / "docs" / "pictures"
SVG = "{http://www.w3.org/2000/svg}"


def test_a_picture_shows_what_is_printed_now(accepts: Callable[[Path, str], None]) -> None:
    """In one test, as they are drawn one after the other."""
    for name, drawn in make.drawn():
        accepts(PICTURES / f"{name}.svg", drawn)


def test_there_is_no_picture_that_nothing_draws() -> None:
    assert {path.stem for path in PICTURES.glob("*.svg")} == {one.name for one in make.PICTURES}


def test_every_picture_is_shown_in_a_page() -> None:
    pages = "".join(page.read_text() for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")))
    assert {one.name for one in make.PICTURES} <= set(
        re.findall(r"!\[[^\]]+\]\((?:docs/)?pictures/(\w+)\.svg\)", pages)
    )


def test_a_picture_stands_alone_and_has_words() -> None:
    for path in PICTURES.glob("*.svg"):
        text = path.read_text()
        root = ElementTree.fromstring(text)
        assert (root.get("role"), root.get("aria-labelledby")) == ("img", "title desc")
        assert "flowplan" in (root.findtext(f"{SVG}title") or "")
        assert (root.findtext(f"{SVG}desc") or "").startswith("$ flowplan ")
        assert "prefers-color-scheme: dark" in text and "url(" not in text and text.count("http") == 1
        assert {one.tag for one in root.iter()} == {
            f"{SVG}{tag}" for tag in ("svg", "title", "desc", "style", "rect", "text")
        }


def test_colours_columns_and_marks_are_kept() -> None:
    root = ElementTree.fromstring(svg("a & b", ["\x1b[31;1merror:\x1b[0m <x> & y", "  ┤⣿ end"]))
    found = [(one.get("class"), one.text, (one.get("x") or "").split()) for one in root.iter(f"{SVG}text")]
    assert [(how, text) for how, text, _ in found] == [
        ("b r", "error:"),
        (None, "<x> & y"),
        (None, "┤⣿"),
        (None, "end"),
    ]
    places = [[round((float(x) - 22) / 8.4) for x in xs] for _, _, xs in found]
    assert places == [[0], [7], [2, 3], [5]]
    assert root.findtext(f"{SVG}desc") == "error: <x> & y\n  ┤⣿ end"

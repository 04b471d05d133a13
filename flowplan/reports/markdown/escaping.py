"""Texts from outside in Markdown (GitHub's, GitLab's): each is shown as it is, and opens nothing.

In running text a name could open a tag, a link, a picture, a formula or a heading, or close what surrounds it. And the
site itself makes links of `@name`, `#1`, `www.` and `https://`, after the Markdown is read. A character reference keeps
the first from happening; a space of no width behind the character keeps the second."""

from __future__ import annotations

import re
from html import escape

from flowplan.patterns import regex
from flowplan.printable import shown

LONGEST = 400  # characters of a text
_MARKUP = regex(r"[\\`*_{}\[\]<>!|~^&@#]|:(?=[\w/+-])|\$(?!\d)|^[-+=]|^\d+[.)]|(?<=www)\.", re.IGNORECASE)
_URL = regex(r"(\b(?:(?:https?|s3|az|postgres(?:ql)?)://[^\s`'\"<>|]*[\w/=%&#]|sim:[\w./-]*))", re.IGNORECASE)
_NO_WIDTH = "&#8203;"
_LINKING = "@#:"


def prose(text: str, longest: int = LONGEST) -> str:
    """A text on one line, among other text."""
    return _MARKUP.sub(_reference, shown(text, longest))


def _reference(found: re.Match[str]) -> str:
    before, char = found[0][:-1], found[0][-1]
    if char == "$":
        return "<span>$</span>"  # the way that GitHub names: a reference still opens a formula
    if char == ".":
        return f"{before}{_NO_WIDTH}."
    return f"{before}&#{ord(char)};{_NO_WIDTH if char in _LINKING else ''}"


def message(text: str, longest: int = LONGEST) -> str:
    """As `prose`; but what stands between two backticks is code, as messages write what you type, and so is a URL: it
    opens nothing, and can be copied as it is."""
    parts = shown(text, longest).split("`")
    if len(parts) % 2 == 0:  # one has no other
        return _with_urls("`".join(parts), longest)
    return "".join(code(part) if index % 2 else _with_urls(part, longest) for index, part in enumerate(parts) if part)


def _with_urls(text: str, longest: int) -> str:
    parts = _URL.split(text)
    return "".join(code(part) if index % 2 else prose(part, longest) for index, part in enumerate(parts) if part)


def code(text: str, longest: int = LONGEST) -> str:
    """A name on one line, as code."""
    name = shown(text, longest)
    ticks = "`" * (_longest_run(name) + 1)
    pad = " " if name[:1] in ("`", " ") or name[-1:] in ("`", " ") else ""
    return f"{ticks}{pad}{name}{pad}{ticks}"


def code_in_tag(text: str, longest: int = LONGEST) -> str:
    """A name as code between two tags, where no Markdown is read."""
    return f"<code>{escape(shown(text, longest))}</code>"


def fenced(text: str, language: str) -> str:
    """Lines as a block of code. Its fence is longer than any in it."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)

"""Markdown: tables, and plain text in it that means nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable

_CODE = re.compile(r"(`[^`]*`)")
_OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*|\$\{[^}]*\})")


def plain(text: str) -> str:
    """Text of the program as Markdown: what stands in `...` stays, options become code, nothing else is markup."""
    parts = _CODE.split(_OPTION.sub(_coded, text))
    return "".join(part if part.startswith("`") else re.sub(r"([\\*_<>\[\]|])", r"\\\1", part) for part in parts)


def _coded(found: re.Match[str]) -> str:
    inside_code = found.string[: found.start()].count("`") % 2
    return found[0] if inside_code else f"`{found[0]}`"


def code(text: str) -> str:
    return f"`{text}`" if text else ""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; a | in a cell is text, and a line break a space."""
    lines = [[*head]]
    lines += [["---"] * len(lines[0]), *([*row] for row in rows)]
    return "".join("| " + " | ".join(_cell(one) for one in line) + " |\n" for line in lines)


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split()))


def fence(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```\n"


def slug(heading: str) -> str:
    """The anchor that a heading gets (as the `toc` extension makes it)."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())
